package tensor

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// NPZ is an open .npz file: a zip of .npy arrays, stored or deflated. Arrays are read when asked for. It is safe for concurrent use.
type NPZ struct {
	path string
	zip  *zip.ReadCloser
}

// OpenNPZ opens an .npz file.
func OpenNPZ(path string) (*NPZ, error) {
	z, err := zip.OpenReader(path)
	if errors.Is(err, zip.ErrFormat) {
		return nil, fmt.Errorf("read %s: no .npz file: it is not a zip archive", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &NPZ{path: path, zip: z}, nil
}

// Names lists the arrays in the order in which they stand in the file.
func (z *NPZ) Names() []string {
	var names []string
	for _, f := range z.zip.File {
		if name, ok := strings.CutSuffix(f.Name, ".npy"); ok {
			names = append(names, name)
		}
	}
	return names
}

// Has reports whether there is an array of that name.
func (z *NPZ) Has(name string) bool { return z.find(name) != nil }

func (z *NPZ) find(name string) *zip.File {
	for _, f := range z.zip.File {
		if f.Name == name+".npy" {
			return f
		}
	}
	return nil
}

// Read reads one array.
func (z *NPZ) Read(name string) (*Tensor, error) { return z.ReadKept(name, nil) }

// ReadKept is Read of an array whose elements are kept where keep puts them, if they need no conversion.
func (z *NPZ) ReadKept(name string, keep Keeper) (*Tensor, error) {
	f := z.find(name)
	if f == nil {
		return nil, fmt.Errorf("%s has no array %q; it has %s", z.path, name, strings.Join(z.Names(), ", "))
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", name, z.path, err)
	}
	defer r.Close()
	// Deflate shrinks at most about a thousandfold, so a small file cannot ask for a lot of memory.
	limit := min(f.UncompressedSize64, f.CompressedSize64*1100+4096)
	t, err := decodeNPY(r, int64(limit), keep)
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", name, z.path, err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // checks the archive's checksum
		return nil, fmt.Errorf("read %s in %s: %w", name, z.path, err)
	}
	return t, nil
}

// Close closes the file.
func (z *NPZ) Close() error { return z.zip.Close() }

// WriteNPZ writes arrays to an .npz file, deflated, in the order of names.
func WriteNPZ(path string, names []string, arrays map[string]*Tensor) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z := zip.NewWriter(f)
	for _, name := range names {
		w, err := z.Create(name + ".npy")
		if err != nil {
			return err
		}
		if err := EncodeNPY(w, arrays[name]); err != nil {
			return fmt.Errorf("array %s: %w", name, err)
		}
	}
	return z.Close()
}
