package quantize

import (
	"encoding/binary"
	"fmt"
	"math"

	"assay/tensor"
)

// smallestNormal is float32's: a scale below it stands for data without spread.
const smallestNormal = 1.1754943508222875e-38

// integerRange is the range of integers that values are mapped to.
type integerRange struct{ min, max int32 }

// rangeOf gives the integers of an 8-bit type: reduced to 7 bits for dot products that add pairs in saturating 16 bits, or symmetric.
// A reduced range wins over a symmetric one.
func rangeOf(d tensor.DType, symmetric, reduced bool) integerRange {
	switch {
	case d == tensor.Uint8 && reduced:
		return integerRange{0, 127}
	case d == tensor.Uint8:
		return integerRange{0, 255}
	case reduced:
		return integerRange{-64, 64}
	case symmetric:
		return integerRange{-127, 127}
	}
	return integerRange{-128, 127}
}

// fullRange is where quantized values saturate, whatever range they were scaled for.
func fullRange(d tensor.DType) integerRange { return rangeOf(d, false, false) }

// Params are a tensor's quantization parameters: real = (q - Zero) * Scale.
type Params struct {
	Scale float32
	Zero  int32
}

// paramsFor computes the parameters that map [low, high], widened to contain 0, to the integers of r. The span is taken in float32 and
// the rest in float64; the zero point comes from the unrounded scale.
func paramsFor(low, high float32, r integerRange, symmetric bool) (Params, error) {
	if low != low || high != high {
		return Params{}, fmt.Errorf("a range of NaN")
	}
	low, high = min(low, 0), max(high, 0)
	if symmetric {
		a := max(-low, high)
		low, high = -a, a
	}
	span := float64(high - low)
	if math.IsInf(span, 0) {
		return Params{}, fmt.Errorf("a range of [%v, %v] is wider than a float32 can hold", low, high)
	}
	scale := span / float64(r.max-r.min)
	if scale < smallestNormal {
		return Params{Scale: 1}, nil
	}
	p := Params{Scale: float32(scale)}
	if symmetric {
		p.Zero = int32(math.RoundToEven(float64(r.min+r.max) / 2))
	} else {
		p.Zero = int32(math.RoundToEven(float64(r.min) - float64(low)/scale))
	}
	return p, nil
}

// quantizeInto writes the 8-bit integers of values: divided in float32, rounded half to even, saturated at the type's full range.
func quantizeInto(out []byte, values []float32, p Params, d tensor.DType) {
	full := fullRange(d)
	for i, x := range values {
		q := float32(math.RoundToEven(float64(x/p.Scale))) + float32(p.Zero)
		out[i] = byte(int32(min(max(q, float32(full.min)), float32(full.max))))
	}
}

// extremes are the smallest and the largest value; zeros for none.
func extremes(values []float32) (low, high float32) {
	for i, x := range values {
		if i == 0 || x < low {
			low = x
		}
		if i == 0 || x > high {
			high = x
		}
	}
	return low, high
}

// finite reports whether no value is NaN or infinite.
func finite(values []float32) bool {
	for _, x := range values {
		if x-x != 0 {
			return false
		}
	}
	return true
}

// biasInto writes the int32 integers of a bias, whose scale is the product of the input's and the weight's.
func biasInto(out []byte, values []float32, scales []float32) {
	for i, x := range values {
		s := scales[0]
		if len(scales) > 1 {
			s = scales[i]
		}
		q := math.RoundToEven(float64(x) / float64(s))
		q = min(max(q, math.MinInt32), math.MaxInt32)
		binary.LittleEndian.PutUint32(out[4*i:], uint32(int32(q)))
	}
}

// guardScale widens a weight's scale where the bias would not fit into 32 bits with it (weights of a symmetric signed type only).
func guardScale(scale, input float32, bias float32) float32 {
	const span = float64(1<<32 - 2) // of int32 without its smallest value
	smallest := 1.0001 * 2 * math.Abs(float64(bias)) / span
	if product := float64(input) * float64(scale); product > 0 && product < smallest {
		return float32(float64(scale) * (smallest / product))
	}
	return scale
}
