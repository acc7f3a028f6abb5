package quantize

import "math"

// mseParts is into how many parts a side of the range is cut at first in the search of leastSquaresOf. Later it looks closer, around the best.
const mseParts = 32

// leastSquaresOf gives the range at which the squared error of the quantized values is least: what is rounded and what is cut off together, each
// bin taken at its middle and weighted by its count. Zeros cost nothing: they are exact at every range. The ends are searched in turn, on
// borders of bins, until neither moves.
func leastSquaresOf(h *histogram, levels integerRange, symmetric bool) [2]float32 {
	s := &leastSquares{histogram: h, points: h.points(), levels: levels, symmetric: symmetric}
	s.limit = [2]int{h.side(-h.low), h.side(h.high)}
	if symmetric {
		n := max(s.limit[0], s.limit[1])
		s.limit = [2]int{n, n}
	}
	s.place = s.limit
	s.error = s.cost(s.place)
	for before := math.Inf(1); s.error < before; {
		before = s.error
		s.search(0)
		if !symmetric {
			s.search(1)
		}
	}
	return s.rangeAt(s.place)
}

// leastSquares is the state of a search. Sides are below zero and above; places are in bins from zero.
type leastSquares struct {
	*histogram
	points       []point
	levels       integerRange
	symmetric    bool
	limit, place [2]int
	error        float64 // at place
}

// search moves one end to where the error is least, or both where the range is symmetric.
func (s *leastSquares) search(side int) {
	width, reach := max(s.limit[side]/mseParts, 1), s.limit[side]
	for {
		middle := s.place[side]
		for at := min(middle+reach, s.limit[side]); at >= max(middle-reach, 0); at -= width {
			place := s.place
			if place[side] = at; s.symmetric {
				place[1-side] = at
			}
			if e := s.cost(place); e < s.error {
				s.place, s.error = place, e
			}
		}
		if width == 1 {
			return
		}
		reach, width = width, max(width/4, 1)
	}
}

// rangeAt gives the range that ends so many bins from zero, within the extremes.
func (s *leastSquares) rangeAt(place [2]int) [2]float32 {
	return [2]float32{max(s.edge(-place[0]), s.low), min(s.edge(place[1]), s.high)}
}

// cost is the sum of squared errors at a range, infinite where there is no quantizing with it.
func (s *leastSquares) cost(place [2]int) (sum float64) {
	r := s.rangeAt(place)
	p, err := paramsFor(r[0], r[1], s.levels, s.symmetric)
	if err != nil {
		return math.Inf(1)
	}
	scale := float64(p.Scale)
	least, most := float64(s.levels.min-p.Zero), float64(s.levels.max-p.Zero)
	for _, v := range s.points {
		d := v.x - scale*min(max(math.RoundToEven(v.x/scale), least), most)
		sum += d * d * v.count
	}
	return sum
}

// point is a bin's middle and its count.
type point struct{ x, count float64 }

// points lists the bins that are not empty.
func (h *histogram) points() (out []point) {
	b := h.bins(halfBins)
	b.counts[len(b.counts)/2] -= h.zeros
	for i, n := range b.counts {
		if n > 0 {
			out = append(out, point{(float64(b.edges[i]) + float64(b.edges[i+1])) / 2, float64(n)})
		}
	}
	return out
}

// side is the number of bins up to a magnitude, 0 where there is none.
func (h *histogram) side(magnitude float32) int {
	if magnitude <= 0 {
		return 0
	}
	return int(magnitude*float32(math.Ldexp(1, -h.exponent))) + 1
}
