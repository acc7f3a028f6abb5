package quantize

import (
	"fmt"
	"slices"
	"strings"
)

// The calibration methods: how an activation's range comes from the values that were seen of it.
const (
	MethodMinMax     = "minmax"     // the smallest and the largest value
	MethodPercentile = "percentile" // without the most extreme share of values
	MethodEntropy    = "entropy"    // of the smallest Kullback-Leibler divergence
	MethodMSE        = "mse"        // of the smallest mean squared error of the quantized values
	MethodAuto       = "auto"       // that of the four with which the model's outputs are nearest to the original's
)

// Methods lists the calibration methods.
var Methods = []string{MethodMinMax, MethodPercentile, MethodEntropy, MethodMSE, MethodAuto}

// DefaultPercentile is onnxruntime.quantization's: one value of 100,000 is cut, half of it on either side.
const DefaultPercentile = 99.999

const (
	// entropyLevels is the number of levels that entropy compares a histogram with: those of 8 bits.
	entropyLevels = 256
	// entropyBins is the number of bins on either side that entropy looks at; its time grows with the square.
	entropyBins = 1024
)

// checkMethod refuses a method that is not there and a percentile that leaves nothing. "" is minmax, and a percentile of 0 the default.
func (o *Options) checkMethod() error {
	if o.Method != "" && !slices.Contains(Methods, o.Method) {
		return fmt.Errorf("calibration method %q is not there; use %s", o.Method, strings.Join(Methods, ", "))
	}
	if o.Percentile != 0 && !(o.Percentile > 50 && o.Percentile <= 100) {
		return fmt.Errorf("percentile %v: want more than 50 and at most 100", o.Percentile)
	}
	return nil
}

// candidate is what one method makes of a calibration run.
type candidate struct {
	method  string
	ranges  Ranges
	clipped int64 // values outside their tensor's range, over all examples
}

// candidates gives the ranges of the methods asked for, by tensor.
func (c *calibration) candidates(methods []string, percentile float64, kind func(name string) (integerRange, bool)) []candidate {
	if percentile == 0 {
		percentile = DefaultPercentile
	}
	out := make([]candidate, len(methods))
	for i, method := range methods {
		out[i] = candidate{method: method, ranges: Ranges{}}
	}
	found := make([][][2]float32, len(c.tensors))
	parallel(len(c.tensors), 1, func(from, to int) {
		for i := from; i < to; i++ {
			if h := c.histograms[i]; h != nil && h.count > 0 {
				levels, symmetric := kind(c.tensors[i])
				found[i] = h.ranges(methods, percentile, levels, symmetric)
			}
		}
	})
	for i, ranges := range found {
		for k, r := range ranges {
			out[k].ranges[c.tensors[i]] = r
			out[k].clipped += c.histograms[i].outside(r[0], r[1])
		}
	}
	return out
}

// ranges applies methods to one tensor.
func (h *histogram) ranges(methods []string, percentile float64, levels integerRange, symmetric bool) [][2]float32 {
	out := make([][2]float32, len(methods))
	for i, method := range methods {
		switch {
		case method == MethodPercentile && symmetric:
			out[i] = percentileOfMagnitudes(h.magnitudes(), percentile)
		case method == MethodPercentile:
			out[i] = percentileOf(h.bins(halfBins), percentile)
		case method == MethodEntropy:
			out[i] = entropyOf(h.bins(entropyBins), entropyLevels)
		case method == MethodMSE:
			out[i] = leastSquaresOf(h, levels, symmetric)
		default:
			out[i] = [2]float32{h.low, h.high}
		}
		if out[i][0] > out[i][1] { // all values are in one bin, and the range is one of its edges
			out[i] = [2]float32{h.low, h.high}
		}
	}
	return out
}

// percentileOf cuts (100-p)/2 percent of the values on each side, as onnxruntime.quantization does where the range is not symmetric
// (microsoft/onnxruntime, python/tools/quantization/calibrate.py).
func percentileOf(b bins, p float64) [2]float32 {
	cut := (100 - p) / 200
	return b.within(b.edges[b.reaching(cut)], b.edges[b.reaching(1-cut)])
}

// percentileOfMagnitudes cuts the largest magnitudes, from a histogram of magnitudes: onnxruntime.quantization's symmetric percentile.
func percentileOfMagnitudes(b bins, p float64) [2]float32 {
	edge := b.edges[b.reaching(p/100)]
	return b.within(-edge, edge)
}

// reaching is the first bin with which at least a share of all values is counted, the number of bins where rounding keeps the sum below it.
func (b bins) reaching(share float64) int {
	var total int64
	for _, n := range b.counts {
		total += n
	}
	sum := 0.0
	for i, n := range b.counts {
		if sum += float64(n) / float64(total); sum >= share {
			return i
		}
	}
	return len(b.counts)
}

// within narrows a range to the smallest and largest value.
func (b bins) within(low, high float32) [2]float32 {
	return [2]float32{max(low, b.low), min(high, b.high)}
}
