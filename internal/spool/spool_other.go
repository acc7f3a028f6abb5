//go:build !linux

package spool

import (
	"io"
	"os"
)

// unnamed makes a file that is gone with the process.
func unnamed() (*os.File, error) { return removed() }

// view is a copy.
func view(f *os.File, n int64) (data []byte, mapped bool, err error) {
	data = make([]byte, n)
	_, err = f.ReadAt(data, 0)
	if err == io.EOF && n == 0 {
		err = nil
	}
	return data, false, err
}

func forget([]byte) {}

func unmap([]byte) error { return nil }
