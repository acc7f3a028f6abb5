//go:build cgo && linux

package ort

/*
#cgo LDFLAGS: -ldl -lpthread
#include <stdlib.h>
#include <dlfcn.h>
#include "bridge.h"

static const char* status_message(struct OrtStatus* s) { return ORT(GetErrorMessage)(s); }
static unsigned status_code(struct OrtStatus* s) { return ORT(GetErrorCode)(s); }
static void status_release(struct OrtStatus* s) { ORT(ReleaseStatus)(s); }
static const char* build_info(void) { return ORT(GetBuildInfoString)(); }
static struct OrtStatus* providers(char*** names, int* n) { return ORT(GetAvailableProviders)(names, n); }
static void release_providers(char** names, int n) { struct OrtStatus* s = ORT(ReleaseAvailableProviders)(names, n); if (s) ORT(ReleaseStatus)(s); }
static struct OrtStatus* default_allocator(struct OrtAllocator** a) { return ORT(GetAllocatorWithDefaultOptions)(a); }
static struct OrtStatus* cpu_memory(struct OrtMemoryInfo** m) { return ORT(CreateCpuMemoryInfo)(ASSAY_OrtDeviceAllocator, ASSAY_OrtMemTypeDefault, m); }
static char* load_library(const char* path) { return dlopen(path, RTLD_LAZY | RTLD_GLOBAL) ? NULL : dlerror(); }
*/
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"

	"assay/backend"
)

// Backend is the loaded runtime.
type Backend struct {
	info      backend.Info
	env       *C.struct_OrtEnv
	allocator *C.struct_OrtAllocator
	cpu       *C.struct_OrtMemoryInfo
}

var (
	openMu sync.Mutex
	opened bool
)

// Open loads the library and creates the process's environment. It works once a process.
func Open(c Config) (backend.Backend, error) {
	openMu.Lock()
	defer openMu.Unlock()
	if opened {
		return nil, errors.New("ONNX Runtime is loaded already: a process has one environment")
	}
	b := &Backend{}
	version, err := load(c)
	if err != nil {
		return nil, err
	}
	if err := b.initialize(c.Library); err != nil {
		return nil, fmt.Errorf("start ONNX Runtime %s: %w", version, err)
	}
	opened = true
	b.info = backend.Info{Name: "onnxruntime", Version: version, Build: C.GoString(C.build_info()), Library: c.Library, LibrarySHA256: c.SHA256,
		Providers: available(), APIVersion: C.ASSAY_ORT_API_VERSION}
	return b, nil
}

func load(c Config) (version string, err error) {
	for _, path := range c.Preload {
		name := C.CString(path)
		problem := C.load_library(name)
		C.free(unsafe.Pointer(name))
		if problem != nil {
			return "", fmt.Errorf("load %s, which the runtime needs: %s", path, C.GoString(problem))
		}
	}
	path := C.CString(c.Library)
	defer C.free(unsafe.Pointer(path))
	var cVersion *C.char
	if problem := C.assay_load(path, &cVersion); problem != nil {
		said := C.GoString(problem)
		if cVersion != nil {
			return "", fmt.Errorf("%s is ONNX Runtime %s; this program needs 1.%d or newer: run `assay runtime install`", c.Library, C.GoString(cVersion), int(C.ASSAY_ORT_API_VERSION))
		}
		return "", fmt.Errorf("load ONNX Runtime from %s: %s; run `assay runtime install`", c.Library, said)
	}
	return C.GoString(cVersion), nil
}

// initialize makes our environment first, with our log; the binding's then is the same one.
func (b *Backend) initialize(library string) error {
	if err := check("create the environment", C.assay_environment(&b.env)); err != nil {
		return err
	}
	binding.SetSharedLibraryPath(library)
	if err := binding.InitializeEnvironment(); err != nil {
		return err
	}
	if err := check("get the allocator", C.default_allocator(&b.allocator)); err != nil {
		return err
	}
	return check("describe CPU memory", C.cpu_memory(&b.cpu))
}

// Info describes the loaded library.
func (b *Backend) Info() backend.Info { return b.info }

// Log returns the runtime's log, oldest line first, at most the last 256; none of it goes to the terminal. A line begins with the letter of its
// severity: W, E or F (warning, error, fatal).
func (b *Backend) Log() []string { return logSince(0) }

// Close leaves the environment to the process's end: threads of providers may still look at it.
func (b *Backend) Close() error { return nil }

// available lists the providers that are compiled into the library, in lower case without their common suffix.
func available() []string {
	var names **C.char
	var n C.int
	if err := check("list providers", C.providers(&names, &n)); err != nil {
		return nil
	}
	defer C.release_providers(names, n)
	var out []string
	for _, name := range unsafe.Slice(names, int(n)) {
		out = append(out, strings.TrimSuffix(strings.ToLower(C.GoString(name)), "executionprovider"))
	}
	return out
}

// check turns a status into an error and releases it.
func check(op string, s *C.struct_OrtStatus) error {
	if s == nil {
		return nil
	}
	defer C.status_release(s)
	return &backend.Error{Op: op, Code: backend.Code(C.status_code(s)), Message: plain(C.GoString(C.status_message(s)))}
}
