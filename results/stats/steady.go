package stats

import (
	"math"
	"slices"
)

// The classes of a series of times, as Barrett and others class the iterations of a benchmark (softdevteam/warmup_stats bin/mark_changepoints_in_json;
// arXiv 1602.00602).
const (
	Flat     = "flat"     // one level throughout
	Warming  = "warming"  // it becomes faster and then stays so, or is still becoming faster
	Slowing  = "slowing"  // it becomes slower
	Unsteady = "unsteady" // it changes, and back
)

// The parameters of classing. The penalty and the place by which a steady state must have begun are warmup_stats'.
const (
	steadyPoints  = 400  // to which a series is reduced, by medians: outliers are not changes of level
	steadyLeast   = 30   // points below which no class is given
	steadyPenalty = 15   // times the logarithm of the number of points, for each change
	steadySegment = 5    // points of the shortest level
	steadySame    = 0.05 // levels that differ by less, relative, are one
	steadyBy      = 0.75 // of the series
	steadyBlocks  = 20   // medians in which a drift is looked for
	steadyTrend   = 0.6  // Kendall's tau from which there is one
)

// Level is a stretch of a series in which mean and variance do not change: from a part of its length on.
type Level struct {
	From float64 // 0 .. 1
	Mean float64
}

// Steady classes a series of times in their order; "" where it is too short. Levels are found by the optimal partition under a normal
// likelihood with changing mean and variance (Killick and others, JASA 107, 2012, without its pruning).
func Steady(series []float64) (class string, levels []Level) {
	points := reduce(series)
	if len(points) < steadyLeast {
		return "", nil
	}
	bounds := partition(points)
	for i, from := range bounds {
		to := len(points)
		if i+1 < len(bounds) {
			to = bounds[i+1]
		}
		mean := sum(points[from:to]) / float64(to-from)
		if n := len(levels); n > 0 && same(levels[n-1].Mean, mean) {
			continue // a change of variance alone, or one too small to matter
		}
		levels = append(levels, Level{float64(from) / float64(len(points)), mean})
	}
	if tau := rankCorrelation(blocks(points)); math.Abs(tau) > steadyTrend && !same(levels[0].Mean, levels[len(levels)-1].Mean) {
		// A drift all the way through is one, whatever neighbours on the machine add to it.
		if tau > 0 {
			return Slowing, levels
		}
		return Warming, levels
	}
	return classOf(levels), levels
}

// blocks takes medians of equal pieces.
func blocks(points []float64) []float64 {
	out := make([]float64, steadyBlocks)
	for i := range out {
		piece := slices.Clone(points[i*len(points)/steadyBlocks : (i+1)*len(points)/steadyBlocks])
		out[i] = QuantileOf(piece, 0.5)
	}
	return out
}

// rankCorrelation is Kendall's tau between values and their places.
func rankCorrelation(v []float64) float64 {
	score := 0
	for i := range v {
		for _, later := range v[i+1:] {
			switch {
			case later > v[i]:
				score++
			case later < v[i]:
				score--
			}
		}
	}
	return float64(score) / float64(len(v)*(len(v)-1)/2)
}

func same(a, b float64) bool { return math.Abs(a-b) <= steadySame*max(math.Abs(a), math.Abs(b)) }

func classOf(levels []Level) string {
	last := levels[len(levels)-1]
	up, down := false, false
	for i := 1; i < len(levels); i++ {
		up = up || levels[i].Mean > levels[i-1].Mean
		down = down || levels[i].Mean < levels[i-1].Mean
	}
	differs := false
	for _, l := range levels {
		differs = differs || !same(l.Mean, last.Mean)
	}
	switch {
	case !differs && last.From < steadyBy:
		return Flat
	case up && down && last.From >= steadyBy, up && down && !differs:
		return Unsteady
	case up && down:
		fastest := slices.MinFunc(levels, func(a, b Level) int { return int(math.Copysign(1, a.Mean-b.Mean)) })
		if same(fastest.Mean, last.Mean) {
			return Warming
		}
		return Slowing
	case up:
		return Slowing
	}
	return Warming
}

// reduce takes medians of equal pieces of a long series.
func reduce(series []float64) []float64 {
	if len(series) <= steadyPoints {
		return series
	}
	points := make([]float64, steadyPoints)
	for i := range points {
		piece := slices.Clone(series[i*len(series)/steadyPoints : (i+1)*len(series)/steadyPoints])
		points[i] = QuantileOf(piece, 0.5)
	}
	return points
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

// partition returns where the levels of a series begin, the first at 0.
func partition(points []float64) []int {
	n := len(points)
	sums, squares := make([]float64, n+1), make([]float64, n+1)
	scale := sum(points) / float64(n)
	if scale == 0 {
		return []int{0}
	}
	for i, x := range points {
		x /= scale
		sums[i+1], squares[i+1] = sums[i]+x, squares[i]+x*x
	}
	cost := func(from, to int) float64 {
		k := float64(to - from)
		mean := (sums[to] - sums[from]) / k
		variance := max((squares[to]-squares[from])/k-mean*mean, 1e-6) // a clock's steps give levels without any variance
		return k * (math.Log(variance) + 1)
	}
	penalty := steadyPenalty * math.Log(float64(n))
	best, from := make([]float64, n+1), make([]int, n+1)
	best[0] = -penalty
	for to := 1; to <= n; to++ {
		best[to] = math.Inf(1)
		for start := 0; start <= to-steadySegment; start++ {
			if start > 0 && start < steadySegment {
				continue
			}
			if c := best[start] + cost(start, to) + penalty; c < best[to] {
				best[to], from[to] = c, start
			}
		}
	}
	var bounds []int
	for at := n; at > 0; at = from[at] {
		bounds = append(bounds, from[at])
	}
	slices.Reverse(bounds)
	return bounds
}
