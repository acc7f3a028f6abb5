package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestIntegersAreSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, of := range map[string]func(i int) int64{
		"latencies":  func(int) int64 { return int64(rng.ExpFloat64() * 1e6) },
		"small":      func(int) int64 { return rng.Int64N(3) },
		"equal":      func(int) int64 { return 5 },
		"one digit":  func(int) int64 { return rng.Int64N(9)<<digitBits + 77 },
		"signs":      func(int) int64 { return rng.Int64N(100) - 50 },
		"everything": func(int) int64 { return int64(rng.Uint64()) },
		"extremes":   func(i int) int64 { return []int64{math.MinInt64, math.MaxInt64, 0, -1, 1}[i%5] },
		"falling":    func(i int) int64 { return int64(-i) },
	} {
		for _, n := range []int{0, 1, 2, fewIntegers - 1, fewIntegers, 5 * fewIntegers} {
			values := make([]int64, n)
			for i := range values {
				values[i] = of(i)
			}
			want := slices.Sorted(slices.Values(values))
			sortIntegers(values, make([]int64, n))
			if !slices.Equal(values, want) {
				t.Errorf("%s: %d values are not sorted", name, n)
			}
		}
	}
}
