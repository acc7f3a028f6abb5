// Package install writes several files together: all of them, or none.
package install

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// File is a file to be.
type File struct {
	Path  string
	Size  int64 // in bytes, for errors; 0 where it is not known
	Write func(w io.Writer) error
}

// Files writes files in their order under temporary names in their folders, and gives them their names when all are whole, the first one last:
// where it is there, the others are. When Files fails, all files are what they were before. Lasting files are on the disk itself before they get
// their names.
func Files(lasting bool, files ...File) (err error) {
	var swaps []*swap
	for _, f := range files {
		temporary, err := writeBeside(f, lasting)
		if err != nil {
			return failed(fmt.Errorf("write %s: %w", f.Path, err), swaps)
		}
		swaps = append(swaps, &swap{path: f.Path, written: temporary})
	}
	for i, s := range slices.Backward(swaps) {
		if err := s.do(i > 0); err != nil { // nothing can fail behind the first, so it needs no way back
			return failed(fmt.Errorf("write %s: %w", s.path, err), swaps)
		}
	}
	for _, s := range swaps {
		if s.old != "" {
			err = errors.Join(err, os.Remove(s.old))
		}
	}
	return err
}

// Check looks whether a file could be written into a folder, and leaves nothing there.
func Check(path string) error {
	if err := refuse(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".assay-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// refuse refuses folders, pipes and devices, which would be replaced.
func refuse(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is there and is no file; choose another name", path)
	}
	return nil
}

// swap puts a written file in the place of what has its name.
type swap struct {
	path, written string
	old           string // another name of what had the name, "" where nothing had or it is not kept
	done          bool
}

// do swaps; with keep, what had the name is kept under another until all swaps are done.
func (s *swap) do(keep bool) error {
	if keep {
		err := os.Rename(s.path, s.written+".old")
		if err == nil {
			s.old = s.written + ".old"
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(s.written, s.path); err != nil {
		return err
	}
	s.done = true
	return nil
}

// failed is an error behind which everything is as it was, or says what is not.
func failed(err error, swaps []*swap) error {
	if left := undo(swaps); left != nil {
		return errors.Join(err, left)
	}
	return err
}

// undo takes written files away and gives old ones their names back.
func undo(swaps []*swap) (err error) {
	for _, s := range swaps {
		written := s.written
		if s.done {
			written = s.path
		}
		err = errors.Join(err, os.Remove(written))
		if s.old != "" {
			err = errors.Join(err, os.Rename(s.old, s.path))
		}
	}
	return err
}

// writeBeside writes a file's content to a temporary file in its folder.
func writeBeside(file File, lasting bool) (temporary string, err error) {
	if err := refuse(file.Path); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(file.Path), ".assay-*"+filepath.Ext(file.Path))
	if err != nil {
		return "", reason(err, file)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = file.Write(w)
	if err == nil {
		err = errors.Join(w.Flush(), f.Chmod(0o644))
	}
	if err == nil && lasting {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(reason(err, file), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// reason leaves the temporary file's name out of an error, and says how much room was wanted where there was too little.
func reason(err error, f File) error {
	if errors.Is(err, syscall.ENOSPC) && f.Size > 0 {
		return fmt.Errorf("the disk is full; %s takes %d bytes: %w", filepath.Base(f.Path), f.Size, syscall.ENOSPC)
	}
	var at *os.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("%s %s: %w", at.Op, filepath.Base(f.Path), at.Err)
	}
	return err
}
