//go:build cgo && linux

package ort

/*
#include "bridge.h"
static struct OrtStatus* end_profiling(struct OrtSession* s, struct OrtAllocator* a, char** file) { return ORT(SessionEndProfiling)(s, a, file); }
static struct OrtStatus* profiling_start(const struct OrtSession* s, uint64_t* ns) { return ORT(SessionGetProfilingStartTimeNs)(s, ns); }
static struct OrtStatus* free_text(struct OrtAllocator* a, void* p) { return ORT(AllocatorFree)(a, p); }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"
)

// EndProfiling closes the profile that Options.ProfilePrefix began and returns its file. It is an error where none was begun.
func (s *Session) EndProfiling() (string, error) {
	var file *C.char
	if err := check("end profiling", C.end_profiling(s.session, s.backend.allocator, &file)); err != nil {
		return "", err
	}
	path := C.GoString(file)
	if err := check("free a name", C.free_text(s.backend.allocator, unsafe.Pointer(file))); err != nil {
		return "", err
	}
	if path == "" {
		return "", errors.New("no profile was begun: the session was opened without a profile's prefix")
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the runtime wrote no profile: %w", err)
	}
	return path, nil
}

// ProfilingStart is the profile's zero in nanoseconds of the runtime's own clock (the C++ library's high-resolution clock, which counts
// from 1970 on Linux).
func (s *Session) ProfilingStart() (uint64, error) {
	var ns C.uint64_t
	err := check("ask for the profile's start", C.profiling_start(s.session, &ns))
	return uint64(ns), err
}
