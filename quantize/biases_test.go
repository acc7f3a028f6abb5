//go:build cgo && linux

package quantize

import (
	"slices"
	"testing"
)

// What a Gemm adds may differ from row to row: it is an integer all the same, and the runtime fuses the Gemm with it.
func TestBiasesOfRowsAreIntegers(t *testing.T) {
	for name, c := range map[string]struct {
		dims       []int64
		perChannel bool
		fused      int
	}{
		"one scale":                    {[]int64{6, 8}, false, 2},
		"a scale a column":             {[]int64{6, 8}, true, 2},
		"one a row":                    {[]int64{6, 1}, false, 2},
		"one a row, a scale a column":  {[]int64{6, 1}, true, 1}, // which has no integer form
		"one row":                      {[]int64{1, 8}, true, 2},
		"one value, a scale a column":  {[]int64{1}, true, 2},
		"a vector, a scale for all":    {[]int64{8}, false, 2},
		"a vector, a scale a column":   {[]int64{8}, true, 2},
		"a scalar, a scale a column":   {nil, true, 2},
		"one by one, a scale a column": {[]int64{1, 1}, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(17).input("x", 6, 12).weight("w", 12, 8).weight("c", c.dims...).weight("v", 8, 5).
				node("Gemm x w c > a").node("Relu a > r").node("Gemm r v > y").output("y", 6, 5)
			res, _ := faithful(t, n, 30, func(q *Request) { q.Options.PerChannel = c.perChannel })
			if res.Fused["QGemm"] != c.fused {
				t.Errorf("%d of 2 are fused, want %d: %v", res.Fused["QGemm"], c.fused, res.Fused)
			}
		})
	}
}

// A bias beyond 32 bits widens the scale of its weights, also where the input takes its own scale from another tensor.
func TestBiasesFitBehindSharedInputs(t *testing.T) {
	for _, perChannel := range []bool{true, false} {
		bias := slices.Repeat([]float32{1}, 16)
		bias[0], bias[1] = 1e20, -1e20
		n := newNetwork(17).input("x", 2, 4, 6, 6).weight("k", 4, 4, 3, 3).whole("shape", 2, 64).weight("w", 64, 16).constant("c", bias, 16).
			node("Conv x k > a").node("Relu a > r").node("Reshape r shape > f").node("Gemm f w c > y").output("y", 2, 16)
		faithful(t, n, 40, func(q *Request) { q.Options.PerChannel = perChannel })
	}
}
