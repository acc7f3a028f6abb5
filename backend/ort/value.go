//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include <string.h>
#include "bridge.h"

static struct OrtStatus* tensor_new(struct OrtAllocator* a, const int64_t* shape, size_t rank, unsigned type, struct OrtValue** v) {
	return ORT(CreateTensorAsOrtValue)(a, shape, rank, type, v);
}
static struct OrtStatus* tensor_data(struct OrtValue* v, void** data) { return ORT(GetTensorMutableData)(v, data); }
static struct OrtStatus* tensor_bytes(const struct OrtValue* v, size_t* n) { return ORT(GetTensorSizeInBytes)(v, n); }
static struct OrtStatus* string_buffer(struct OrtValue* v, size_t i, size_t n, char** s) { return ORT(GetResizedStringTensorElementBuffer)(v, i, n, s); }
static struct OrtStatus* string_length(const struct OrtValue* v, size_t i, size_t* n) { return ORT(GetStringTensorElementLength)(v, i, n); }
static struct OrtStatus* string_element(const struct OrtValue* v, size_t n, size_t i, void* s) { return ORT(GetStringTensorElement)(v, n, i, s); }
static struct OrtStatus* value_new(const struct OrtValue* const* items, size_t n, unsigned kind, struct OrtValue** v) { return ORT(CreateValue)(items, n, kind, v); }
static struct OrtStatus* value_kind(const struct OrtValue* v, unsigned* kind) { return ORT(GetValueType)(v, kind); }
static struct OrtStatus* value_count(const struct OrtValue* v, size_t* n) { return ORT(GetValueCount)(v, n); }
static struct OrtStatus* value_item(const struct OrtValue* v, int i, struct OrtAllocator* a, struct OrtValue** item) { return ORT(GetValue)(v, i, a, item); }
static struct OrtStatus* value_filled(const struct OrtValue* v, int* filled) { return ORT(HasValue)(v, filled); }
static void value_release(struct OrtValue* v) { ORT(ReleaseValue)(v); }

// tensor_shape copies the element type and at most max dimensions.
static struct OrtStatus* tensor_shape(const struct OrtValue* v, unsigned* type, int64_t* dims, size_t max, size_t* rank) {
	struct OrtTensorTypeAndShapeInfo* info;
	struct OrtStatus* s = ORT(GetTensorTypeAndShape)(v, &info);
	if (s) return s;
	s = ORT(GetTensorElementType)(info, type);
	if (!s) s = ORT(GetDimensionsCount)(info, rank);
	if (!s) s = ORT(GetDimensions)(info, dims, *rank < max ? *rank : max);
	ORT(ReleaseTensorTypeAndShapeInfo)(info);
	return s;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"assay/tensor"
)

const maxRank = 32

// newValue copies a value into the runtime's own memory. The caller releases it.
func (b *Backend) newValue(v tensor.Value) (*C.struct_OrtValue, error) {
	switch v.Kind {
	case tensor.KindTensor:
		return b.newTensor(v.Tensor)
	case tensor.KindSequence:
		if len(v.Items) == 0 {
			return nil, errors.New("the runtime's C API cannot make an empty sequence")
		}
		return b.newCompound(v.Items, C.ASSAY_ONNX_TYPE_SEQUENCE)
	case tensor.KindMap:
		return b.newCompound([]tensor.Value{tensor.Of(v.Keys), tensor.Of(v.Values)}, C.ASSAY_ONNX_TYPE_MAP)
	}
	return nil, errors.New("the runtime's C API cannot make an empty optional")
}

func (b *Backend) newCompound(items []tensor.Value, kind C.unsigned) (*C.struct_OrtValue, error) {
	parts := make([]*C.struct_OrtValue, 0, len(items))
	defer func() {
		for _, p := range parts {
			dropValue(p)
		}
	}()
	for i, item := range items {
		part, err := b.newValue(item)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		parts = append(parts, part)
	}
	list := cArray[*C.struct_OrtValue](len(parts))
	defer C.free(unsafe.Pointer(unsafe.SliceData(list)))
	copy(list, parts)
	var v *C.struct_OrtValue
	err := check("make a value", C.value_new((**C.struct_OrtValue)(unsafe.SliceData(list)), C.size_t(len(list)), kind, &v))
	return v, err
}

func (b *Backend) newTensor(t *tensor.Tensor) (*C.struct_OrtValue, error) {
	if t == nil {
		return nil, errors.New("no tensor was given")
	}
	want, err := tensor.ByteSize(t.DType, t.Shape)
	if err != nil {
		return nil, err
	}
	if t.DType != tensor.String && int64(len(t.Data)) != want || t.DType == tensor.String && int64(len(t.Strings)) != t.Len() {
		return nil, fmt.Errorf("a %s tensor of shape %v has %d bytes and %d strings", t.DType, t.Shape, len(t.Data), len(t.Strings))
	}
	v, err := b.emptyTensor(t.DType, t.Shape)
	if err != nil {
		return nil, err
	}
	if t.DType == tensor.String {
		err = fillStrings(v, t.Strings)
	} else if len(t.Data) > 0 {
		var data unsafe.Pointer
		if err = check("reach a tensor's data", C.tensor_data(v, &data)); err == nil {
			copy(unsafe.Slice((*byte)(data), len(t.Data)), t.Data)
		}
	}
	if err != nil {
		dropValue(v)
		return nil, err
	}
	return v, nil
}

// emptyTensor allocates a tensor in the runtime's memory, aligned as its kernels like it.
func (b *Backend) emptyTensor(d tensor.DType, shape []int64) (*C.struct_OrtValue, error) {
	v, err := b.allocate(toRuntime(d), shape)
	if err != nil || toRuntime(d) == C.unsigned(d) {
		return v, err
	}
	// The runtime (1.30) makes tensors by ONNX's numbers where its header's differ, and answers with its header's.
	if got, _, err := shapeOf(v); err == nil && got == d {
		return v, nil
	}
	dropValue(v)
	return b.allocate(C.unsigned(d), shape)
}

func (b *Backend) allocate(number C.unsigned, shape []int64) (*C.struct_OrtValue, error) {
	dims := make([]C.int64_t, len(shape)+1)
	for i, n := range shape {
		dims[i] = C.int64_t(n)
	}
	var v *C.struct_OrtValue
	err := check("make a tensor", C.tensor_new(b.allocator, &dims[0], C.size_t(len(shape)), number, &v))
	return v, err
}

func fillStrings(v *C.struct_OrtValue, strings []string) error {
	for i, s := range strings {
		var buffer *C.char
		if err := check("make a string", C.string_buffer(v, C.size_t(i), C.size_t(len(s)), &buffer)); err != nil {
			return err
		}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(buffer)), len(s)), s)
	}
	return nil
}

// dropValue releases a value; nil is none.
func dropValue(v *C.struct_OrtValue) {
	if v != nil {
		C.value_release(v)
	}
}

// cArray allocates n zero pointers in C memory; the caller frees its data.
func cArray[T any](n int) []T {
	var zero T
	return unsafe.Slice((*T)(C.calloc(C.size_t(max(n, 1)), C.size_t(unsafe.Sizeof(zero)))), n)
}

// readValue copies a value out of the runtime's memory.
func (b *Backend) readValue(v *C.struct_OrtValue) (tensor.Value, error) {
	if v == nil {
		return tensor.Value{Kind: tensor.KindOptional}, nil
	}
	var filled C.int
	if err := check("look into a value", C.value_filled(v, &filled)); err != nil {
		return tensor.Value{}, err
	}
	if filled == 0 {
		return tensor.Value{Kind: tensor.KindOptional}, nil
	}
	var kind C.unsigned
	if err := check("look at a value", C.value_kind(v, &kind)); err != nil {
		return tensor.Value{}, err
	}
	switch kind {
	case C.ASSAY_ONNX_TYPE_TENSOR:
		t, err := readTensor(v)
		return tensor.Of(t), err
	case C.ASSAY_ONNX_TYPE_SEQUENCE:
		items, err := b.readItems(v)
		return tensor.Value{Kind: tensor.KindSequence, Items: items}, err
	case C.ASSAY_ONNX_TYPE_MAP:
		items, err := b.readItems(v)
		if err != nil {
			return tensor.Value{}, err
		}
		if len(items) != 2 {
			return tensor.Value{}, fmt.Errorf("a map of %d parts", len(items))
		}
		return tensor.Value{Kind: tensor.KindMap, Keys: items[0].Tensor, Values: items[1].Tensor}, nil
	}
	return tensor.Value{}, fmt.Errorf("values of the runtime's kind %d cannot be read", kind)
}

func (b *Backend) readItems(v *C.struct_OrtValue) ([]tensor.Value, error) {
	var n C.size_t
	if err := check("count a value's items", C.value_count(v, &n)); err != nil {
		return nil, err
	}
	items := make([]tensor.Value, n)
	for i := range items {
		var item *C.struct_OrtValue
		if err := check("take a value's item", C.value_item(v, C.int(i), b.allocator, &item)); err != nil {
			return nil, err
		}
		var err error
		items[i], err = b.readValue(item)
		dropValue(item)
		if err != nil {
			return nil, err
		}
	}
	return items, nil
}

// shapeOf gives a tensor's element type and dimensions.
func shapeOf(v *C.struct_OrtValue) (tensor.DType, []int64, error) {
	var dtype C.unsigned
	var dims [maxRank]C.int64_t
	var rank C.size_t
	if err := check("look at a tensor's shape", C.tensor_shape(v, &dtype, &dims[0], maxRank, &rank)); err != nil {
		return 0, nil, err
	}
	if rank > maxRank {
		return 0, nil, fmt.Errorf("a tensor of %d dimensions; at most %d are supported", rank, maxRank)
	}
	shape := make([]int64, rank)
	for i := range shape {
		shape[i] = int64(dims[i])
	}
	return fromRuntime(dtype), shape, nil
}

func readTensor(v *C.struct_OrtValue) (*tensor.Tensor, error) {
	dtype, shape, err := shapeOf(v)
	if err != nil {
		return nil, err
	}
	t := &tensor.Tensor{DType: dtype, Shape: shape}
	if dtype == tensor.String {
		t.Strings, err = readStrings(v, t.Len())
		return t, err
	}
	var n C.size_t
	var data unsafe.Pointer
	if err := check("size a tensor", C.tensor_bytes(v, &n)); err != nil {
		return nil, err
	}
	t.Data = make([]byte, n)
	if n == 0 {
		return t, nil
	}
	if err := check("reach a tensor's data", C.tensor_data(v, &data)); err != nil {
		return nil, err
	}
	copy(t.Data, unsafe.Slice((*byte)(data), int(n)))
	return t, nil
}

func readStrings(v *C.struct_OrtValue, count int64) ([]string, error) {
	out := make([]string, count)
	for i := range out {
		var n C.size_t
		if err := check("size a string", C.string_length(v, C.size_t(i), &n)); err != nil {
			return nil, err
		}
		buf := make([]byte, n+1)
		if err := check("read a string", C.string_element(v, n, C.size_t(i), unsafe.Pointer(&buf[0]))); err != nil {
			return nil, err
		}
		out[i] = string(buf[:n])
	}
	return out, nil
}

// dataOf is a tensor's memory as the runtime reads it; nil for strings, and where it cannot be reached.
func dataOf(v *C.struct_OrtValue) []byte {
	dtype, shape, err := shapeOf(v)
	if err != nil || dtype == tensor.String {
		return nil
	}
	size, err := tensor.ByteSize(dtype, shape)
	if err != nil || size == 0 {
		return nil
	}
	var data unsafe.Pointer
	if check("reach a tensor's data", C.tensor_data(v, &data)) != nil || data == nil {
		return nil
	}
	return unsafe.Slice((*byte)(data), size)
}
