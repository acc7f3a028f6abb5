//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"

static struct OrtStatus* io_count(const struct OrtSession* s, int output, size_t* n) {
	return output ? ORT(SessionGetOutputCount)(s, n) : ORT(SessionGetInputCount)(s, n);
}
static struct OrtStatus* io_name(const struct OrtSession* s, int output, size_t i, struct OrtAllocator* a, char** name) {
	return output ? ORT(SessionGetOutputName)(s, i, a, name) : ORT(SessionGetInputName)(s, i, a, name);
}
static struct OrtStatus* io_type(const struct OrtSession* s, int output, size_t i, struct OrtTypeInfo** info) {
	return output ? ORT(SessionGetOutputTypeInfo)(s, i, info) : ORT(SessionGetInputTypeInfo)(s, i, info);
}
static void type_release(struct OrtTypeInfo* t) { ORT(ReleaseTypeInfo)(t); }
static struct OrtStatus* type_kind(const struct OrtTypeInfo* t, unsigned* kind) { return ORT(GetOnnxTypeFromTypeInfo)(t, kind); }

// type_inside gives what a sequence or an optional holds.
static struct OrtStatus* type_inside(const struct OrtTypeInfo* t, int optional, struct OrtTypeInfo** inside) {
	const struct OrtSequenceTypeInfo* sequence = NULL;
	const struct OrtOptionalTypeInfo* maybe = NULL;
	struct OrtStatus* s = optional ? ORT(CastTypeInfoToOptionalTypeInfo)(t, &maybe) : ORT(CastTypeInfoToSequenceTypeInfo)(t, &sequence);
	*inside = NULL;
	if (s) return s;
	if (maybe) return ORT(GetOptionalContainedTypeInfo)(maybe, inside);
	if (sequence) return ORT(GetSequenceElementType)(sequence, inside);
	return NULL;
}

// tensor_type fills the element type, the dimensions and their symbols, which live as long as t.
static struct OrtStatus* tensor_type(const struct OrtTypeInfo* t, unsigned* type, int64_t* dims, const char** symbols, size_t max, size_t* rank) {
	const struct OrtTensorTypeAndShapeInfo* info = NULL;
	struct OrtStatus* s = ORT(CastTypeInfoToTensorInfo)(t, &info);
	*rank = 0;
	if (s || !info) return s;
	s = ORT(GetTensorElementType)(info, type);
	if (!s) s = ORT(GetDimensionsCount)(info, rank);
	if (s || *rank > max) return s;
	s = ORT(GetDimensions)(info, dims, *rank);
	if (!s) s = ORT(GetSymbolicDimensions)(info, symbols, *rank);
	return s;
}
static struct OrtStatus* allocator_free(struct OrtAllocator* a, void* p) { return ORT(AllocatorFree)(a, p); }
static struct OrtStatus* run_options(struct OrtRunOptions** o) { return ORT(CreateRunOptions)(o); }
static void run_options_release(struct OrtRunOptions* o) { ORT(ReleaseRunOptions)(o); }
static struct OrtStatus* terminate(struct OrtRunOptions* o) { return ORT(RunOptionsSetTerminate)(o); }
static struct OrtStatus* run(struct OrtSession* s, struct OrtRunOptions* o, const char** in_names, struct OrtValue** in, size_t in_count,
                             const char** out_names, size_t out_count, struct OrtValue** out) {
	return ORT(Run)(s, o, in_names, (const struct OrtValue* const*)in, in_count, out_names, out_count, out);
}
static void release_value(struct OrtValue* v) { ORT(ReleaseValue)(v); }
*/
import "C"

import (
	"context"
	"fmt"
	"sync"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"

	"assay/backend"
	"assay/tensor"
)

// Session is a loaded model.
type Session struct {
	backend         *Backend
	owner           *binding.DynamicAdvancedSession
	session         *C.struct_OrtSession
	options         *C.struct_OrtRunOptions // shared by all runs; carries the terminate flag
	inputs, outputs []backend.ValueInfo
	inputNames      []*C.char // C memory
	outputNames     []*C.char
	closeOnce       sync.Once
}

// Open loads a model. A provider that cannot be had ends it: nothing falls back to the CPU unseen.
func (b *Backend) Open(_ context.Context, path string, o backend.Options) (backend.Session, error) {
	if err := lookAtFile(path); err != nil {
		return nil, err
	}
	options, err := b.sessionOptions(o)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	C.assay_save_signals()
	defer C.assay_restore_signals() // some providers install handlers of their own, over Go's
	mark := logMark()
	owner, err := binding.NewDynamicAdvancedSession(path, nil, nil, options)
	if err != nil {
		return nil, openError(path, err, errorsSince(mark))
	}
	s := &Session{backend: b, owner: owner}
	if err := s.describe(); err != nil {
		s.Close()
		return nil, fmt.Errorf("describe %s: %w", path, err)
	}
	if err := s.checkFreeDimensions(b, path, o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// describe reads the model's inputs and outputs once.
func (s *Session) describe() error {
	p, err := sessionPointer(s.owner)
	if err != nil {
		return err
	}
	s.session = (*C.struct_OrtSession)(p)
	if err := check("make run options", C.run_options(&s.options)); err != nil {
		return err
	}
	if s.inputs, s.inputNames, err = s.values(0); err != nil {
		return err
	}
	s.outputs, s.outputNames, err = s.values(1)
	return err
}

func (s *Session) values(output C.int) ([]backend.ValueInfo, []*C.char, error) {
	var n C.size_t
	if err := check("count values", C.io_count(s.session, output, &n)); err != nil {
		return nil, nil, err
	}
	infos := make([]backend.ValueInfo, n)
	names := cArray[*C.char](int(n))
	for i := range infos {
		if err := check("name a value", C.io_name(s.session, output, C.size_t(i), s.backend.allocator, &names[i])); err != nil {
			return nil, names, err
		}
		infos[i].Name = C.GoString(names[i])
		var t *C.struct_OrtTypeInfo
		if err := check("type a value", C.io_type(s.session, output, C.size_t(i), &t)); err != nil {
			return nil, names, err
		}
		err := describeType(t, &infos[i])
		C.type_release(t)
		if err != nil {
			return nil, names, fmt.Errorf("%s: %w", infos[i].Name, err)
		}
	}
	return infos, names, nil
}

// describeType fills in kind, element type and dimensions; an optional is described by what it may hold.
func describeType(t *C.struct_OrtTypeInfo, info *backend.ValueInfo) error {
	var kind C.unsigned
	if err := check("look at a type", C.type_kind(t, &kind)); err != nil {
		return err
	}
	switch kind {
	case onnxTensor:
		return describeTensor(t, info)
	case onnxMap:
		info.Kind = tensor.KindMap
		return nil
	case onnxSequence, onnxOptional:
		var inside *C.struct_OrtTypeInfo
		optional := C.int(0)
		if kind == onnxOptional {
			optional = 1
		}
		if err := check("look into a type", C.type_inside(t, optional, &inside)); err != nil || inside == nil {
			return err
		}
		defer func() {
			if optional == 0 { // what an optional holds belongs to it
				C.type_release(inside)
			}
		}()
		if err := describeType(inside, info); err != nil {
			return err
		}
		if kind == onnxSequence {
			info.Kind, info.Dims = tensor.KindSequence, nil
		}
		return nil
	}
	return fmt.Errorf("values of the runtime's kind %d are not supported", kind)
}

func describeTensor(t *C.struct_OrtTypeInfo, info *backend.ValueInfo) error {
	var dtype C.unsigned
	var dims [maxRank]C.int64_t
	var rank C.size_t
	symbols := cArray[*C.char](maxRank)
	defer C.free(unsafe.Pointer(unsafe.SliceData(symbols)))
	if err := check("look at a tensor's type", C.tensor_type(t, &dtype, &dims[0], (**C.char)(unsafe.SliceData(symbols)), maxRank, &rank)); err != nil {
		return err
	}
	if rank > maxRank {
		return fmt.Errorf("%d dimensions; at most %d are supported", rank, maxRank)
	}
	info.Kind, info.DType = tensor.KindTensor, tensor.DType(dtype)
	info.Dims = make([]backend.Dim, rank)
	for i := range info.Dims {
		info.Dims[i] = backend.Dim{Size: int64(dims[i])}
		if symbols[i] != nil {
			info.Dims[i].Symbol = C.GoString(symbols[i])
		}
	}
	return nil
}

// Inputs describes what Run takes, in its order.
func (s *Session) Inputs() []backend.ValueInfo { return s.inputs }

// Outputs describes what Run gives, in its order.
func (s *Session) Outputs() []backend.ValueInfo { return s.outputs }

// Run executes the model once; outputs are copied into Go's memory.
func (s *Session) Run(_ context.Context, feeds []tensor.Value) ([]tensor.Value, error) {
	in, err := s.newFeeds(feeds)
	if err != nil {
		return nil, err
	}
	defer freeValues(in)
	out := cArray[*C.struct_OrtValue](len(s.outputs))
	defer freeValues(out)
	if err := s.run(in, out); err != nil {
		return nil, err
	}
	return s.backend.readValues(out)
}

func (s *Session) run(in, out []*C.struct_OrtValue) error {
	return check("run the model", C.run(s.session, s.options, unsafe.SliceData(s.inputNames), unsafe.SliceData(in), C.size_t(len(in)),
		unsafe.SliceData(s.outputNames), C.size_t(len(out)), unsafe.SliceData(out)))
}

// newFeeds copies feeds into the runtime's memory; the slice itself is C memory too.
func (s *Session) newFeeds(feeds []tensor.Value) ([]*C.struct_OrtValue, error) {
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

func freeValues(values []*C.struct_OrtValue) {
	for _, v := range values {
		if v != nil {
			C.release_value(v)
		}
	}
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

// Terminate makes running and later requests fail.
func (s *Session) Terminate() error { return check("terminate", C.terminate(s.options)) }

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
			C.run_options_release(s.options)
		}
		err = s.owner.Destroy()
	})
	return err
}
