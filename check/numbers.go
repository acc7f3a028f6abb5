package check

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"

	"assay/tensor"
)

// numbers returns the elements as float64, exactly but for 64-bit integers past 2^53; of a complex number both parts.
func numbers(t *tensor.Tensor) ([]float64, error) {
	count := int(t.Len())
	size, err := tensor.ByteSize(t.DType, t.Shape)
	if err != nil {
		return nil, err
	}
	if int64(len(t.Data)) != size {
		return nil, fmt.Errorf("a tensor of %s %v has %d bytes, not %d", t.DType, t.Shape, len(t.Data), size)
	}
	switch t.DType {
	case tensor.Complex64:
		return numbers(&tensor.Tensor{DType: tensor.Float32, Shape: []int64{int64(2 * count)}, Data: t.Data})
	case tensor.Complex128:
		return numbers(&tensor.Tensor{DType: tensor.Float64, Shape: []int64{int64(2 * count)}, Data: t.Data})
	}
	bits := t.DType.Bits()
	read, err := decoder(t.DType)
	if err != nil {
		return nil, err
	}
	v := make([]float64, count)
	for i := range v {
		v[i] = read(rawBits(t.Data, i, bits))
	}
	return v, nil
}

// rawBits reads element i of 2 to 64 bits; the first of several in a byte has the low bits.
func rawBits(data []byte, i, bits int) uint64 {
	switch bits {
	case 2, 4:
		return uint64(data[i*bits/8]) >> (i * bits % 8) & (1<<bits - 1)
	case 8:
		return uint64(data[i])
	case 16:
		return uint64(binary.LittleEndian.Uint16(data[2*i:]))
	case 32:
		return uint64(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return binary.LittleEndian.Uint64(data[8*i:])
}

// decoder says how the bits of a type become a number.
func decoder(d tensor.DType) (func(uint64) float64, error) {
	bits := d.Bits()
	unsigned := func(b uint64) float64 { return float64(b) }
	signed := func(b uint64) float64 { return float64(int64(b<<(64-bits)) >> (64 - bits)) }
	switch d {
	case tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64, tensor.Uint4, tensor.Uint2:
		return unsigned, nil
	case tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64, tensor.Int4, tensor.Int2:
		return signed, nil
	case tensor.Bool:
		return func(b uint64) float64 { return float64(min(b, 1)) }, nil
	case tensor.Float64:
		return math.Float64frombits, nil
	case tensor.Float32:
		return func(b uint64) float64 { return float64(math.Float32frombits(uint32(b))) }, nil
	case tensor.BFloat16:
		return func(b uint64) float64 { return float64(math.Float32frombits(uint32(b) << 16)) }, nil
	case tensor.Float16:
		return func(b uint64) float64 { return float64(float16.Frombits(uint16(b)).Float32()) }, nil
	case tensor.Float8E8M0:
		return func(b uint64) float64 {
			if b == 0xff {
				return math.NaN()
			}
			return math.Ldexp(1, int(b)-127)
		}, nil
	}
	if f, ok := smallFloats[d]; ok {
		return f.decode, nil
	}
	return nil, fmt.Errorf("cannot read elements of type %s as numbers", d)
}

// smallFloat is a format of one sign bit, exponent and mantissa in at most a byte, with its own idea of what is not a number
// (onnx/onnx docs/docsgen/source/technical/float8.md and float4.md).
type smallFloat struct {
	exponent, mantissa int // bits
	bias               int
	nan                func(b uint64) bool
	infinite           bool // the largest exponent with mantissa 0 is an infinity
}

var smallFloats = map[tensor.DType]smallFloat{
	tensor.Float8E4M3FN:   {4, 3, 7, func(b uint64) bool { return b&0x7f == 0x7f }, false},
	tensor.Float8E4M3FNUZ: {4, 3, 8, func(b uint64) bool { return b == 0x80 }, false},
	tensor.Float8E5M2:     {5, 2, 15, func(b uint64) bool { return b&0x7f > 0x7c }, true},
	tensor.Float8E5M2FNUZ: {5, 2, 16, func(b uint64) bool { return b == 0x80 }, false},
	tensor.Float4E2M1:     {2, 1, 1, func(uint64) bool { return false }, false},
}

func (f smallFloat) decode(b uint64) float64 {
	if f.nan(b) {
		return math.NaN()
	}
	sign := 1.0
	if b>>(f.exponent+f.mantissa) == 1 {
		sign = -1
	}
	top := uint64(1)<<f.exponent - 1
	e, m := b>>f.mantissa&top, float64(b&(1<<f.mantissa-1))
	switch {
	case f.infinite && e == top:
		return math.Inf(int(sign))
	case e == 0:
		return sign * math.Ldexp(m, 1-f.bias-f.mantissa)
	}
	return sign * math.Ldexp(m+float64(int(1)<<f.mantissa), int(e)-f.bias-f.mantissa)
}
