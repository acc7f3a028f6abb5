package quantize

import (
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
		return Params{}, fmt.Errorf("a range of [%v, %v] is wider than a float32 can hold; leave the node that it belongs to in float with --exclude", low, high)
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

// biasInteger divides a bias by its scale in float64, rounds half to even and saturates at 32 bits.
func biasInteger(x, scale float32) int32 {
	q := math.RoundToEven(float64(x) / float64(scale))
	return int32(min(max(q, math.MinInt32), math.MaxInt32))
}

// biasSpan is the integers of 32 bits without the smallest.
const biasSpan = float64(1<<32 - 2)

// guardScale widens a weight's one scale where the largest magnitude of a bias would not fit into 32 bits with it. Weights are symmetric and
// signed.
func guardScale(scale, input, bias float32) float32 {
	return widened(scale, input, 1.0001*(2*math.Abs(float64(bias)))/biasSpan)
}

// guardChannel is guardScale for the scale of one channel, for which the reference doubles the bias in float32 (numpy 2 keeps that type where
// a number of Python's meets it).
func guardChannel(scale, input, bias float32) float32 {
	doubled := float32(2 * bias)
	if doubled < 0 {
		doubled = -doubled
	}
	return widened(scale, input, float64(float32(1.0001*doubled))/biasSpan)
}

func widened(scale, input float32, smallest float64) float32 {
	if product := float64(input) * float64(scale); product > 0 && product < smallest {
		return float32(float64(scale) * (smallest / product))
	}
	return scale
}
