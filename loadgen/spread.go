package loadgen

import (
	"math"
	"math/bits"
)

// A Spread is the distribution of durations in fixed memory: 128 buckets to each power of two, so that a quantile is off by at most 0.4 %
// of itself. The zero value is empty. It is not safe for concurrent use.
type Spread struct {
	counts [64 * spreadSteps]int64
	n      int64
	max    int64
	sum    float64
}

const spreadSteps = 128

// Add takes a duration in nanoseconds; one below 0 counts as 0.
func (s *Spread) Add(ns int64) {
	ns = max(ns, 0)
	s.counts[spreadBucket(ns)]++
	s.n++
	s.max = max(s.max, ns)
	s.sum += float64(ns)
}

// spreadBucket is ns itself below 128; above, the seven bits behind its leading one with its power of two.
func spreadBucket(ns int64) int {
	if ns < spreadSteps {
		return int(ns)
	}
	shift := bits.Len64(uint64(ns)) - 8
	return (shift+1)*spreadSteps + int(ns>>shift) - spreadSteps
}

// N is how many durations were added.
func (s *Spread) N() int64 { return s.n }

// Sum is their sum in nanoseconds.
func (s *Spread) Sum() float64 { return s.sum }

// Max is the largest, 0 for none.
func (s *Spread) Max() int64 { return s.max }

// Quantile interpolates between the values of the ranks around p (n - 1), as type 7 does, each by the middle of its bucket, in nanoseconds; 0
// for none.
func (s *Spread) Quantile(p float64) float64 {
	if s.n == 0 {
		return 0
	}
	rank, part := math.Modf(p * float64(s.n-1))
	low := s.ranked(int64(rank))
	if part == 0 {
		return low
	}
	return low + part*(s.ranked(int64(rank)+1)-low)
}

// ranked is the middle of the bucket that holds the value of a rank from 0.
func (s *Spread) ranked(rank int64) float64 {
	for i, c := range s.counts {
		if rank -= c; rank < 0 {
			return min(spreadMiddle(i), float64(s.max))
		}
	}
	return float64(s.max)
}

func spreadMiddle(i int) float64 {
	if i < spreadSteps {
		return float64(i)
	}
	width := int64(1) << (i/spreadSteps - 1)
	low := int64(i%spreadSteps+spreadSteps) * width
	return float64(low) + float64(width-1)/2
}
