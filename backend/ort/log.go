//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"slices"
	"strings"
	"unsafe"
)

// logMark says where the runtime's log stands now.
func logMark() C.uint64_t { return C.assay_log_mark() }

// logSince returns the lines of the log after mark.
func logSince(mark C.uint64_t) []string {
	text := C.assay_log_since(mark)
	defer C.free(unsafe.Pointer(text))
	return strings.FieldsFunc(C.GoString(text), func(r rune) bool { return r == '\n' })
}

// errorsSince returns the last two different errors of the log after mark: the cause of a failure, which the status often leaves out.
func errorsSince(mark C.uint64_t) string {
	var lines []string
	for _, line := range logSince(mark) {
		if strings.HasPrefix(line, "E ") || strings.HasPrefix(line, "F ") {
			lines = append(lines, plain(line[2:]))
		}
	}
	lines = slices.Compact(lines)
	return strings.Join(lines[max(0, len(lines)-2):], "; ")
}
