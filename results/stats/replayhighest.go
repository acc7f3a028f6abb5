package stats

import "math"

// Highest is the highest rate, between two, at which the share of requests above the limit is at most allowed.
type Highest struct {
	Rate      float64
	Low, High float64 // one-sided bounds at BoundLevel
}

// BoundLevel is that of each bound of Highest. A search looks at them again and again and stops when they happen to be near each other, which
// takes some of their level: in a simulation of the rule of stopping, on normal noise, 3 to 5 % missed the rate with bounds of 99 %, and
// about 0.5 % with these.
const BoundLevel = 0.999

// coarseReplay is how many arrivals are replayed to know about where a rate lies.
const coarseReplay = 1 << 17

// fineBound is how near, as a share of a rate, to one that was replayed a bound is taken from the line through two of them.
const fineBound = 0.004

// Highest searches it. It is low where even that rate is too high, and high where that is not too high. Its bounds are where the bounds of the
// share reach what is allowed: below the lower one the share is surely small enough, above the upper one surely too large. A bound that lies
// beyond the range is at its end.
func (r *Replay) Highest(limit, allowed, low, high float64) Highest {
	n := len(r.arrivals)
	e := edge{r: r, limits: []float64{limit}, allowed: allowed, whole: min(n, max(256*r.n, coarseReplay)), fine: min(n, max(32*r.n, coarseReplay/4), 1<<20)}
	rate, steepness := e.place(low, high)
	at := e.look(rate, min(e.fine, coarseReplay)) // only to know how far to go
	return Highest{Rate: rate, Low: e.bound(at, steepness, low, lower), High: e.bound(at, steepness, high, upper)}
}

// edge looks for the rate at which the share of late requests is what is allowed.
type edge struct {
	r       *Replay
	limits  []float64
	allowed float64
	// How many arrivals are replayed, so many more than there are calls that their own chance is small beside that of the calls: to know where a
	// rate ends up, and otherwise.
	whole, fine int
}

// The sides on which bounds lie.
const lower, upper = -1, 1

// place is the rate between two at which the predicted share is what is allowed, and by how much the logarithm of the share rises there with that
// of the rate.
func (e edge) place(low, high float64) (rate, steepness float64) {
	share := func(rate float64, n int) float64 { return e.r.Late(rate, e.limits, n).Share[0] }
	find := func(low, high, precision float64, n int) float64 {
		return greatest(low, high, precision, func(rate float64) bool { return share(rate, n) <= e.allowed })
	}
	rate = find(low, high, 1e-2, coarseReplay)
	rate = find(max(low, rate*0.9), min(high, rate*1.1), 1e-3, e.fine)
	const step = 0.02
	steepness = math.Log(share(rate*math.Exp(step), e.fine)/share(rate*math.Exp(-step), e.fine)) / (2 * step)
	if low < rate && rate < high && steepness > 0 {
		rate *= math.Exp(min(max(math.Log(e.allowed/share(rate, e.whole))/steepness, -step), step))
	}
	return rate, steepness
}

// point is what the share of late requests may be at a rate.
type point struct {
	rate, x     float64 // a second; its logarithm
	share, half float64 // at BoundLevel
}

// look replays at a rate, with so many arrivals for each part of the calls.
func (e edge) look(rate float64, n int) point {
	late := e.r.Late(rate, e.limits, e.whole)
	return point{rate, math.Log(rate), late.Share[0], e.r.half(BoundLevel, rate, e.limits, n, late.Noise[0])}
}

// open says by how much the share may still be on the wrong side of what is allowed: above it on the way to the lower bound, below it on the way to
// the upper one; on a logarithmic scale, on which it is nearly a line.
func (e edge) open(p point, side float64) float64 {
	most := max(p.share-side*p.half, e.allowed/10) // a share of nothing has no logarithm
	return -side * math.Log(most/e.allowed)
}

// bound is the rate between a point and the end of the range at which the share's own bound is what is allowed; the end where that comes nowhere.
func (e edge) bound(near point, steepness, end, side float64) float64 {
	last := math.Log(end)
	atEnd := func(p point) bool { return (last-p.x)*side < 1e-6 }
	if atEnd(near) {
		return end
	}
	if e.open(near, side) <= 0 {
		return near.rate
	}
	step := 0.1
	if steepness > 0 {
		step = min(max(1.05*e.open(near, side)/steepness, fineBound), 0.5)
	}
	far := e.look(math.Exp(near.x+side*min(step, (last-near.x)*side)), e.fine)
	for ; e.open(far, side) > 0; near, far = far, e.look(math.Exp(far.x+side*min(step, (last-far.x)*side)), e.fine) {
		if atEnd(far) {
			return end
		}
		// On by the line through the two, a little further than it says and at most four times as far.
		gained := max(e.open(near, side)-e.open(far, side), 1e-9)
		step = min(max(1.05*step*e.open(far, side)/gained, fineBound), 4*step)
	}
	for {
		a, b := e.open(near, side), e.open(far, side)
		x := near.x + (far.x-near.x)*a/(a-b)
		if math.Abs(x-near.x) < fineBound || math.Abs(x-far.x) < fineBound {
			return math.Exp(x)
		}
		if p := e.look(math.Exp(x), e.fine); e.open(p, side) > 0 {
			near = p
		} else {
			far = p
		}
	}
}

// greatest returns the highest value between two, to a relative precision, of which ok says yes; low where none is.
func greatest(low, high, precision float64, ok func(float64) bool) float64 {
	if !ok(low) {
		return low
	}
	if ok(high) {
		return high
	}
	for high/low > 1+precision {
		if mid := math.Sqrt(low * high); ok(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}
