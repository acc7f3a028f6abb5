package quantize

import (
	"errors"
	"math"
)

// The methods that choose a block's scale and zero point, without data.
const (
	WeightNearest = "rtn"    // the block's extremes: the reference's
	WeightKQuant  = "kquant" // weighted least squares over trial scales
)

// WeightMethods lists the methods there are.
var WeightMethods = []string{WeightNearest, WeightKQuant}

var errNotFinite = errors.New("it holds NaN or infinite values; it cannot be quantized")

// fitter chooses the grid of a block. choose may be called concurrently.
type fitter struct {
	choose func(f *blockFormat, values []float32) (grid, error)
	inC    bool // there are kernels for it
	kquant bool // it is kquant
}

// fitters are the methods by name.
var fitters = map[string]*fitter{
	WeightNearest: {choose: (*blockFormat).nearest, inC: true},
	WeightKQuant:  {choose: (*blockFormat).kquant, inC: true, kquant: true},
}

// Trial scales of kquant: so many, this far apart, in units of the code farthest from zero.
const (
	trials    = 20
	trialStep = 0.1
	widest    = 256 // values a block
)

// kquant tries scales around that of the extremes, fits scale and zero point to the codes of each by least squares, and keeps the grid whose
// codes come nearest to the values. Large values count for more: a value's weight is its magnitude plus the block's root mean square. The
// scheme is that of k-quants in ggml-org/llama.cpp (ggml/src/ggml-quants.c, make_qkx2_quants), with two changes: zero points are whole, and a trial
// is judged by the codes that will be stored, so that the result is never worse than that of the extremes by this measure.
func (f *blockFormat) kquant(values []float32) (grid, error) {
	best, err := f.nearest(values)
	if err != nil || best.scale == 0 {
		return best, err
	}
	var k kquantBlock
	k.start(f, values)
	least := k.error(best)
	low, high, _ := extend(values, 0, 0)
	far := values[0]
	for _, x := range values {
		if math.Abs(float64(x)) > math.Abs(float64(far)) {
			far = x
		}
	}
	for i := range trials {
		g := grid{zero: f.middle()}
		nudge := float32(i-trials/2) * trialStep
		if f.symmetric {
			g.scale = far / -(float32(f.middle()) + nudge)
		} else {
			g.scale = (high - low) / (float32(f.top()) + nudge)
			g.zero = f.zeroPoint(low, g.scale)
		}
		for range 2 { // codes, then the grid that fits them best, then its codes
			if g = k.refit(g); g.scale == 0 || math.IsInf(1/float64(g.scale), 0) {
				break
			}
			if e := k.error(g); e < least {
				best, least = g, e
			}
		}
	}
	return best, nil
}

// kquantBlock is a block at work. Products are rounded before they are added, so that all processors give the same bits.
type kquantBlock struct {
	format  *blockFormat
	values  []float32
	weights [widest]float64
	codes   [widest]byte
}

func (k *kquantBlock) start(f *blockFormat, values []float32) {
	k.format, k.values = f, values
	var squares float64
	for _, x := range values {
		squares += float64(float64(x) * float64(x))
	}
	rms := math.Sqrt(squares / float64(len(values)))
	for i, x := range values {
		k.weights[i] = rms + math.Abs(float64(x))
	}
}

// error is the weighted squared error of a grid's codes.
func (k *kquantBlock) error(g grid) (sum float64) {
	k.format.codes(k.codes[:len(k.values)], k.values, g)
	for i, x := range k.values {
		d := float64(float64(int32(k.codes[i])-g.zero)*float64(g.scale)) - float64(x)
		sum += float64(k.weights[i] * d * d)
	}
	return sum
}

// refit gives the grid with the least error for the codes that values have in g.
func (k *kquantBlock) refit(g grid) grid {
	k.format.codes(k.codes[:len(k.values)], k.values, g)
	var w, x, l, ll, lx float64 // sums of weights, and of weighted values, codes and their products
	for i, v := range k.values {
		a, code := k.weights[i], float64(k.codes[i])
		w += a
		x += float64(a * float64(v))
		l += float64(a * code)
		ll += float64(a * code * code)
		lx += float64(a * code * float64(v))
	}
	if !k.format.symmetric {
		det := float64(w*ll) - float64(l*l)
		if scale := (float64(w*lx) - float64(x*l)) / det; scale > 0 && !math.IsInf(scale, 0) {
			least := (float64(ll*x) - float64(l*lx)) / det // the value of code 0
			g.zero = int32(min(max(math.Round(-least/scale), 0), float64(k.format.top())))
		}
	}
	zero := float64(g.zero)
	below := ll - float64(2*zero*l) + float64(zero*zero*w)
	if below <= 0 {
		return grid{}
	}
	g.scale = float32((lx - float64(zero*x)) / below)
	return g
}
