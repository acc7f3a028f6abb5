// Package spool keeps arrays in files that have no name: what is in them takes memory only while it is looked at.
package spool

import (
	"errors"
	"io"
	"os"
	"sync"
)

// File makes a file that has no name.
func File() (*os.File, error) { return unnamed() }

// removed makes a file and takes its name away.
func removed() (*os.File, error) {
	f, err := os.CreateTemp("", "assay-spool")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Spool keeps arrays. The zero value is ready; it is safe for concurrent use.
type Spool struct {
	mu     sync.Mutex
	arrays [][]byte // mapped
}

// Keep reads n bytes into a file and gives them in place, not to be written to, until Close.
func (s *Spool) Keep(r io.Reader, n int64) ([]byte, error) {
	f, err := unnamed()
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping holds what is in it
	if _, err := io.CopyN(f, r, n); errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	data, mapped, err := view(f, n)
	if err == nil && mapped {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.arrays = append(s.arrays, data)
	}
	return data, err
}

// Forget gives the memory of what was looked at back to the system, which reads it from the files again when it is looked at once more.
func (s *Spool) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, data := range s.arrays {
		forget(data)
	}
}

// Close takes the arrays away. Nobody may look at them any more.
func (s *Spool) Close() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, data := range s.arrays {
		err = errors.Join(err, unmap(data))
	}
	s.arrays = nil
	return err
}
