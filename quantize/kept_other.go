//go:build !linux

package quantize

import "os"

// unnamedFile makes a file that is gone with the process.
func unnamedFile() (*os.File, error) { return removedFile() }
