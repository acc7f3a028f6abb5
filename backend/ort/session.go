//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"

static struct OrtStatus* allocator_free(struct OrtAllocator* a, void* p) { return ORT(AllocatorFree)(a, p); }
static struct OrtStatus* create_session(struct OrtEnv* env, const char* path, const struct OrtSessionOptions* o, struct OrtSession** s) {
	return ORT(CreateSession)(env, path, o, s);
}
static void release_session(struct OrtSession* s) { ORT(ReleaseSession)(s); }
static struct OrtStatus* cancel_load(struct OrtSessionOptions* o) { return ORT(SessionOptionsSetLoadCancellationFlag)(o, 1); }
static struct OrtStatus* run(struct OrtSession* s, struct OrtRunOptions* o, const char** in_names, struct OrtValue** in, size_t in_count,
                             const char** out_names, size_t out_count, struct OrtValue** out) {
	return ORT(Run)(s, o, in_names, (const struct OrtValue* const*)in, in_count, out_names, out_count, out);
}
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"

	"assay/backend"
	"assay/tensor"
)

// Session is a loaded model.
type Session struct {
	backend         *Backend
	path            string
	provider        string // as providerName gives it
	owner           *binding.DynamicAdvancedSession
	session         *C.struct_OrtSession
	options         *C.struct_OrtRunOptions // of bound requests; carries the terminate flag
	inputs, outputs []backend.ValueInfo
	inputNames      []*C.char // C memory
	outputNames     []*C.char
	ran             atomic.Bool
	closeOnce       sync.Once

	mu         sync.Mutex
	terminated bool
	running    map[*C.struct_OrtRunOptions]bool // of calls of Run under way
}

var errSessionClosed = errors.New("the session is closed")

// Open loads a model. A provider that cannot be had ends it: nothing falls back to the CPU unseen. The end of ctx ends loading where the
// runtime looks for it, between steps.
func (b *Backend) Open(ctx context.Context, path string, o backend.Options) (backend.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	if err := errors.Join(lookAtFile(path), checkFreeDimensions(path, o.FreeDimensions)); err != nil {
		return nil, err
	}
	saveSignals()
	defer restoreSignals() // some providers install handlers of their own, over Go's
	options, err := b.sessionOptions(o)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	owner, err := b.load(ctx, path, options)
	if err != nil {
		return nil, err
	}
	s := &Session{backend: b, path: path, provider: providerName(o.Provider), owner: owner, running: map[*C.struct_OrtRunOptions]bool{}}
	if err := s.describe(); err != nil {
		s.Close()
		return nil, fmt.Errorf("describe %s: %w", path, err)
	}
	return s, nil
}

func (b *Backend) load(ctx context.Context, path string, options *binding.SessionOptions) (*binding.DynamicAdvancedSession, error) {
	p, err := optionsPointer(options)
	if err != nil {
		return nil, err
	}
	o := (*C.struct_OrtSessionOptions)(p)
	stop := onCancel(ctx, func() { _ = check("cancel loading", C.cancel_load(o)) })
	mark := logMark()
	owner, err := binding.NewDynamicAdvancedSession(path, nil, nil, options)
	stop()
	if err == nil {
		return owner, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("load %s: %w", path, context.Cause(ctx))
	}
	log := errorsSince(mark)
	return nil, openError(path, b.codeOf(path, o), err, log)
}

// codeOf loads the model once more without the binding, which drops the code of a refusal.
func (b *Backend) codeOf(path string, options *C.struct_OrtSessionOptions) backend.Code {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var s *C.struct_OrtSession
	var e *backend.Error
	if err := check("load", C.create_session(b.env, name, options, &s)); errors.As(err, &e) {
		return e.Code
	}
	C.release_session(s)
	return backend.CodeFail
}

// describe reads the model's inputs and outputs once.
func (s *Session) describe() error {
	p, err := sessionPointer(s.owner)
	if err != nil {
		return err
	}
	s.session = (*C.struct_OrtSession)(p)
	if s.options, err = newRunOptions(); err != nil {
		return err
	}
	if s.inputs, s.inputNames, err = s.values(0); err != nil {
		return err
	}
	s.outputs, s.outputNames, err = s.values(1)
	return err
}

// Inputs describes what Run takes, in its order.
func (s *Session) Inputs() []backend.ValueInfo { return s.inputs }

// Outputs describes what Run gives, in its order.
func (s *Session) Outputs() []backend.ValueInfo { return s.outputs }

// Run executes the model once; outputs are copied into Go's memory. The end of ctx ends it between two nodes of the model.
func (s *Session) Run(ctx context.Context, feeds []tensor.Value) ([]tensor.Value, error) {
	in, err := s.newFeeds(feeds)
	if err != nil {
		return nil, err
	}
	defer freeValues(in)
	options, release, err := s.cancellable(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	out := cArray[*C.struct_OrtValue](len(s.outputs))
	defer freeValues(out)
	if err := s.run(options, in, out); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("run the model: %w", context.Cause(ctx))
		}
		return nil, err
	}
	return s.backend.readValues(out)
}

func (s *Session) run(options *C.struct_OrtRunOptions, in, out []*C.struct_OrtValue) error {
	defer s.keepSignals()()
	return check("run the model", C.run(s.session, options, unsafe.SliceData(s.inputNames), unsafe.SliceData(in), C.size_t(len(in)),
		unsafe.SliceData(s.outputNames), C.size_t(len(out)), unsafe.SliceData(out)))
}

// saveSignals and restoreSignals keep Go's signal handlers in place. Pairs may overlap.
func saveSignals()    { C.assay_save_signals() }
func restoreSignals() { C.assay_restore_signals() }

// keepSignals guards the first execution, at which a provider may still start libraries that install signal handlers.
func (s *Session) keepSignals() (restore func()) {
	if s.ran.Swap(true) {
		return func() {}
	}
	saveSignals()
	return restoreSignals
}

// newFeeds copies feeds into the runtime's memory; the slice itself is C memory too.
func (s *Session) newFeeds(feeds []tensor.Value) ([]*C.struct_OrtValue, error) {
	if s.session == nil {
		return nil, errSessionClosed
	}
	if len(feeds) != len(s.inputs) {
		return nil, fmt.Errorf("the model takes %d inputs, got %d", len(s.inputs), len(feeds))
	}
	in := cArray[*C.struct_OrtValue](len(feeds))
	for i, f := range feeds {
		v, err := s.backend.newValue(f)
		if err != nil {
			freeValues(in)
			return nil, fmt.Errorf("input %s: %w", s.inputs[i].Name, err)
		}
		in[i] = v
	}
	return in, nil
}

// freeValues releases values and the C array that held them.
func freeValues(values []*C.struct_OrtValue) {
	dropValues(values)
	C.free(unsafe.Pointer(unsafe.SliceData(values)))
}

func (b *Backend) readValues(values []*C.struct_OrtValue) ([]tensor.Value, error) {
	out := make([]tensor.Value, len(values))
	for i, v := range values {
		var err error
		if out[i], err = b.readValue(v); err != nil {
			return nil, fmt.Errorf("output %d: %w", i, err)
		}
	}
	return out, nil
}

// Close releases the model. Requests bound to it must be closed before.
func (s *Session) Close() (err error) {
	s.closeOnce.Do(func() {
		for _, names := range [][]*C.char{s.inputNames, s.outputNames} {
			for _, name := range names {
				if name != nil {
					_ = check("free a name", C.allocator_free(s.backend.allocator, unsafe.Pointer(name)))
				}
			}
			C.free(unsafe.Pointer(unsafe.SliceData(names)))
		}
		if s.options != nil {
			releaseRunOptions(s.options)
		}
		s.session = nil
		err = s.owner.Destroy()
	})
	return err
}

// Pointer is the runtime's OrtSession, for callers of its C API in the same process; nil once the session is closed.
func (s *Session) Pointer() unsafe.Pointer { return unsafe.Pointer(s.session) }
