package install

import (
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// elfFacts is what a library's own headers say.
type elfFacts struct {
	version string // from the symbol version VERS_1.30.0 that the runtime exports under, else from the file name; "" unknown
}

var versionSuffix = regexp.MustCompile(`\.so\.([0-9]+\.[0-9]+\.[0-9]+)$`)

// readELF reads the version of the runtime in path.
func readELF(path string) (elfFacts, error) {
	f, err := elf.Open(path)
	if err != nil {
		return elfFacts{}, err
	}
	defer f.Close()
	if f.Type != elf.ET_DYN {
		return elfFacts{}, fmt.Errorf("%s is not a shared library", filepath.Base(path))
	}
	defined, _ := f.DynamicVersions() // absent where the library has none
	for _, v := range defined {
		if version, ok := strings.CutPrefix(v.Name, "VERS_"); ok {
			return elfFacts{version: version}, nil
		}
	}
	if m := versionSuffix.FindStringSubmatch(filepath.Base(path)); m != nil {
		return elfFacts{version: m[1]}, nil
	}
	return elfFacts{}, nil
}

// openedByName are libraries that the CUDA provider opens while it runs, by a bare name that only a library already
// loaded answers to; it does not declare them as needed. (Their own parts they find by themselves.)
var openedByName = regexp.MustCompile(`^lib(cudnn|cufft|nvrtc)\.so`)

// preloadOrder lists the staged libraries that the staged providers need, directly or not, each after those that it needs
// itself. The providers carry no search path, so whoever loads them opens these first.
func preloadOrder(s staged) ([]string, error) {
	needs := map[string][]string{}
	var roots []string
	for _, f := range s.files {
		if !sharedName.MatchString(f.Name) || libraryName.MatchString(f.Name) {
			continue
		}
		imported, err := importedLibraries(filepath.Join(s.dir, f.Name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		switch {
		case providerName.MatchString(f.Name):
			roots = append(roots, imported...)
		default:
			needs[f.Name] = imported
			if openedByName.MatchString(f.Name) {
				roots = append(roots, f.Name)
			}
		}
	}
	slices.Sort(roots)
	return topological(roots, needs), nil
}

func importedLibraries(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	imported, err := f.ImportedLibraries()
	return imported, errors.Join(err, f.Close())
}

// topological lists the roots and all that they reach, each name after those of its needs; names without an entry in needs
// (the system's own libraries) are left out.
func topological(roots []string, needs map[string][]string) []string {
	var order []string
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if _, ok := needs[name]; !ok || seen[name] {
			return
		}
		seen[name] = true
		for _, n := range needs[name] {
			visit(n)
		}
		order = append(order, name)
	}
	for _, name := range roots {
		visit(name)
	}
	return order
}
