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

// preloadOrder lists the staged libraries other than the runtime's own, each after the staged libraries that it names as
// needed. The providers carry no search path, so whoever loads them opens these first.
func preloadOrder(s staged) ([]string, error) {
	needs := map[string][]string{}
	for _, f := range s.files {
		if !sharedName.MatchString(f.Name) || strings.HasPrefix(f.Name, "libonnxruntime") {
			continue
		}
		e, err := elf.Open(filepath.Join(s.dir, f.Name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		imported, err := e.ImportedLibraries()
		if err := errors.Join(err, e.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		needs[f.Name] = imported
	}
	return topological(needs), nil
}

// topological orders names so that each comes after those of its needs that are names too; equal ones by name.
func topological(needs map[string][]string) []string {
	names := make([]string, 0, len(needs))
	for name := range needs {
		names = append(names, name)
	}
	slices.Sort(names)
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
	for _, name := range names {
		visit(name)
	}
	return order
}
