package quantize

import (
	"encoding/binary"
	"math"
	"sync"

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

// halfTally counts values that float16 does not hold.
type halfTally struct {
	large           int64 // finite, and brought to the largest
	small           int64 // not 0, and brought to the smallest
	infinite, noNum int64 // as they were
}

// halve writes values as float16, two bytes each, on all cores.
func halve(out []byte, values []float32) (t halfTally) {
	var adding sync.Mutex
	parallel(len(values), 4096, func(from, to int) {
		part := halveRun(out[2*from:2*to], values[from:to])
		adding.Lock()
		defer adding.Unlock()
		t.large, t.small, t.infinite, t.noNum = t.large+part.large, t.small+part.small, t.infinite+part.infinite, t.noNum+part.noNum
	})
	return t
}

func halveRunPlainly(out []byte, values []float32) (t halfTally) {
	for i, x := range values {
		t.look(x)
		binary.LittleEndian.PutUint16(out[2*i:], halfBits(x))
	}
	return t
}

// look counts a value.
func (t *halfTally) look(x float32) {
	switch a := float32(math.Abs(float64(x))); {
	case a <= largestHalf && (a >= smallestHalf || a == 0): // nearly all
	case a < smallestHalf:
		t.small++
	case math.IsInf(float64(a), 0):
		t.infinite++
	case a > largestHalf:
		t.large++
	default:
		t.noNum++
	}
}
