package quantize

import (
	"os"

	"golang.org/x/sys/unix"
)

// unnamedFile makes a file that is gone with the process, however that ends.
func unnamedFile() (*os.File, error) {
	fd, err := unix.Open(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return removedFile() // not every file system has such files
	}
	return os.NewFile(uintptr(fd), "outputs"), nil
}
