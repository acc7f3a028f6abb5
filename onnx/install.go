package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// target is a file to be.
type target struct {
	path    string
	content sheet
}

// install writes files under temporary names in their folders and gives them their names when all are whole. When it fails, all files are
// what they were before. Lasting files are on the disk itself before they get their names.
func install(targets []target, lasting bool) (err error) {
	var swaps []*swap
	for _, t := range targets {
		if info, err := os.Stat(t.path); err == nil && !info.Mode().IsRegular() {
			return errors.Join(fmt.Errorf("%s is there and is no file; choose another name", t.path), undo(swaps))
		}
		temporary, err := writeBeside(t, lasting)
		if err != nil {
			return errors.Join(err, undo(swaps))
		}
		swaps = append(swaps, &swap{path: t.path, written: temporary})
	}
	for i, s := range swaps {
		last := i == len(swaps)-1 // nothing can fail behind it, so it needs no way back
		if err := s.do(!last); err != nil {
			return errors.Join(err, undo(swaps))
		}
	}
	for _, s := range swaps {
		if s.old != "" {
			err = errors.Join(err, os.Remove(s.old))
		}
	}
	return err
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

// writeBeside writes a target's content to a temporary file in its folder.
func writeBeside(t target, lasting bool) (temporary string, err error) {
	f, err := os.CreateTemp(filepath.Dir(t.path), ".assay-*.onnx")
	if err != nil {
		return "", reason(err, t)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = t.content.write(w)
	if err == nil {
		err = errors.Join(w.Flush(), f.Chmod(0o644))
	}
	if err == nil && lasting {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(reason(err, t), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// reason leaves the temporary file's name out of an error, and says how much room was wanted where there was too little.
func reason(err error, t target) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk is full; %s takes %d bytes: %w", filepath.Base(t.path), t.content.size, syscall.ENOSPC)
	}
	var at *os.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("%s %s: %w", at.Op, filepath.Base(t.path), at.Err)
	}
	return err
}
