package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Trend is Mann and Kendall's test of values in order (H. B. Mann, Econometrica 13, 1945): whether later ones tend to be larger or smaller. z is the
// standard normal score with the correction for continuity, positive for a rise, and p its two-sided probability. Ties are allowed for.
func Trend(values []float64) (z, p float64) {
	n := len(values)
	s := 0.0
	for i := range values {
		for j := i + 1; j < n; j++ {
			switch {
			case values[j] > values[i]:
				s++
			case values[j] < values[i]:
				s--
			}
		}
	}
	variance := float64(n*(n-1)*(2*n+5)) / 18
	counts := map[float64]int{}
	for _, v := range values {
		counts[v]++
	}
	for _, c := range counts {
		variance -= float64(c*(c-1)*(2*c+5)) / 18
	}
	if variance <= 0 || s == 0 {
		return 0, 1
	}
	z = (s - math.Copysign(1, s)) / math.Sqrt(variance)
	return z, 2 * distuv.UnitNormal.CDF(-math.Abs(z))
}
