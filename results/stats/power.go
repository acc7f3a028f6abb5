package stats

import "math"

// DetectableRatio is the smallest slowdown (as a ratio above 1) that a paired comparison of so many blocks sees with the given power at
// the two-sided level alpha, when figures of trials spread by the coefficient of variation cv around their arm's value.
// Two arms' differences of logs spread by cv times the square root of 2.
func DetectableRatio(cv float64, blocks int, power, alpha float64) float64 {
	if blocks < 2 {
		return math.Inf(1)
	}
	k := float64(blocks)
	return math.Exp((StudentT(1-alpha/2, k-1) + StudentT(power, k-1)) * cv * math.Sqrt2 / math.Sqrt(k))
}

// Blocks is the fewest blocks with which a slowdown of the given ratio is seen, at most limit.
func Blocks(cv, ratio, power, alpha float64, limit int) int {
	for k := 2; k < limit; k++ {
		if DetectableRatio(cv, k, power, alpha) <= ratio {
			return k
		}
	}
	return limit
}
