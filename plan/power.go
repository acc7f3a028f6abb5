package plan

import (
	"math"

	"assay/results/stats"
)

// Spreads are the coefficients of variation between trials that a plan is judged for where none was measured; AssumedSpread is the one of
// them that stands for it where a single figure is wanted.
var Spreads = []float64{0.005, 0.01, AssumedSpread, 0.04}

// AssumedSpread is what per-trial figures vary by on a quiet machine of unknown kind.
const AssumedSpread = 0.02

// Power is the chance with which an effect of the detectable size is seen, Level the two-sided level at which it is looked for.
const (
	Power = 0.8
	Level = 0.05
)

// Detectable returns the smallest ratio between two arms, greater than 1, that comparing them over the blocks would show.
func Detectable(spread float64, blocks int) float64 {
	return stats.DetectableRatio(spread, blocks, Power, Level)
}

// The assumptions behind what a quality gate can resolve: the share of examples on which two variants of one model typically differ in
// being right, and the chance with which the gate passes a variant that loses nothing.
const (
	AssumedDiscordance = 0.04
	QualityPower       = 0.9
)

// ResolvableLoss returns the smallest margin of accuracy that a gate can be expected to pass on n paired examples, for a variant that
// loses nothing and differs from the baseline on a share of discordant examples.
func ResolvableLoss(n int, discordant float64) float64 {
	const margin = 1e-3 // any will do: examples grow with the inverse square
	return margin * math.Sqrt(float64(stats.PairsFor(discordant, 0, margin, Level, QualityPower))/float64(n))
}

// ExamplesFor is how many examples a margin of accuracy needs: the inverse of ResolvableLoss.
func ExamplesFor(margin, discordant float64) int {
	return stats.PairsFor(discordant, 0, margin, Level, QualityPower)
}
