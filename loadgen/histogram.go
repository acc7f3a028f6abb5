package loadgen

import "math"

// HistogramBuckets is how many buckets live latency histograms have.
const HistogramBuckets = 32

// bucketBounds are the buckets' upper bounds in nanoseconds: 10 us, each 1.6 times the last.
var bucketBounds = func() (bounds [HistogramBuckets]int64) {
	bound := 10e3
	for i := range bounds {
		bounds[i] = int64(bound)
		bound *= 1.6
	}
	return bounds
}()

// BucketBounds returns the histogram's upper bounds in seconds.
func BucketBounds() []float64 {
	bounds := make([]float64, HistogramBuckets)
	for i, b := range bucketBounds {
		bounds[i] = float64(b) / 1e9
	}
	return bounds
}

// bucketOf returns the first bucket whose bound is at least ns, HistogramBuckets for the overflow.
func bucketOf(ns int64) int {
	lo, hi := 0, HistogramBuckets
	for lo < hi {
		if mid := (lo + hi) / 2; ns <= bucketBounds[mid] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// BucketQuantile estimates a quantile of a histogram as Progress has it, in seconds, by interpolating within a bucket on a logarithmic scale: it
// is off by at most a bucket's width, a factor of 1.6. False where the histogram is empty. What lies beyond the last bound is that bound.
func BucketQuantile(buckets []uint64, p float64) (seconds float64, ok bool) {
	total := uint64(0)
	for _, n := range buckets {
		total += n
	}
	if total == 0 {
		return 0, false
	}
	rank := p * float64(total)
	for i, n := range buckets {
		if n == 0 || float64(n) < rank {
			rank -= float64(n)
			continue
		}
		if i >= HistogramBuckets {
			break
		}
		high := float64(bucketBounds[i]) / 1e9
		low := high / 1.6
		return low * math.Pow(high/low, rank/float64(n)), true
	}
	return float64(bucketBounds[HistogramBuckets-1]) / 1e9, true
}
