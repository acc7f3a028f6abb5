package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// z975 is the 97.5 % quantile of the standard normal distribution.
var z975 = distuv.UnitNormal.Quantile(0.975)

// Wilson is the 95 % score interval of a proportion of k in n.
func Wilson(k, n int) (low, high float64) {
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	p, m, z2 := float64(k)/float64(n), float64(n), z975*z975
	centre := (p + z2/(2*m)) / (1 + z2/m)
	half := z975 / (1 + z2/m) * math.Sqrt(p*(1-p)/m+z2/(4*m*m))
	return max(0, centre-half), min(1, centre+half)
}

// McNemar is the two-sided mid-p value of McNemar's test on the discordant pairs: b right in the baseline alone, c in the variant alone.
// The mid-p form holds its level where the exact one is too cautious (Fagerland, Lydersen, Laake 2013, doi 10.1186/1471-2288-13-91).
func McNemar(b, c int) float64 {
	n := b + c
	if n == 0 {
		return 1
	}
	d := distuv.Binomial{N: float64(n), P: 0.5}
	k := float64(min(b, c))
	if b == c {
		return 1 - d.Prob(k)
	}
	return min(1, 2*d.CDF(k)-d.Prob(k))
}

// Tango is the score interval of the difference variant minus baseline of two paired proportions (Tango 1998, Statistics in Medicine 17),
// at two-sided confidence 1 - alpha: b right in the baseline alone, c in the variant alone, of n pairs.
func Tango(b, c, n int, alpha float64) (estimate, low, high float64) {
	if n == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	estimate = float64(c-b) / float64(n)
	z := distuv.UnitNormal.Quantile(1 - alpha/2)
	// score decreases in delta and crosses +z at the lower and -z at the upper bound.
	low = bisect(-1, estimate, func(d float64) float64 { return tangoScore(b, c, n, d) - z })
	high = bisect(estimate, 1, func(d float64) float64 { return tangoScore(b, c, n, d) + z })
	return estimate, low, high
}

// tangoScore is the score statistic of the difference c - b against delta.
func tangoScore(b, c, n int, delta float64) float64 {
	fb, fc, fn := float64(b), float64(c), float64(n)
	// The restricted maximum-likelihood estimate of the probability of a baseline-only success.
	a2 := 2 * fn
	a1 := -fb - fc + (2*fn-fc+fb)*delta
	a0 := -fb * delta * (1 - delta)
	q := (math.Sqrt(max(0, a1*a1-4*a2*a0)) - a1) / (2 * a2)
	variance := fn * (2*q + delta*(1-delta))
	numerator := fc - fb - fn*delta
	if variance <= 0 {
		switch {
		case numerator > 0:
			return math.Inf(1)
		case numerator < 0:
			return math.Inf(-1)
		}
		return 0
	}
	return numerator / math.Sqrt(variance)
}

// bisect finds the root of a decreasing function in [lo, hi]; where it has none it returns the end that is nearer to one.
func bisect(lo, hi float64, f func(float64) float64) float64 {
	for range 200 {
		mid := (lo + hi) / 2
		if f(mid) > 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// PairsFor is how many examples a paired comparison needs to show, with the given power, a loss below margin where discordant is the
// share of examples that the two get differently right, and the true loss is loss; 0 where no number of examples would.
func PairsFor(discordant, loss, margin, alpha, power float64) int {
	gap := margin - loss
	if gap <= 0 {
		return 0
	}
	z := distuv.UnitNormal.Quantile(1-alpha/2) + distuv.UnitNormal.Quantile(power)
	return int(math.Ceil(max(discordant, 1e-4) * z * z / (gap * gap)))
}
