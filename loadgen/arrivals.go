package loadgen

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Arrivals describes when the requests of an open load are due: a process of unit rate, drawn from a seed and then stretched by the rate.
// Two rates of one seed therefore see the same pattern of bursts. Equal descriptions give equal schedules on every machine.
type Arrivals struct {
	Process   string  // "constant", "poisson" ("" too) or "gamma"
	Shape     float64 // of gamma: the coefficient of variation of gaps is 1 over its square root; 1 is Poisson, less is burstier
	Rate      float64 // requests per second, of which the profile's numbers are multiples
	Profile   Profile // how the rate changes within measure
	Seed      uint64
	Normalize bool // stretch measure's arrivals so that it holds exactly as many requests as its rate asks for
}

// ParseArrivals reads "poisson", "constant" or "gamma:SHAPE".
func ParseArrivals(text string) (process string, shape float64, err error) {
	kind, arg, hasArg := strings.Cut(text, ":")
	switch kind {
	case "", "poisson", "constant":
		if hasArg {
			return "", 0, fmt.Errorf("arrivals %q take no argument", kind)
		}
		return kind, 0, nil
	case "gamma":
		shape, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(shape > 0) || math.IsInf(shape, 0) {
			return "", 0, fmt.Errorf("arrivals %q: gamma needs a shape greater than zero, such as gamma:0.5", text)
		}
		return kind, shape, nil
	}
	return "", 0, fmt.Errorf("arrivals %q are not known; use poisson, constant or gamma:SHAPE", text)
}

// Schedule lists the instants of warm-up, at the rate that measure begins with, and of measure.
func (a Arrivals) Schedule(warmup, measure time.Duration) (Schedule, error) {
	n, err := expected(a.Rate, warmup+measure)
	if err != nil {
		return nil, err
	}
	pieces, err := a.Profile.pieces(a.Rate, warmup, measure)
	if err != nil {
		return nil, err
	}
	next, err := a.unit()
	if err != nil {
		return nil, err
	}
	s := make(Schedule, 0, int(n+4*math.Sqrt(n))+16)
	if a.Normalize {
		from := integrated(pieces, float64(warmup))
		within := integrated(pieces, float64(warmup+measure)) - from
		if within > maxScheduled {
			return nil, fmt.Errorf("the rate asks for more than %d requests; lower it or the duration", maxScheduled)
		}
		next = normalized(next, from, within)
	}
	walk := walker{pieces: pieces}
	for {
		at, ok := walk.at(next())
		due := int64(math.Round(at))
		if !ok || due >= int64(warmup+measure) {
			break
		}
		if len(s) == maxScheduled {
			return nil, fmt.Errorf("the rate asks for more than %d requests; lower it or the duration", maxScheduled)
		}
		s = append(s, due)
	}
	return s, nil
}

// unit returns a function that gives the next arrival of the process at unit rate.
func (a Arrivals) unit() (func() float64, error) {
	rng := rand.New(rand.NewPCG(a.Seed, 0x6172726976616c73)) // "arrivals"
	at := 0.0
	switch a.Process {
	case "constant":
		i := -1.0
		return func() float64 { i++; return i }, nil
	case "", "poisson":
		return func() float64 { at += exponential(rng); return at }, nil
	case "gamma":
		if !(a.Shape > 0) || math.IsInf(a.Shape, 0) {
			return nil, fmt.Errorf("gamma arrivals need a shape greater than zero, not %v", a.Shape)
		}
		return func() float64 { at += gamma(rng, a.Shape) / a.Shape; return at }, nil
	}
	return nil, fmt.Errorf("arrivals %q are not known; use poisson, constant or gamma", a.Process)
}

// normalized draws arrivals at unit rate such that as many as measure's integrated rate, rounded, lie between from, where measure begins, and
// from + area; the last of them at the place that it has in an evenly spaced schedule. What was a Poisson process is then slightly less dispersed
// than one. What lies before from stays.
func normalized(next func() float64, from, area float64) func() float64 {
	want := int(math.Round(area))
	var before, within []float64
	for len(within) < want {
		if u := next(); u < from {
			before = append(before, u)
		} else {
			within = append(within, u)
		}
	}
	if want > 0 && within[want-1] > from {
		scale := area * (float64(want) - 0.5) / float64(want) / (within[want-1] - from)
		for i, u := range within {
			within[i] = from + float64((u-from)*scale)
		}
	}
	all, i := append(before, within...), -1
	return func() float64 {
		if i++; i < len(all) {
			return all[i]
		}
		return math.Inf(1)
	}
}

// exponential draws from the exponential distribution of mean 1.
func exponential(rng *rand.Rand) float64 { return -logarithm(1 - rng.Float64()) }

// gamma draws from the gamma distribution of the given shape and scale 1, by Marsaglia and Tsang (ACM Transactions on Mathematical Software
// 26, 2000); below a shape of 1 by their boost, whose power is taken in logarithms.
func gamma(rng *rand.Rand, shape float64) float64 {
	boost := 1.0
	if shape < 1 {
		boost = power(1-rng.Float64(), 1/shape)
		shape++
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := normal(rng)
		v := 1 + float64(c*x)
		if v <= 0 {
			continue
		}
		v = float64(v*v) * v
		u := 1 - rng.Float64()
		if logarithm(u) < float64(0.5*float64(x*x))+d-float64(d*v)+float64(d*logarithm(v)) {
			return d * v * boost
		}
	}
}

// normal draws from the standard normal distribution by Marsaglia's polar method.
func normal(rng *rand.Rand) float64 {
	for {
		x, y := float64(2*rng.Float64())-1, float64(2*rng.Float64())-1
		if s := float64(x*x) + float64(y*y); s > 0 && s < 1 {
			return x * math.Sqrt(-2*logarithm(s)/s)
		}
	}
}

// The logarithm and the exponential function are written out here, with every product rounded by itself: package math uses assembly on some
// processors and lets compilers fuse operations on others, so that a schedule would differ between machines in the last bit.

// ln2 in two parts, the first exact in few bits, so that its multiples are exact.
const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// logarithm is the natural logarithm of a finite x > 0, to about 1e-16 of its size: ln m = 2 artanh((m-1)/(m+1)) for a mantissa near 1.
func logarithm(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	z := (m - 1) / (m + 1)
	w := float64(z * z)
	sum := 0.0
	for k := 21; k >= 1; k -= 2 {
		sum = float64(sum*w) + 1/float64(k)
	}
	return float64(float64(e)*ln2High) + (float64(2*float64(z*sum)) + float64(float64(e)*ln2Low))
}

// power is x to the y for 0 < x <= 1 and y > 0.
func power(x, y float64) float64 {
	l := float64(y * logarithm(x))
	if l < -745 {
		return 0
	}
	k := math.Floor(l/(ln2High+ln2Low) + 0.5)
	r := l - float64(k*ln2High) - float64(k*ln2Low)
	sum := 1.0
	for i := 18; i >= 1; i-- {
		sum = 1 + float64(float64(sum*r)/float64(i))
	}
	return math.Ldexp(sum, int(k))
}

// Profile is how the rate of a load changes within measure. The zero value leaves it constant.
type Profile struct {
	steps     []float64 // multiples of the rate that last equally long; for a ramp its two ends
	ramp      bool
	amplitude float64 // of a sine around the rate
	period    time.Duration
}

// ParseProfile reads "ramp:FROM..TO" (multiples of the rate at measure's ends), "steps:A,B,C" (multiples that last equally long) or
// "sine:AMPLITUDE@PERIOD" (an amplitude of at most 1 of the rate). "" is a constant rate.
func ParseProfile(text string) (Profile, error) {
	if text == "" {
		return Profile{}, nil
	}
	kind, arg, _ := strings.Cut(text, ":")
	var p Profile
	var err error
	switch kind {
	case "ramp":
		from, to, ok := strings.Cut(arg, "..")
		if !ok {
			return p, fmt.Errorf("rate profile %q: want ramp:FROM..TO, such as ramp:0.5..1.5", text)
		}
		p.ramp = true
		p.steps, err = multiples(from, to)
	case "steps":
		p.steps, err = multiples(strings.Split(arg, ",")...)
	case "sine":
		amplitude, period, ok := strings.Cut(arg, "@")
		if !ok {
			return p, fmt.Errorf("rate profile %q: want sine:AMPLITUDE@PERIOD, such as sine:0.5@10s", text)
		}
		var amplitudes []float64
		if amplitudes, err = multiples(amplitude); err == nil {
			p.amplitude = amplitudes[0]
			p.period, err = time.ParseDuration(period)
		}
		if err == nil && (p.amplitude > 1 || p.period < time.Millisecond) {
			err = errors.New("the amplitude is at most 1, the period at least 1ms")
		}
	default:
		return p, fmt.Errorf("rate profile %q is not known; use ramp:FROM..TO, steps:A,B,C or sine:AMPLITUDE@PERIOD", text)
	}
	if err != nil {
		return p, fmt.Errorf("rate profile %q: %w", text, err)
	}
	return p, nil
}

// multiples reads numbers of 0 or more, one of them more.
func multiples(words ...string) ([]float64, error) {
	out := make([]float64, len(words))
	sum := 0.0
	for i, w := range words {
		v, err := strconv.ParseFloat(strings.TrimSpace(w), 64)
		if err != nil || !(v >= 0) || v > 1e6 {
			return nil, fmt.Errorf("%q is no multiple of a rate; want a number of 0 or more", w)
		}
		out[i] = v
		sum += v
	}
	if sum == 0 {
		return nil, errors.New("the rate is 0 all the time")
	}
	return out, nil
}

// piece is a stretch of time in which the rate changes linearly.
type piece struct{ length, from, to float64 } // nanoseconds; requests per nanosecond

// sinePieces is how many linear pieces stand for a period of a sine.
const sinePieces = 64

// pieces lays a profile over measure, behind a warm-up at the rate that it begins with.
func (p Profile) pieces(rate float64, warmup, measure time.Duration) ([]piece, error) {
	rate /= 1e9
	level := func(length, from, to float64) piece { return piece{length, float64(from * rate), float64(to * rate)} }
	var out []piece
	switch {
	case p.ramp:
		out = append(out, level(float64(measure), p.steps[0], p.steps[1]))
	case len(p.steps) > 0:
		for _, s := range p.steps {
			out = append(out, level(float64(measure)/float64(len(p.steps)), s, s))
		}
	case p.period > 0:
		if measure/p.period > 1<<20 {
			return nil, fmt.Errorf("a period of %v repeats too often in %v", p.period, measure)
		}
		wave := func(i int) float64 { // rounded, so that it is the same everywhere
			return 1 + float64(p.amplitude*(math.Round(1e9*math.Sin(2*math.Pi*float64(i%sinePieces)/sinePieces))/1e9))
		}
		for i := range int(float64(measure)/float64(p.period)*sinePieces) + 1 {
			out = append(out, level(float64(p.period)/sinePieces, wave(i), wave(i+1)))
		}
	default:
		out = append(out, level(float64(measure), 1, 1))
	}
	first := out[0].from / rate
	if warmup > 0 {
		out = append([]piece{level(float64(warmup), first, first)}, out...)
	}
	return out, nil
}

// integrated is how many requests pieces ask for up to an instant.
func integrated(pieces []piece, until float64) float64 {
	sum := 0.0
	for _, p := range pieces {
		t := max(0, min(p.length, until))
		sum += float64(p.from*t) + float64((p.to-p.from)*float64(t*t)/(2*p.length))
		until -= p.length
	}
	return sum
}

// MeanRate is the requests per second that are due in measure on average.
func (a Arrivals) MeanRate(measure time.Duration) float64 {
	pieces, err := a.Profile.pieces(a.Rate, 0, measure)
	if err != nil || measure <= 0 {
		return a.Rate
	}
	return integrated(pieces, float64(measure)) / measure.Seconds()
}

// walker maps arrivals at unit rate, ascending, to instants by inverting the integrated rate.
type walker struct {
	pieces []piece
	start  float64 // of the first piece left, nanoseconds
	area   float64 // integrated rate up to there
}

// at returns the instant in nanoseconds at which the integrated rate is unit, and false behind the last piece.
func (w *walker) at(unit float64) (float64, bool) {
	for len(w.pieces) > 0 {
		p := w.pieces[0]
		u := unit - w.area
		if area := float64(float64(p.length*(p.from+p.to)) / 2); u > area || p.from+p.to == 0 {
			w.area += area
			w.start += p.length
			w.pieces = w.pieces[1:]
			continue
		}
		if p.from == p.to {
			return w.start + float64(u/p.from), true
		}
		// from*t + (to-from)*t^2/(2*length) = u
		root := math.Sqrt(max(0, float64(p.from*p.from)+float64(2*float64((p.to-p.from)*u)/p.length)))
		if p.from+root == 0 {
			return w.start, true
		}
		return w.start + float64(2*u)/(p.from+root), true
	}
	return 0, false
}
