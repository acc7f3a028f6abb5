//go:build cgo && linux

package quantize

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetCode gives back the pages of programs and libraries that the process has looked at, as far as they are as in their files: what starts and
// loads a model is seldom what runs it. The system has them in its cache, and maps those that are wanted again.
func forgetCode() {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	var from, to uintptr
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) > 4 && strings.Contains(words[0], "-"):
			from, to = codeOf(words)
		case words[0] == "Anonymous:" && words[1] == "0" && from < to: // a page that was written to, as by the linker, would be lost
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // advice
		}
	}
}

// codeOf gives the bounds of a mapping that smaps describes, none where it is not of a file or can be written to.
func codeOf(words []string) (from, to uintptr) {
	if len(words) < 6 || !strings.HasPrefix(words[5], "/") || words[1][1] == 'w' || words[1][3] != 'p' {
		return 0, 0
	}
	first, last, _ := strings.Cut(words[0], "-")
	a, err1 := strconv.ParseUint(first, 16, 64)
	b, err2 := strconv.ParseUint(last, 16, 64)
	if err1 != nil || err2 != nil {
		return 0, 0
	}
	return uintptr(a), uintptr(b)
}
