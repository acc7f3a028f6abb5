package loadgen

import (
	"errors"

	"golang.org/x/sys/unix"
)

func (r *Records) mapFile(size int64) error {
	if err := r.file.Truncate(size); err != nil {
		return err
	}
	b, err := unix.Mmap(int(r.file.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	r.bytes = b
	return err
}

// reserve takes disk space for [from, to), so that a full disk is an error here and not a bus error in a worker, and brings the pages
// in before a request waits for them.
func (r *Records) reserve(from, to int64) error {
	if err := unix.Fallocate(int(r.file.Fd()), 0, from, to-from); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	page := int64(unix.Getpagesize())
	from = from / page * page
	_ = unix.Madvise(r.bytes[from:to], unix.MADV_POPULATE_WRITE) // only a courtesy; older kernels fault page by page
	return nil
}

// release drops the resident pages of records from slot i up to slot j; their content stays in the file.
func (r *Records) release(i, j int64) {
	page := int64(unix.Getpagesize())
	from, to := i*recordSize/page*page, j*recordSize/page*page
	if to > from {
		_ = unix.Madvise(r.bytes[from:to], unix.MADV_DONTNEED)
	}
}

// Close gives the file and its space back.
func (r *Records) Close() error {
	if r.kept {
		return nil
	}
	err := unix.Munmap(r.bytes)
	r.bytes, r.slots = nil, nil
	return errors.Join(err, r.file.Close())
}
