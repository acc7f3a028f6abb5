package quantize

import "errors"

// The methods that choose a block's scale and zero point, without data.
const (
	WeightNearest = "rtn"    // the block's extremes: the reference's
	WeightKQuant  = "kquant" // weighted least squares over trial scales
)

// WeightMethods lists the methods there are.
var WeightMethods = []string{WeightNearest, WeightKQuant}

var errNotFinite = errors.New("it holds NaN or infinite values; it cannot be quantized")

// fitter chooses the grid of a block. It may be called concurrently.
type fitter func(f *blockFormat, values []float32) (grid, error)

// fitters are the methods by name.
var fitters = map[string]fitter{
	WeightNearest: (*blockFormat).nearest,
}
