//go:build cgo && linux

package quantize

import (
	"os"
	"strconv"
	"strings"
	"testing"
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

// Only what is private, of a file and not to be written to is given back.
func TestCodeOf(t *testing.T) {
	for line, want := range map[string][2]uintptr{
		"1000-3000 r-xp 00000000 08:01 12 /lib/a.so": {0x1000, 0x3000},
		"1000-3000 r--p 00000000 08:01 12 /lib/a.so": {0x1000, 0x3000},
		"1000-3000 rw-p 00000000 08:01 12 /lib/a.so": {},
		"1000-3000 r--s 00000000 08:01 12 /lib/a.so": {},
		"1000-3000 r--p 00000000 00:00 0":            {},
		"1000-3000 r-xp 00000000 00:00 0 [vdso]":     {},
	} {
		if from, to := codeOf(strings.Fields(line)); from != want[0] || to != want[1] {
			t.Errorf("%s: %x to %x", line, from, to)
		}
	}
}
