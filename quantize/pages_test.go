//go:build cgo && linux

package quantize

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// filePages is how much of the process's memory is pages of files, in KiB.
func filePages(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// What the program and the runtime have been through is given back, and works when it is wanted again.
func TestForgottenCodeComesBack(t *testing.T) {
	defer lean.Store(lean.Swap(false)) // sessions are to leave their pages
	model := convolutional(17).save(t)
	if _, _, err := static(t, model, nil); err != nil {
		t.Fatal(err)
	}
	before := filePages(t)
	forgetCode()
	after := filePages(t)
	if after > before*3/4 {
		t.Errorf("%d KiB of files' pages are resident; before there were %d", after, before)
	}
	if _, _, err := static(t, model, nil); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// A model's file that is mapped stays as it is: were its pages given back, so would be those of a block that takes its place meanwhile.
func TestMappedFilesAreNotForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights")
	if err := os.WriteFile(path, bytes.Repeat([]byte{1}, 4<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := unix.Mmap(int(f.Fd()), 0, 4<<20, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(data)
	before := residentOf(t, path)
	forgetCode()
	if after := residentOf(t, path); before == 0 || after != before {
		t.Errorf("%d KiB of a mapped file are resident; before there were %d", after, before)
	}
}

// residentOf is how much of a mapped file the process has resident, in KiB.
func residentOf(t *testing.T, path string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(maps), path)
	_, rest, _ = strings.Cut(rest, "Rss:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
