//go:build unix && !aix

package onnx

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapFile(path string) (*mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return &mapping{}, err // the system maps no empty file
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	return &mapping{data, err == nil}, err
}

// around is what Linux maps around a page that is touched, where the file is in its cache.
const around = 64 << 10

// release gives an extent's pages back to the system, which reads them from the file again when they are touched.
func (m *mapping) release(at extent) {
	if !m.mapped || at.length == 0 {
		return
	}
	from := at.offset &^ (around - 1)
	to := min((at.offset+at.length+around-1)&^(around-1), int64(len(m.data)))
	_ = unix.Madvise(m.data[from:to], unix.MADV_DONTNEED) // advice: where it is not taken, only memory is lost
}

func (m *mapping) close() error {
	if !m.mapped {
		m.data = nil
		return nil
	}
	data := m.data
	m.data, m.mapped = nil, false
	return unix.Munmap(data)
}
