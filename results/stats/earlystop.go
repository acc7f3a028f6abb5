package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// EarlyStop is MLPerf's test of a latency percentile (mlcommons/inference_policies, inference_rules.adoc, "Early Stopping"): a one-sided
// binomial test at 99 %. It assumes that requests are independent. Latencies under queueing are not: at the boundary it then accepts
// 10 to 90 % of the time in place of 1 %, so it stands beside BatchMeans, never in its place.
type EarlyStop struct {
	Percentile float64 // 0.99 for p99
	Confidence float64 // 0.99
}

// MLPerf returns the test as MLPerf sets it.
func MLPerf(percentile float64) EarlyStop {
	return EarlyStop{Percentile: percentile, Confidence: 0.99}
}

// odds is the probability of at most over among n requests of which each is over with probability 1 - p: the regularized incomplete beta
// function I_p(n - over, over + 1).
func (e EarlyStop) odds(n, over int) float64 {
	if over >= n {
		return 1
	}
	return mathext.RegIncBeta(float64(n-over), float64(over+1), e.Percentile)
}

// Needed is the fewest requests with which over of them may exceed the target: the smallest n whose odds are below 1 - Confidence.
func (e EarlyStop) Needed(over int) int {
	low, high := over, over+1
	for e.odds(high, over) >= 1-e.Confidence {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if mid := low + (high-low)/2; e.odds(mid, over) < 1-e.Confidence {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// Judge tests a server load's target: over of n requests took longer. More is how many further requests would pass if none of them is
// over.
func (e EarlyStop) Judge(n, over int) (pass bool, more int) {
	need := e.Needed(over)
	return n >= need, max(0, need-n)
}

// Bound estimates the percentile of latencies from above: it discards as many of the largest as Confidence allows
// and takes the next. The estimate is an upper bound at Confidence for independent requests. Ok is false where there are fewer than Needed(1).
func (e EarlyStop) Bound(latencies Pooled) (bound float64, discarded int, ok bool) {
	n := latencies.Len()
	if n < e.Needed(1) {
		return math.NaN(), 0, false
	}
	low, high := 1, n // Needed rises with over, and Needed(n) > n
	for high-low > 1 {
		if mid := low + (high-low)/2; e.Needed(mid) <= n {
			low = mid
		} else {
			high = mid
		}
	}
	return latencies.Ranked(n - low), low - 1, true
}

// ShareVerdict judges whether the share of which count of n were seen is at most allowed, by one-sided 99 % bounds for independent events,
// and gives the bounds.
func ShareVerdict(count, n int, allowed float64) (verdict string, low, high float64) {
	if n == 0 {
		return VerdictInconclusive, 0, 1
	}
	low, high = clopperPearson(float64(count), float64(n), 0.01)
	switch {
	case low > allowed:
		return VerdictFail, low, high
	case high <= allowed:
		return VerdictPass, low, high
	}
	return VerdictInconclusive, low, high
}
