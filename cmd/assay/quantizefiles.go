package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"assay/onnx"
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
