package quantize

import (
	"fmt"
	"math"
)

// blockFormat says how a matrix is cut into blocks that share a scale, and how its integers are rounded. The formulas are those of
// onnxruntime's MatMulNBitsQuantizer (microsoft/onnxruntime onnxruntime/core/mlas/lib/q4_dq.cpp and
// onnxruntime/python/tools/quantization/matmul_nbits_quantizer.py), bit for bit.
type blockFormat struct {
	bits      int  // 4 or 8
	block     int  // elements that share a scale, a power of two from 16 on
	symmetric bool // no zero points: the middle code stands for 0
	rounding  rounding
	fit       *fitter
}

// rounding is how a value becomes a code. The runtime's three forms of blocked weights differ in it.
type rounding int

const (
	// zeroFirst multiplies by the reciprocal of the scale, adds the zero point and rounds half away from zero (MatMulNBits).
	zeroFirst rounding = iota
	// zeroLast rounds half away from zero before it adds the zero point (DequantizeLinear).
	zeroLast
	// divided divides by the scale, adds the zero point and rounds half to even (GatherBlockQuantized).
	divided
)

// grid is a block's parameters: real = (code - zero) * scale, codes from 0 to 2^bits-1. A scale may be negative.
type grid struct {
	scale float32
	zero  int32
}

func (f *blockFormat) top() int32    { return 1<<f.bits - 1 }
func (f *blockFormat) middle() int32 { return 1 << (f.bits - 1) }

// nearest is the grid of round-to-nearest. Symmetric: the value farthest from 0 takes code 0, whatever its sign. Otherwise the codes span
// the block's values and 0.
func (f *blockFormat) nearest(values []float32) (grid, error) {
	low, high, finite := reachPlainly(values)
	if !finite {
		return grid{}, errNotFinite
	}
	if f.symmetric {
		far := low
		if math.Abs(float64(high)) > math.Abs(float64(low)) {
			far = high
		}
		if far == 0 && len(values) > 0 {
			far = values[0] // of two zeros the first one's sign stays
		}
		return grid{far / -float32(f.middle()), f.middle()}, nil
	}
	low, high = min(low, 0), max(high, 0)
	scale := (high - low) / float32(f.top())
	if math.IsInf(float64(scale), 0) {
		return grid{}, fmt.Errorf("a range of [%v, %v] is wider than a float32 can hold", low, high)
	}
	return grid{scale, f.zeroPoint(low, scale)}, nil
}

// zeroPoint is the code that stands for 0 where codes begin at low.
func (f *blockFormat) zeroPoint(low, scale float32) int32 {
	if scale == 0 {
		if f.rounding == divided {
			return f.middle()
		}
		return 0
	}
	if f.rounding == divided {
		return clampCode(int32(math.RoundToEven(float64(-low/scale))), f.top())
	}
	return clampCode(int32(-low/scale+underHalf), f.top())
}

func clampCode(q, top int32) int32 { return min(max(q, 0), top) }

// codes writes one code a value.
func (f *blockFormat) codes(out []byte, values []float32, g grid) {
	top := f.top()
	inverse := 1 / g.scale
	switch {
	case g.scale == 0:
		for i := range values {
			out[i] = byte(g.zero)
		}
	case f.rounding == divided, math.IsInf(float64(inverse), 0):
		// Where a scale is so small that its reciprocal is infinite, the reference gives codes of products of infinity; here they are divided.
		f.dividedCodes(out, values, g)
	case f.rounding == zeroFirst:
		zero := float32(g.zero)
		out = out[:len(values)]
		for i, x := range values {
			// The product is rounded before the sum: processors that fuse the two would round once.
			out[i] = byte(clampCode(int32(float32(x*inverse)+zero+underHalf), top))
		}
	default:
		for i, x := range values {
			y := x * inverse
			out[i] = byte(clampCode(int32(y+math.Float32frombits(math.Float32bits(y)&^magnitude32|math.Float32bits(underHalf)))+g.zero, top))
		}
	}
}

func (f *blockFormat) dividedCodes(out []byte, values []float32, g grid) {
	top := float64(f.top())
	for i, x := range values {
		y := x / g.scale
		if !f.symmetric { // the symmetric form rounds a signed code and shifts it
			y += float32(g.zero)
		}
		q := math.RoundToEven(float64(y))
		if f.symmetric {
			q += float64(g.zero)
		}
		out[i] = byte(min(max(q, 0), top))
	}
}
