package loadgen

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpreadQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var s Spread
	values := make([]int64, 50_000)
	for i := range values {
		values[i] = int64(math.Exp(12 + 3*rng.NormFloat64()))
		s.Add(values[i])
	}
	slices.Sort(values)
	for _, p := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := float64(values[int(p*float64(len(values)-1))])
		if got := s.Quantile(p); math.Abs(got-want) > 0.004*want+0.5 {
			t.Errorf("quantile %v: %v, want %v", p, got, want)
		}
	}
	if s.N() != 50_000 || s.Max() != values[len(values)-1] {
		t.Errorf("%d values, largest %d", s.N(), s.Max())
	}
}

// TestFewValuesInterpolate: of three requests the p99 lies next to the largest.
func TestFewValuesInterpolate(t *testing.T) {
	var s Spread
	for _, ns := range []int64{10, 20, 120} {
		s.Add(ns)
	}
	if got := s.Quantile(0.99); math.Abs(got-118) > 1e-9 {
		t.Error(got)
	}
}

// TestSpreadBuckets walks over the edges of buckets: each value's bucket has a middle that is near it, and buckets ascend.
func TestSpreadBuckets(t *testing.T) {
	last := -1
	for _, ns := range []int64{0, 1, 127, 128, 129, 255, 256, 257, 511, 512, 1 << 20, 1<<20 + 1<<13, 1 << 40, math.MaxInt64} {
		b := spreadBucket(ns)
		if b < last || b >= 64*spreadSteps {
			t.Errorf("%d is in bucket %d, behind %d", ns, b, last)
		}
		last = b
		if m := spreadMiddle(b); math.Abs(m-float64(ns)) > 0.004*float64(ns) {
			t.Errorf("%d is in a bucket around %v", ns, m)
		}
	}
}
