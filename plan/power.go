package plan

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// The spreads between trials, as coefficients of variation, that a plan is judged for where none was measured.
var Spreads = []float64{0.005, 0.01, 0.02, 0.04}

// AssumedSpread stands for the spread between trials where one figure is wanted and none was measured.
const AssumedSpread = 0.02

// power is the chance with which an effect of the detectable size is seen.
const power = 0.8

// DetectableRatio returns the smallest ratio between two arms, greater than 1, that a paired comparison over the blocks sees at the
// two-sided level alpha with 80 % power, where the per-trial figures of each arm vary by spread (a coefficient of variation). It is +Inf
// where there are fewer than two blocks.
//
// The variance of the difference of logarithms is twice the spread squared, so ln(ratio) = (t(1-alpha/2) + t(power)) * spread * sqrt(2/blocks)
// with blocks-1 degrees of freedom.
func DetectableRatio(spread float64, blocks int, alpha float64) float64 {
	if blocks < 2 {
		return math.Inf(1)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(blocks - 1)}
	return math.Exp((t.Quantile(1-alpha/2) + t.Quantile(power)) * spread * math.Sqrt(2/float64(blocks)))
}

// The assumptions of a quality gate's resolution: the share of examples on which two variants of one model typically differ in being
// right, the one-sided level and the power.
const (
	AssumedDiscordance = 0.04
	qualityAlpha       = 0.025
	qualityPower       = 0.9
)

// ResolvableLoss returns the smallest margin of accuracy that a non-inferiority gate can pass on n paired examples with 90 % power when
// the variant loses nothing, where a share of discordant examples is right under one variant only:
// n = discordance (z(1-alpha) + z(power))^2 / margin^2.
func ResolvableLoss(n int, discordance float64) float64 {
	return qualityZ() * math.Sqrt(discordance/float64(n))
}

// ExamplesFor is the number of examples that a margin of accuracy needs: the inverse of ResolvableLoss.
func ExamplesFor(margin, discordance float64) int {
	z := qualityZ()
	return int(math.Ceil(discordance * z * z / (margin * margin)))
}

func qualityZ() float64 {
	return distuv.UnitNormal.Quantile(1-qualityAlpha) + distuv.UnitNormal.Quantile(qualityPower)
}
