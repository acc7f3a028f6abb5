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

// tensor_type fills the element type, whether the rank is known, the dimensions and their symbols, which live as long as t.
static struct OrtStatus* tensor_type(const struct OrtTypeInfo* t, unsigned* type, int* known, int64_t* dims, const char** symbols, size_t max, size_t* rank) {
	const struct OrtTensorTypeAndShapeInfo* info = NULL;
	struct OrtStatus* s = ORT(CastTypeInfoToTensorInfo)(t, &info);
	*rank = 0;
	if (s || !info) return s;
	*known = ORT(TensorTypeAndShape_HasShape)(info);
	s = ORT(GetTensorElementType)(info, type);
	if (!s) s = ORT(GetDimensionsCount)(info, rank);
	if (s || *rank > max) return s;
	s = ORT(GetDimensions)(info, dims, *rank);
	if (!s) s = ORT(GetSymbolicDimensions)(info, symbols, *rank);
	return s;
}
*/
import "C"

import (
	"fmt"
	"unsafe"

	"assay/backend"
	"assay/tensor"
)

// values describes the session's inputs (output 0) or outputs (1), with their names in the runtime's memory.
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
	case C.ASSAY_ONNX_TYPE_TENSOR:
		return describeTensor(t, info)
	case C.ASSAY_ONNX_TYPE_MAP:
		info.Kind = tensor.KindMap
		return nil
	case C.ASSAY_ONNX_TYPE_SEQUENCE, C.ASSAY_ONNX_TYPE_OPTIONAL:
		var inside *C.struct_OrtTypeInfo
		optional := C.int(0)
		if kind == C.ASSAY_ONNX_TYPE_OPTIONAL {
			optional = 1
		}
		if err := check("look into a type", C.type_inside(t, optional, &inside)); err != nil || inside == nil {
			return err
		}
		defer C.type_release(inside)
		if err := describeType(inside, info); err != nil {
			return err
		}
		if kind == C.ASSAY_ONNX_TYPE_SEQUENCE {
			info.Kind, info.Dims = tensor.KindSequence, nil
		}
		return nil
	}
	return fmt.Errorf("values of the runtime's kind %d are not supported", kind)
}

func describeTensor(t *C.struct_OrtTypeInfo, info *backend.ValueInfo) error {
	var dtype C.unsigned
	var known C.int
	var dims [maxRank]C.int64_t
	var rank C.size_t
	symbols := cArray[*C.char](maxRank)
	defer C.free(unsafe.Pointer(unsafe.SliceData(symbols)))
	if err := check("look at a tensor's type", C.tensor_type(t, &dtype, &known, &dims[0], (**C.char)(unsafe.SliceData(symbols)), maxRank, &rank)); err != nil {
		return err
	}
	if rank > maxRank {
		return fmt.Errorf("%d dimensions; at most %d are supported", rank, maxRank)
	}
	info.Kind, info.DType = tensor.KindTensor, fromRuntime(dtype)
	if known == 0 { // its rank, which the runtime gives as 0
		return nil
	}
	info.Dims = make([]backend.Dim, rank)
	for i := range info.Dims {
		info.Dims[i] = backend.Dim{Size: int64(dims[i])}
		if symbols[i] != nil {
			info.Dims[i].Symbol = C.GoString(symbols[i])
		}
	}
	return nil
}
