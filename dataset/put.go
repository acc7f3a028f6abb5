package dataset

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"

	"assay/tensor"
)

// putter returns how element i of a type is written from a number.
func putter(d tensor.DType) (func(data []byte, i int64, x float64), error) {
	le := binary.LittleEndian
	switch d {
	case tensor.Float32:
		return func(b []byte, i int64, x float64) { le.PutUint32(b[4*i:], math.Float32bits(float32(x))) }, nil
	case tensor.Float64:
		return func(b []byte, i int64, x float64) { le.PutUint64(b[8*i:], math.Float64bits(x)) }, nil
	case tensor.Float16:
		return func(b []byte, i int64, x float64) { le.PutUint16(b[2*i:], float16.Fromfloat32(float32(x)).Bits()) }, nil
	case tensor.BFloat16:
		return func(b []byte, i int64, x float64) { le.PutUint16(b[2*i:], toBFloat16(float32(x))) }, nil
	case tensor.Int8, tensor.Uint8, tensor.Bool:
		return func(b []byte, i int64, x float64) { b[i] = byte(int64(x)) }, nil
	case tensor.Int16, tensor.Uint16:
		return func(b []byte, i int64, x float64) { le.PutUint16(b[2*i:], uint16(int64(x))) }, nil
	case tensor.Int32, tensor.Uint32:
		return func(b []byte, i int64, x float64) { le.PutUint32(b[4*i:], uint32(int64(x))) }, nil
	case tensor.Int64, tensor.Uint64:
		return func(b []byte, i int64, x float64) { le.PutUint64(b[8*i:], uint64(int64(x))) }, nil
	case tensor.Int4, tensor.Uint4, tensor.Int2, tensor.Uint2:
		return func(b []byte, i int64, x float64) { putBits(b, i, d.Bits(), byte(int64(x))) }, nil
	case tensor.Float8E4M3FN, tensor.Float8E4M3FNUZ, tensor.Float8E5M2, tensor.Float8E5M2FNUZ, tensor.Float4E2M1, tensor.Float8E8M0:
		f := smallFloats[d]
		return func(b []byte, i int64, x float64) { putBits(b, i, d.Bits(), f.code(x)) }, nil
	}
	return nil, fmt.Errorf("values of type %s cannot be generated", d)
}

// putBits writes element i of 2, 4 or 8 bits; the first of several in a byte has the low bits.
func putBits(data []byte, i int64, bits int, code byte) {
	perByte := int64(8 / bits)
	shift := uint(i%perByte) * uint(bits)
	mask := byte(1<<bits-1) << shift
	data[i/perByte] = data[i/perByte]&^mask | code<<shift&mask
}

// smallFloat is a float of at most 8 bits: sign, exponent and significand as onnx/onnx docs/docsgen/source/technical/float8.md and float4.md give them.
type smallFloat struct {
	significand, bias int
	sign              byte    // the bit of the sign; 0 where there is none
	greatest          float64 // that stands for a number
}

var smallFloats = map[tensor.DType]smallFloat{
	tensor.Float8E4M3FN:   {3, 7, 0x80, 448},
	tensor.Float8E4M3FNUZ: {3, 8, 0x80, 240},
	tensor.Float8E5M2:     {2, 15, 0x80, 57344},
	tensor.Float8E5M2FNUZ: {2, 16, 0x80, 57344},
	tensor.Float4E2M1:     {1, 1, 0x8, 6},
	tensor.Float8E8M0:     {0, 127, 0, 0x1p127},
}

// code is the nearest number's, ties to even; beyond the greatest it is the greatest's. Zero has no sign: two of the types read that as NaN.
func (f smallFloat) code(x float64) byte {
	if x == 0 {
		return 0
	}
	size := math.Min(math.Abs(x), f.greatest)
	_, exponent := math.Frexp(size)
	exponent = max(exponent-1+f.bias, 0)
	unit := math.Ldexp(1, max(exponent, 1)-f.bias-f.significand) // of the last bit; below the least normal number it stays
	steps := int(math.RoundToEven(size / unit))
	code := byte(steps)
	if exponent > 0 {
		code = byte(exponent<<f.significand + steps - 1<<f.significand) // a carry goes into the exponent
	}
	if code != 0 && x < 0 {
		code |= f.sign
	}
	return code
}

// toBFloat16 rounds to nearest, ties to even.
func toBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
