package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"assay/onnx/onnxpb"
)

// externalFile is a file of external data, mapped.
type externalFile struct {
	*mapping
	path string // the model's folder and the location
}

// external gives the file and the extent of a tensor's external data.
func (m *Model) external(t *onnxpb.TensorProto) (file *externalFile, at extent, err error) {
	at.length = -1
	location := ""
	for _, e := range t.ExternalData {
		switch e.Key {
		case "location":
			location = e.Value
		case "offset":
			at.offset, err = strconv.ParseInt(e.Value, 10, 64)
		case "length":
			at.length, err = strconv.ParseInt(e.Value, 10, 64)
		}
		if err != nil {
			return nil, at, fmt.Errorf("external data %s %q: %w", e.Key, e.Value, err)
		}
	}
	if file, err = m.externalFile(location); err != nil {
		return nil, at, err
	}
	size := int64(len(file.data))
	if at.length < 0 {
		at.length = size - at.offset
	}
	if at.offset < 0 || at.length < 0 || at.offset > size-at.length {
		return nil, at, fmt.Errorf("external data %s has %d bytes, and bytes %d to %d are wanted; the file is truncated or not this model's", location, size, at.offset, at.offset+at.length)
	}
	return file, at, nil
}

// externalFile maps a file of external data when it is first wanted; it is safe for concurrent use, as reading tensors is.
func (m *Model) externalFile(location string) (*externalFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.externals[location]; ok {
		return f, nil
	}
	path, err := m.locate(location)
	if err != nil {
		return nil, err
	}
	mapped, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("external data %s: %w", location, err)
	}
	f := &externalFile{mapped, path}
	m.externals[location] = f
	return f, nil
}

// locate checks that a location leads to a file inside the model's folder. Links count as where they lead to; they may leave the folder
// for that of the file that the model's own name leads to (the layout of caches that keep content apart from names).
func (m *Model) locate(location string) (string, error) {
	if m.path == "" {
		return "", fmt.Errorf("external data %q belongs to a model in a file; this one is in memory", location)
	}
	outside := fmt.Errorf("external data %q points outside the model's folder; move it beside the model", location)
	local := filepath.FromSlash(location)
	if location == "" || !filepath.IsLocal(local) {
		return "", outside
	}
	path := filepath.Join(filepath.Dir(m.path), local)
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("external data %s is missing; put it beside the model", location)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("external data %s is no file", location)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("external data %s: %w", location, err)
	}
	if !inside(filepath.Dir(m.path), target) && !inside(m.path, target) {
		return "", outside
	}
	return path, nil
}

// inside reports whether a file without links in its path is in the folder that a path leads to, or in that of the file that it leads to.
func inside(folder, file string) bool {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return false
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		folder = filepath.Dir(folder)
	}
	folder, err1 := filepath.Abs(folder)
	file, err2 := filepath.Abs(file)
	rest, err := filepath.Rel(folder, file)
	return errors.Join(err, err1, err2) == nil && filepath.IsLocal(rest)
}

// ExternalFiles lists the files of external data, in order of name, as paths beside the model.
func (m *Model) ExternalFiles() []string {
	seen := map[string]bool{}
	m.EachTensor(func(t *onnxpb.TensorProto) {
		if t.DataLocation != onnxpb.TensorProto_EXTERNAL {
			return
		}
		if file, _, err := m.external(t); err == nil {
			seen[file.path] = true
		}
	})
	files := make([]string, 0, len(seen))
	for f := range seen {
		files = append(files, f)
	}
	slices.Sort(files)
	return files
}

// Close releases the files. Views of their tensors are gone with it.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	problems := []error{m.file.close()}
	for _, f := range m.externals {
		problems = append(problems, f.close())
	}
	clear(m.externals)
	return errors.Join(problems...)
}
