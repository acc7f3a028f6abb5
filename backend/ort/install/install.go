// Package install gets the ONNX Runtime library onto this machine and finds it again.
//
// The library comes out of a package that a package manager of the user's fetches (pip or npm, by their own
// configuration), or out of a file; it is checked against a pinned SHA-256 and kept in a directory of the caller's.
// The package knows nothing about loading the library and needs no cgo.
package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Options says what to install and from where.
type Options struct {
	Dir      string // where libraries are kept; it is made when absent
	Variant  string // "cpu", "gpu", "webgpu"; "" is cpu, or with From what the file holds
	Version  string // "" is DefaultVersion, or with From what the file holds where that is pinned
	From     string // a library, .whl, .zip or .tgz; "" asks pip or npm
	Platform string // "linux/amd64"; "" is the running program's
	// Progress is told, one line at a time, what is going on; nil is silent.
	Progress func(string)
	// Lookup finds a program by name, as exec.LookPath does; nil is exec.LookPath.
	Lookup func(string) (string, error)
}

var versionPattern = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$`)

func (o *Options) applyDefaults() {
	if o.Platform == "" {
		o.Platform = runtime.GOOS + "/" + runtime.GOARCH
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Lookup == nil {
		o.Lookup = exec.LookPath
	}
	if o.From != "" {
		return
	}
	if o.Variant == "" {
		o.Variant = "cpu"
	}
	if o.Version == "" {
		o.Version = DefaultVersion
	}
}

// validate lists every mistake at once.
func (o *Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no directory to install into"))
	}
	if _, ok := machines[o.Platform]; !ok {
		errs = append(errs, fmt.Errorf("no ONNX Runtime library is known for %s (only %s); build one and name it with --ort-library FILE",
			o.Platform, strings.Join(platforms(), ", ")))
	}
	if o.Variant != "" && variantByName(o.Variant) == nil {
		errs = append(errs, fmt.Errorf("unknown variant %q; known are %s", o.Variant, strings.Join(variantNames(), ", ")))
	}
	if o.Version != "" && !versionPattern.MatchString(o.Version) {
		errs = append(errs, fmt.Errorf("version %q is not of the form %s", o.Version, DefaultVersion))
	}
	return errors.Join(errs...)
}

// A PinError says that a library is not the one that was pinned. Nothing was installed.
type PinError struct {
	Source  string // the package or file that held the library
	Version string
	Got     string // SHA-256 of the library
	Want    []string
}

func (e *PinError) Error() string {
	return fmt.Sprintf("the ONNX Runtime %s library in %s has SHA-256 %s, the pinned one is %s: not installed; use --ort-library FILE for a library of your own",
		e.Version, e.Source, e.Got, strings.Join(e.Want, " or "))
}

// Install puts a library in place and returns it; one that is already there and intact is returned as it is.
// Two at once, in two processes too, wait for each other. A library is visible to List only once it is complete.
// The result's Pinned is false where Options.Version names a version without a known SHA-256: the caller should say so.
// Errors: *PinError where the hash is not the pinned one, *ClientError where no package manager delivered.
func Install(ctx context.Context, o Options) (Library, error) {
	o.applyDefaults()
	if err := o.validate(); err != nil {
		return Library{}, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return Library{}, fmt.Errorf("make the runtime directory: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(o.Dir, ".lock"), o.Progress)
	if err != nil {
		return Library{}, fmt.Errorf("wait for another installation in %s: %w", o.Dir, err)
	}
	defer unlock()
	removeLeftovers(o.Dir)
	if o.From == "" {
		if lib, ok := intact(o.Dir, o.Version, o.Variant); ok {
			o.Progress(fmt.Sprintf("ONNX Runtime %s (%s) is already installed", lib.Version, lib.Variant))
			return lib, nil
		}
	}
	work, err := os.MkdirTemp(o.Dir, temporary)
	if err != nil {
		return Library{}, fmt.Errorf("make a working directory: %w", err)
	}
	defer os.RemoveAll(work)
	got, err := stage(ctx, o, work)
	if err != nil {
		return Library{}, err
	}
	lib, err := o.identify(got)
	if err != nil {
		return Library{}, err
	}
	return commit(o.Dir, got, lib)
}

// staged is a library and its companions in a directory that is not yet visible.
type staged struct {
	dir    string
	source string // "pip onnxruntime 1.30.0", or the file
	main   string // base name of the library
	files  []record
	elf    elfFacts
}

// stage fills work/lib from the file or from a package manager.
func stage(ctx context.Context, o Options, work string) (staged, error) {
	dir := filepath.Join(work, "lib")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return staged{}, fmt.Errorf("make a working directory: %w", err)
	}
	if o.From == "" {
		return fetch(ctx, o, work, dir)
	}
	o.Progress("reading " + o.From)
	files, err := unpack(ctx, o.From, dir, runtimeMember(machines[o.Platform]))
	if err != nil {
		return staged{}, fmt.Errorf("read %s: %w", o.From, err)
	}
	return newStaged(dir, o.From, files, o.Platform)
}

// newStaged finds the one library among the files.
func newStaged(dir, source string, files []record, platform string) (staged, error) {
	s := staged{dir: dir, source: source, files: files}
	for _, f := range files {
		if !libraryName.MatchString(f.Name) {
			continue
		}
		if s.main != "" {
			return staged{}, fmt.Errorf("%s holds two libraries, %s and %s; unpack it and give one with --from FILE", source, s.main, f.Name)
		}
		s.main = f.Name
	}
	if s.main == "" {
		return staged{}, fmt.Errorf("%s holds no ONNX Runtime library for %s (a file named libonnxruntime.so...)", source, platform)
	}
	var err error
	s.elf, err = readELF(filepath.Join(dir, s.main))
	if err != nil {
		return staged{}, fmt.Errorf("read the library in %s: %w", source, err)
	}
	return s, nil
}

func (s staged) sha256() string {
	return s.files[slices.IndexFunc(s.files, func(f record) bool { return f.Name == s.main })].SHA256
}

func (s staged) has(name string) bool {
	return slices.ContainsFunc(s.files, func(f record) bool { return f.Name == name })
}

// identify settles version and variant and checks the pin.
func (o *Options) identify(s staged) (Library, error) {
	sum := s.sha256()
	version, variant := o.Version, o.Variant
	if version == "" {
		version = s.elf.version
	}
	if version == "" {
		return Library{}, fmt.Errorf("%s does not say its version; add --version V", s.source)
	}
	if s.elf.version != "" && s.elf.version != version {
		return Library{}, fmt.Errorf("%s holds ONNX Runtime %s, not %s", s.source, s.elf.version, version)
	}
	if variant == "" {
		variant = variantOf(s, o.Platform, version)
	}
	if variant == "gpu" && !s.has(cudaProvider) {
		return Library{}, fmt.Errorf("%s holds no %s, which variant gpu needs", s.source, cudaProvider)
	}
	want := pinned(o.Platform, variant, version)
	switch {
	case len(want) > 0 && !slices.Contains(want, sum):
		return Library{}, &PinError{Source: s.source, Version: version, Got: sum, Want: want}
	case len(want) == 0 && o.Version == "":
		return Library{}, fmt.Errorf("%s holds ONNX Runtime %s (%s), whose SHA-256 %s is not pinned; add --version %s to take it nevertheless",
			s.source, version, variant, sum, version)
	}
	return Library{Version: version, Variant: variant, SHA256: sum, Providers: variantByName(variant).providers, Pinned: len(want) > 0, Source: s.source}, nil
}

// variantOf is the variant that a library's hash is pinned for, the one with the most providers where several are, or what
// its companions tell.
func variantOf(s staged, platform, version string) string {
	sum := s.sha256()
	if s.has(cudaProvider) {
		return "gpu"
	}
	for _, v := range slices.Backward(variants) {
		if slices.Contains(pinned(platform, v.name, version), sum) {
			return v.name
		}
	}
	return "cpu"
}

// commit writes the record and renames the directory into place.
func commit(dir string, s staged, lib Library) (Library, error) {
	preload, err := preloadOrder(s)
	if err != nil {
		return Library{}, fmt.Errorf("order the libraries of %s: %w", s.source, err)
	}
	m := manifest{Schema: schema, Version: lib.Version, Variant: lib.Variant, Library: s.main, SHA256: lib.SHA256,
		Pinned: lib.Pinned, Source: filepath.Base(lib.Source), Providers: lib.Providers, Preload: preload, Files: s.files}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Library{}, fmt.Errorf("encode the record: %w", err)
	}
	if err := writeSynced(filepath.Join(s.dir, manifestName), append(text, '\n')); err != nil {
		return Library{}, fmt.Errorf("write the record: %w", err)
	}
	final := filepath.Join(dir, lib.Version+"-"+lib.Variant)
	if err := replaceDir(s.dir, final); err != nil {
		return Library{}, fmt.Errorf("put the library in place: %w", err)
	}
	return load(final)
}

// replaceDir renames from to final, moving an older final out of the way; from's parent takes it and is removed by the caller.
func replaceDir(from, final string) error {
	err := os.Rename(final, filepath.Join(filepath.Dir(from), "replaced"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(from, final)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// removeLeftovers clears what killed installations left; the caller holds the lock.
func removeLeftovers(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, temporary+"*"))
	for _, d := range left {
		os.RemoveAll(d) // what cannot be removed now only takes space
	}
}
