package loadgen

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
