package quantize

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// Bounds of float16 as onnxruntime's converter has them (microsoft/onnxruntime onnxruntime/python/tools/transformers/float16.py): what is not 0
// does not become 0, and what is finite does not become infinite.
const (
	smallestHalf = float32(5.96e-08)
	largestHalf  = float32(65504)
)

// halfBits is the float16 nearest to a value, ties to even, within those bounds. NaN and infinities stay what they are.
func halfBits(x float32) uint16 {
	switch a := float32(math.Abs(float64(x))); {
	case a > 0 && a < smallestHalf:
		x = float32(math.Copysign(float64(smallestHalf), float64(x)))
	case a > largestHalf && !math.IsInf(float64(a), 0):
		x = float32(math.Copysign(float64(largestHalf), float64(x)))
	}
	return float16.Fromfloat32(x).Bits()
}

// halve writes values as float16, two bytes each, on all cores.
func halve(out []byte, values []float32) {
	parallel(len(values), 4096, func(from, to int) {
		for i, x := range values[from:to] {
			binary.LittleEndian.PutUint16(out[2*(from+i):], halfBits(x))
		}
	})
}
