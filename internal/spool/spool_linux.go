package spool

import (
	"os"

	"golang.org/x/sys/unix"
)

// unnamed makes a file that is gone with the process, however that ends.
func unnamed() (*os.File, error) {
	fd, err := unix.Open(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return removed() // not every file system has such files
	}
	return os.NewFile(uintptr(fd), "a temporary file"), nil
}

func view(f *os.File, n int64) (data []byte, mapped bool, err error) {
	if n == 0 {
		return nil, false, nil // the system maps nothing of no length
	}
	data, err = unix.Mmap(int(f.Fd()), 0, int(n), unix.PROT_READ, unix.MAP_SHARED)
	return data, err == nil, err
}

func forget(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) } // advice: where it is not taken, only memory is lost

func unmap(data []byte) error { return unix.Munmap(data) }
