package install

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Library is one installed ONNX Runtime.
type Library struct {
	Path      string   `json:"path"`    // of the library to load
	Version   string   `json:"version"` // such as 1.30.0
	Variant   string   `json:"variant"` // cpu, gpu, webgpu
	SHA256    string   `json:"sha256"`  // of the file at Path, when it was installed
	Providers []string `json:"providers"`
	Pinned    bool     `json:"pinned"` // the hash is one that Assay knows
	Source    string   `json:"source"` // the package or file that it came from
	// Preload lists the libraries that this runtime's providers need (the CUDA libraries of variant gpu), in an order in which
	// each can be opened after those before it. Whoever loads the runtime opens them first: nothing in the providers says
	// where these are.
	Preload []string `json:"preload,omitempty"`
}

const (
	schema       = "assay.runtime/1"
	manifestName = "library.json"
	temporary    = ".tmp-"
)

// manifest is library.json beside an installed library. Paths are base names.
type manifest struct {
	Schema    string   `json:"schema"`
	Version   string   `json:"version"`
	Variant   string   `json:"variant"`
	Library   string   `json:"library"`
	SHA256    string   `json:"sha256"`
	Pinned    bool     `json:"pinned"`
	Source    string   `json:"source"`
	Providers []string `json:"providers"`
	Preload   []string `json:"preload,omitempty"`
	Files     []record `json:"files"`
}

// record is one file that was installed.
type record struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// DefaultDir is `assay/runtime` in the user's cache directory.
func DefaultDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w", err)
	}
	return filepath.Join(cache, "assay", "runtime"), nil
}

// List returns the complete installations in dir: the version that Assay pins first, then newer before older, and the
// smaller variant first. A directory whose files are missing or cut short is left out (Install replaces it).
// A dir that does not exist holds none.
func List(dir string) ([]Library, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the installed runtimes: %w", err)
	}
	var libs []Library
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if lib, err := load(filepath.Join(dir, e.Name())); err == nil {
			libs = append(libs, lib)
		}
	}
	slices.SortFunc(libs, compareLibraries)
	return libs, nil
}

// compareLibraries orders by preference.
func compareLibraries(a, b Library) int {
	if d, e := a.Version == DefaultVersion, b.Version == DefaultVersion; d != e {
		if d {
			return -1
		}
		return 1
	}
	if c := compareVersions(b.Version, a.Version); c != 0 {
		return c
	}
	return slices.Index(variantNames(), a.Variant) - slices.Index(variantNames(), b.Variant)
}

// compareVersions compares dotted numbers; what follows the numbers is compared as text.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, errM := strconv.Atoi(x[i])
		n, errN := strconv.Atoi(y[i])
		if errM != nil || errN != nil {
			if c := strings.Compare(x[i], y[i]); c != 0 {
				return c
			}
		}
		if m != n {
			return m - n
		}
	}
	return len(x) - len(y)
}

// load reads the installation in dir; it compares sizes, not hashes.
func load(dir string) (Library, error) {
	m, err := readManifest(dir)
	if err != nil {
		return Library{}, err
	}
	for _, f := range m.Files {
		info, err := os.Stat(filepath.Join(dir, f.Name))
		if err != nil {
			return Library{}, err
		}
		if info.Size() != f.Bytes {
			return Library{}, fmt.Errorf("%s has %d bytes, %d were installed", f.Name, info.Size(), f.Bytes)
		}
	}
	lib := Library{Path: filepath.Join(dir, m.Library), Version: m.Version, Variant: m.Variant, SHA256: m.SHA256,
		Providers: m.Providers, Pinned: m.Pinned, Source: m.Source}
	for _, name := range m.Preload {
		lib.Preload = append(lib.Preload, filepath.Join(dir, name))
	}
	return lib, nil
}

func readManifest(dir string) (manifest, error) {
	var m manifest
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", manifestName, err)
	}
	names := append([]string{m.Library}, m.Preload...)
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	for _, name := range names {
		if name != filepath.Base(name) || name == "." || !filepath.IsLocal(name) {
			return m, fmt.Errorf("read %s: %q is not a file name", manifestName, name)
		}
	}
	if sum, err := hex.DecodeString(m.SHA256); err != nil || len(sum) != sha256.Size {
		return m, fmt.Errorf("read %s: %q is not a SHA-256", manifestName, m.SHA256)
	}
	if m.Schema != schema || variantByName(m.Variant) == nil {
		return m, fmt.Errorf("read %s: schema %q, variant %q are not known", manifestName, m.Schema, m.Variant)
	}
	return m, nil
}

// intact returns the installation of a version and variant when every file still has the hash it was installed with.
func intact(dir, version, variant string) (Library, bool) {
	dir = filepath.Join(dir, version+"-"+variant)
	m, err := readManifest(dir)
	if err != nil {
		return Library{}, false
	}
	for _, f := range m.Files {
		if sum, err := hashFile(filepath.Join(dir, f.Name)); err != nil || sum != f.SHA256 {
			return Library{}, false
		}
	}
	lib, err := load(dir)
	return lib, err == nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// A MissingError says that no installed library offers the providers asked for, and what to do.
type MissingError struct {
	Providers []string // those asked for
	Variant   string   // the variant that offers them; "" where none does
	Dir       string
}

func (e *MissingError) Error() string {
	what := strings.Join(e.Providers, ", ")
	if e.Variant == "" {
		return fmt.Sprintf("no ONNX Runtime that Assay installs has provider %s; name a library that has it with --ort-library FILE", what)
	}
	return fmt.Sprintf("no ONNX Runtime library with provider %s is installed in %s; run `assay runtime install --variant %s`, or name one with --ort-library FILE",
		what, e.Dir, e.Variant)
}

// Find returns the installed library that has every provider asked for: of the pinned version where there is one, else the
// newest, and of that the smallest variant. Providers are as users write them (cpu, cuda, tensorrt, webgpu) or the
// runtime's own names (CUDAExecutionProvider); without any, cpu. The error is a *MissingError where there is none.
func Find(dir string, providers ...string) (Library, error) {
	asked := normalize(providers)
	libs, err := List(dir)
	if err != nil {
		return Library{}, err
	}
	for _, lib := range libs {
		if hasAll(lib.Providers, asked) {
			return lib, nil
		}
	}
	missing := &MissingError{Providers: asked, Dir: dir}
	for _, v := range variants {
		if hasAll(v.providers, asked) {
			missing.Variant = v.name
			break
		}
	}
	return Library{}, missing
}

func hasAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
}

// normalize lowers names, drops the runtime's suffix and doubles, and lets every library serve the CPU.
func normalize(providers []string) []string {
	var names []string
	for _, p := range providers {
		name := strings.TrimSuffix(strings.ToLower(p), "executionprovider")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"cpu"}
	}
	return names
}
