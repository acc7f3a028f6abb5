package stats

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bound is the limit of a gate.
type Bound struct {
	Value    float64 // a ratio, or base units (seconds, bytes, joules, 1/s), or a share
	Relative bool    // Value is a ratio to the baseline
	Points   bool    // Value is a difference in points of a share: 1pp is 0.01
}

// units are the suffixes of absolute bounds and what they are in base units; durations are read by package time.
var units = []struct {
	suffix string
	factor float64
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GiB", 1 << 30}, {"MB", 1e6}, {"kB", 1e3}, {"GB", 1e9}, {"B", 1}, {"mJ", 1e-3}, {"uJ", 1e-6}, {"kJ", 1e3}, {"J", 1}, {"/s", 1}}

// ParseBound reads 0.8x (of the baseline), 20ms, 10MiB, 5mJ, 200/s, 1pp, 97% and plain numbers.
func ParseBound(text string) (Bound, error) {
	text = strings.TrimSpace(text)
	number := func(s string, factor float64) (float64, error) {
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("%q is no bound; want 0.8x, 20ms, 10MiB, 5mJ, 200/s, 1pp or 97%%", text)
		}
		return v * factor, nil
	}
	if s, ok := strings.CutSuffix(text, "pp"); ok {
		v, err := number(s, 0.01)
		return Bound{Value: v, Points: true}, err
	}
	if s, ok := strings.CutSuffix(text, "x"); ok {
		v, err := number(s, 1)
		return Bound{Value: v, Relative: true}, err
	}
	if s, ok := strings.CutSuffix(text, "%"); ok {
		v, err := number(s, 0.01)
		return Bound{Value: v}, err
	}
	if d, err := time.ParseDuration(text); err == nil {
		return Bound{Value: d.Seconds()}, nil
	}
	for _, u := range units {
		if s, ok := strings.CutSuffix(text, u.suffix); ok {
			v, err := number(s, u.factor)
			return Bound{Value: v}, err
		}
	}
	v, err := number(text, 1)
	return Bound{Value: v}, err
}

// Judge gives a gate's verdict from the interval [low, high] of a figure and its limit: pass when the whole interval keeps it, fail when
// the whole interval breaks it, else inconclusive. atMost says which side is good.
func Judge(low, high, limit float64, atMost bool) string {
	if !atMost {
		low, high, limit = -high, -low, -limit
	}
	switch {
	case math.IsNaN(low) || math.IsNaN(high):
		return "inconclusive"
	case high <= limit:
		return "pass"
	case low > limit:
		return "fail"
	}
	return "inconclusive"
}

// maxMoreBlocks is where MoreBlocks stops counting: beyond it the answer is that blocks will not decide it.
const maxMoreBlocks = 1000

// MoreBlocks estimates how many more blocks would settle a gate, if the estimate and the spread stay: until the half-width is below the
// distance to the limit. gap and sd are on the scale of the test (logs for ratios); blocks are those there are.
func MoreBlocks(gap, sd float64, blocks int, alpha float64) int {
	for k := max(blocks+1, minTrials); k <= blocks+maxMoreBlocks; k++ {
		if StudentT(1-alpha/2, float64(k-1))*sd/math.Sqrt(float64(k)) < math.Abs(gap) {
			return k - blocks
		}
	}
	return maxMoreBlocks
}
