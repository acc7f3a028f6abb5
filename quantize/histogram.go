package quantize

import "math"

// halfBins is the number of bins on each side of zero. At least half of them are in use on the side of the largest magnitude, so a histogram
// is never coarser than onnxruntime.quantization's of 2048 bins over both sides.
const (
	halfBinsLog = 11
	halfBins    = 1 << halfBinsLog
)

// smallestStep keeps a bin's inverse width a finite float32.
const smallestStep = -120

// histogram counts values in bins whose width is a power of two and of which one border is zero. Where a larger magnitude comes, the width
// doubles as often as needed, which joins bins in pairs; what bin a value ends up in depends on the largest magnitude of all alone, so counts
// are the same in whatever order and by whatever parts values were added. The memory is fixed.
type histogram struct {
	exponent  int                 // of the width: a bin is 2^exponent wide
	counts    [2 * halfBins]int64 // of magnitudes: those of values from zero up, then those of values below zero
	zeros     int64               // of those in the first bin
	count     int64
	low, high float32
}

// add counts finite values, of which low is the smallest and high the largest.
func (h *histogram) add(values []float32, low, high float32) {
	if len(values) == 0 {
		return
	}
	if h.count == 0 {
		h.low, h.high, h.exponent = low, high, smallestStep
	}
	h.low, h.high = min(h.low, low), max(h.high, high)
	h.widen(exponentFor(max(-h.low, h.high)))
	h.count += int64(len(values))
	inverse := float32(math.Ldexp(1, -h.exponent))
	zeros := 0
	for _, x := range values {
		// The product is exact, or too small to leave the first bin. There are no branches: which side a value is on cannot be foreseen.
		magnitude := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
		side, zero := 0, 0
		if x < 0 {
			side = halfBins
		}
		if x == 0 {
			zero = 1
		}
		zeros += zero
		h.counts[(int(magnitude*inverse)+side)&(2*halfBins-1)]++
	}
	h.zeros += int64(zeros)
}

// exponentFor is the width's at which a magnitude falls into the upper half of the bins.
func exponentFor(magnitude float32) int {
	_, e := math.Frexp(float64(magnitude))
	return max(e-halfBinsLog, smallestStep)
}

// widen joins bins until their width is 2^exponent.
func (h *histogram) widen(exponent int) {
	shift := exponent - h.exponent
	if shift <= 0 {
		return
	}
	h.exponent = exponent
	shift = min(shift, halfBinsLog+1) // by then all are in the first bin
	for side := 0; side < len(h.counts); side += halfBins {
		part := h.counts[side : side+halfBins]
		for i := 1; i < halfBins; i++ {
			n := part[i]
			part[i] = 0
			part[i>>shift] += n
		}
	}
}

// bins are counts between edges: counts[i] of values from edges[i] to edges[i+1]. low and high are the smallest and largest value.
type bins struct {
	edges     []float32
	counts    []int64
	low, high float32
}

// bins gives the counts of both sides, as many bins below zero as above, at most as many on each as asked for. Zeros count into the bin above.
func (h *histogram) bins(most int) bins {
	used, shift := h.used(), 0
	for (used-1)>>shift >= most {
		shift++
	}
	n := (used-1)>>shift + 1
	b := bins{counts: make([]int64, 2*n), edges: make([]float32, 2*n+1), low: h.low, high: h.high}
	for i := range used {
		b.counts[n-1-i>>shift] += h.counts[halfBins+i]
		b.counts[n+i>>shift] += h.counts[i]
	}
	for i := range b.edges {
		b.edges[i] = h.edge((i - n) << shift)
	}
	return b
}

// magnitudes gives the counts of magnitudes.
func (h *histogram) magnitudes() bins {
	n := h.used()
	b := bins{counts: make([]int64, n), edges: make([]float32, n+1), low: h.low, high: h.high}
	for i := range n {
		b.counts[i] = h.counts[i] + h.counts[halfBins+i]
	}
	for i := range b.edges {
		b.edges[i] = h.edge(i)
	}
	return b
}

// used is the number of bins up to the largest magnitude.
func (h *histogram) used() int {
	return int(max(-h.low, h.high)*float32(math.Ldexp(1, -h.exponent))) + 1
}

// edge is the border i bins from zero. The last may lie beyond the largest float32.
func (h *histogram) edge(i int) float32 {
	e := math.Ldexp(float64(i), h.exponent)
	return float32(min(max(e, -math.MaxFloat32), math.MaxFloat32))
}

// outside counts values below low or above high, by whole bins: exact where both are edges, or the extremes.
func (h *histogram) outside(low, high float32) (n int64) {
	for i := range halfBins {
		if low > h.low && h.edge(-i) <= low {
			n += h.counts[halfBins+i]
		}
		if high < h.high && h.edge(i) >= high {
			n += h.counts[i]
		}
	}
	return n
}
