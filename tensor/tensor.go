// Package tensor holds typed arrays as ONNX defines them, and nothing that computes on them.
//
// A Tensor's bytes are in the layout that ONNX calls raw data: little endian, row-major, sub-byte
// elements packed two (4-bit) or four (2-bit) to a byte with the first element in the low bits.
package tensor

import (
	"fmt"
	"math"
)

// DType is an element type. The numbers are those of TensorProto.DataType (onnx/onnx onnx/onnx.proto);
// ONNX Runtime's ONNXTensorElementDataType parts from them after 23.
type DType int32

// The element types of ONNX.
const (
	Undefined      DType = 0
	Float32        DType = 1
	Uint8          DType = 2
	Int8           DType = 3
	Uint16         DType = 4
	Int16          DType = 5
	Int32          DType = 6
	Int64          DType = 7
	String         DType = 8
	Bool           DType = 9
	Float16        DType = 10
	Float64        DType = 11
	Uint32         DType = 12
	Uint64         DType = 13
	Complex64      DType = 14
	Complex128     DType = 15
	BFloat16       DType = 16
	Float8E4M3FN   DType = 17
	Float8E4M3FNUZ DType = 18
	Float8E5M2     DType = 19
	Float8E5M2FNUZ DType = 20
	Uint4          DType = 21
	Int4           DType = 22
	Float4E2M1     DType = 23
	Float8E8M0     DType = 24
	Uint2          DType = 25
	Int2           DType = 26
)

var dtypeNames = [...]string{"undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool",
	"float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz",
	"float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2"}

var dtypeBits = [...]int{0, 32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8, 2, 2}

// String returns the lower-case name that Assay prints and accepts, such as "float32".
func (d DType) String() string {
	if d < 0 || int(d) >= len(dtypeNames) {
		return fmt.Sprintf("dtype(%d)", int32(d))
	}
	return dtypeNames[d]
}

// ParseDType is the inverse of String.
func ParseDType(name string) (DType, error) {
	for i, n := range dtypeNames {
		if n == name && i > 0 {
			return DType(i), nil
		}
	}
	return Undefined, fmt.Errorf("unknown element type %q", name)
}

// Bits returns the size of one element in bits, 0 for strings and unknown types.
func (d DType) Bits() int {
	if d < 0 || int(d) >= len(dtypeBits) {
		return 0
	}
	return dtypeBits[d]
}

// IsFloat reports whether d is a real floating-point type of any width.
func (d DType) IsFloat() bool {
	switch d {
	case Float32, Float16, Float64, BFloat16, Float8E4M3FN, Float8E4M3FNUZ, Float8E5M2, Float8E5M2FNUZ, Float4E2M1, Float8E8M0:
		return true
	}
	return false
}

// IsInt reports whether d is an integer type of any width, bool excluded.
func (d DType) IsInt() bool {
	switch d {
	case Uint8, Int8, Uint16, Int16, Int32, Int64, Uint32, Uint64, Uint4, Int4, Uint2, Int2:
		return true
	}
	return false
}

// Tensor is a dense array. Shape [] is a scalar; a dimension of 0 makes it empty. Exactly one of Data and Strings holds
// the elements: Strings for DType String, Data for every other type. A Tensor is not safe for concurrent writes.
type Tensor struct {
	DType   DType
	Shape   []int64
	Data    []byte
	Strings []string
}

// Len returns the number of elements, the product of the dimensions.
func (t *Tensor) Len() int64 {
	n, err := Count(t.Shape)
	if err != nil {
		return 0
	}
	return n
}

// Count multiplies dimensions; it refuses negative ones and products past 2^62.
func Count(shape []int64) (int64, error) {
	n := int64(1)
	zero := false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d is negative", d)
		}
		if d == 0 {
			zero = true
			continue
		}
		if n > (math.MaxInt64>>1)/d {
			return 0, fmt.Errorf("shape %v has more elements than memory can hold", shape)
		}
		n *= d
	}
	if zero {
		return 0, nil
	}
	return n, nil
}

// ByteSize returns how many bytes the elements of a tensor take in raw form; 0 for strings.
func ByteSize(d DType, shape []int64) (int64, error) {
	n, err := Count(shape)
	if err != nil {
		return 0, err
	}
	bits := int64(d.Bits())
	if bits > 0 && n > math.MaxInt64/bits {
		return 0, fmt.Errorf("shape %v of %s has more bytes than memory can hold", shape, d)
	}
	return (n*bits + 7) / 8, nil
}

// New returns a zero tensor of the type and shape.
func New(d DType, shape ...int64) (*Tensor, error) {
	size, err := ByteSize(d, shape)
	if err != nil {
		return nil, err
	}
	t := &Tensor{DType: d, Shape: append([]int64{}, shape...)}
	if d == String {
		t.Strings = make([]string, t.Len())
		return t, nil
	}
	if d.Bits() == 0 {
		return nil, fmt.Errorf("cannot make a tensor of element type %s", d)
	}
	t.Data = make([]byte, size)
	return t, nil
}

// Kind says which of ONNX's value types a Value is.
type Kind int

// The kinds of values that models take and give.
const (
	KindTensor Kind = iota
	KindSequence
	KindMap
	KindOptional // an empty optional; a filled one is represented by its content
)

// Value is what an input or output carries: a tensor, a sequence of values, a map (keys and values as two tensors of one
// length), or nothing at all (an empty optional).
type Value struct {
	Kind   Kind
	Tensor *Tensor // KindTensor
	Items  []Value // KindSequence
	Keys   *Tensor // KindMap
	Values *Tensor // KindMap
}

// Of wraps a tensor as a Value.
func Of(t *Tensor) Value { return Value{Kind: KindTensor, Tensor: t} }
