package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/internal/install"
	"assay/onnx"
	"assay/quantize"
)

// namedFile is a file, and what of a command line names it.
type namedFile struct{ by, path string }

// read are the files that a quantization of model reads.
func (q *quantizeFlags) read(model string) []namedFile {
	files := []namedFile{{"MODEL", model}, {"--calibration", q.calibration}, {"--ranges", q.ranges}, {"--overrides", q.overrides}, {"--ort-library", q.ortLibrary}}
	if m, err := onnx.Open(model); err == nil { // what is wrong with it is said where it is quantized
		for _, path := range m.ExternalFiles() {
			files = append(files, namedFile{"the external data of MODEL", path})
		}
		m.Close()
	}
	return given(files)
}

// written are the files that it may write.
func (q *quantizeFlags) written() []namedFile {
	files := []namedFile{{"-o", q.out}, {"--report", q.report}, {"--save-ranges", q.saveRanges}}
	if q.out != "" {
		files = append(files, namedFile{"the external data of -o", q.out + ".data"})
	}
	return given(files)
}

// given are the files whose flags are there.
func given(files []namedFile) []namedFile {
	return slices.DeleteFunc(files, func(f namedFile) bool { return f.path == "" })
}

// refuseSame refuses to write over what is read, or twice over one file.
func (q *quantizeFlags) refuseSame(model string) error {
	var problems []error
	others := q.read(model)
	for _, f := range q.written() {
		for _, other := range others {
			if sameFile(f.path, other.path) {
				problems = append(problems, fmt.Errorf("%s and %s name the same file, %s; choose another file", f.by, other.by, f.path))
			}
		}
		others = append(others, f)
	}
	return errors.Join(problems...)
}

// refuseUnwritable looks, before any work, whether each file could be written where it is to be.
func (q *quantizeFlags) refuseUnwritable() error {
	var problems []error
	for _, f := range given([]namedFile{{"--report", q.report}, {"--save-ranges", q.saveRanges}}) {
		if err := q.checkFolder(f); err != nil {
			problems = append(problems, err)
		}
	}
	if q.out != "" && !q.dryRun {
		if err := checkMakeable(q.out); err != nil {
			problems = append(problems, fmt.Errorf("-o %s: %w", q.out, err))
		}
	}
	return errors.Join(problems...)
}

// checkFolder looks at the folder of a file beside the model: it is there, or will be made for the model.
func (q *quantizeFlags) checkFolder(f namedFile) error {
	dir := filepath.Dir(f.path)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if !q.dryRun && q.out != "" && within(filepath.Dir(q.out), dir) {
			return nil
		}
		return fmt.Errorf("%s %s: there is no folder %s; make it, or choose another", f.by, f.path, dir)
	}
	if err := install.Check(f.path); err != nil {
		return fmt.Errorf("%s %s: %w", f.by, f.path, withoutName(err))
	}
	return nil
}

// within reports whether a folder is another one or lies in it.
func within(folder, other string) bool {
	at, err := filepath.Rel(place(other), place(folder))
	return err == nil && at != ".." && !strings.HasPrefix(at, "../")
}

// checkMakeable looks at the nearest folder above a file that is there: those below it are made.
func checkMakeable(path string) error {
	for {
		_, err := os.Stat(filepath.Dir(path))
		if !errors.Is(err, os.ErrNotExist) {
			return withoutName(install.Check(path))
		}
		path = filepath.Dir(path)
	}
}

// withoutName is an error of the system without the name of the file that was tried.
func withoutName(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("its folder takes no file (%w); choose another", at.Err)
	}
	return err
}

// sideFiles gives the files that are written beside a model. Where they are, the worker's work is over.
func (q *quantizeFlags) sideFiles(worker *verifier) func(res *quantize.Result) []install.File {
	return func(res *quantize.Result) (files []install.File) {
		if q.saveRanges != "" {
			files = append(files, install.File{Path: q.saveRanges, Write: func(w io.Writer) error { return writeJSON(w, res.Ranges) }})
		}
		if q.report != "" {
			files = append(files, install.File{Path: q.report, Write: func(w io.Writer) error {
				worker.measure(res)
				return writeJSON(w, res)
			}})
		}
		return files
	}
}

// sameFile reports whether two paths are of one file, or would be if there were one.
func sameFile(a, b string) bool {
	if x, err := os.Stat(a); err == nil {
		y, err := os.Stat(b)
		return err == nil && os.SameFile(x, y)
	}
	return place(a) == place(b)
}

// place is a path that does not depend on the names by which its folder is known.
func place(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path
}
