package quantize

import (
	"fmt"
	"math"

	"assay/backend"
	"assay/check"
	"assay/tensor"
)

// Fidelity is how near a quantized model's outputs are to the original's, over the examples compared. Where a model has several outputs,
// the figures are those of the one with the lowest signal to noise ratio.
type Fidelity struct {
	Output    string           `json:"output,omitempty"`
	SQNR      *float64         `json:"sqnr_db,omitempty"` // signal to quantization noise, decibels; absent where there is no noise
	Cosine    *float64         `json:"cosine,omitempty"`
	MaxAbs    float64          `json:"max_abs"`
	Agreement *float64         `json:"agreement,omitempty"` // share of equal predictions; see check.Accumulator
	Examples  int              `json:"examples"`
	Generated bool             `json:"generated,omitempty"` // the examples are not the user's but made from the model's input types
	NonFinite int64            `json:"nonfinite,omitempty"` // elements that are NaN or infinite in both models, and in no figure
	Outputs   []OutputFidelity `json:"outputs,omitempty"`
}

// OutputFidelity is that of one output. Figures that are not defined are absent.
type OutputFidelity struct {
	Name      string   `json:"name"`
	SQNR      *float64 `json:"sqnr_db,omitempty"`
	Cosine    *float64 `json:"cosine,omitempty"`
	MaxAbs    float64  `json:"max_abs"`
	Agreement *float64 `json:"agreement,omitempty"`
	Identical bool     `json:"identical"`
}

// comparison adds up over examples, each output for itself.
type comparison struct {
	outputs  []backend.ValueInfo
	sums     []check.Accumulator
	examples int
}

func newComparison(outputs []backend.ValueInfo) *comparison {
	return &comparison{outputs: outputs, sums: make([]check.Accumulator, len(outputs))}
}

// add takes one example's outputs of the original and of the quantized model, both in the original's order. Sequences and maps are left out.
func (c *comparison) add(want, got []tensor.Value) error {
	for i := range c.outputs {
		if want[i].Tensor == nil || got[i].Tensor == nil {
			continue
		}
		if err := c.sums[i].Add(want[i].Tensor, got[i].Tensor); err != nil {
			return fmt.Errorf("output %s: %w", c.outputs[i].Name, err)
		}
	}
	c.examples++
	return nil
}

// broken counts elements that are NaN or infinite in one of the two models alone.
func (c *comparison) broken() (n int64) {
	for i := range c.sums {
		n += c.sums[i].Result("").NonFinite
	}
	return n
}

func (c *comparison) fidelity() Fidelity {
	f := Fidelity{Examples: c.examples}
	for i, v := range c.outputs {
		d := c.sums[i].Result(v.Name)
		f.NonFinite += d.NonFiniteBoth
		if d.Elements == 0 {
			continue
		}
		o := OutputFidelity{Name: v.Name, Cosine: defined(d.Cosine), MaxAbs: d.MaxAbs, Agreement: defined(d.Agreement), Identical: d.Identical}
		if v.DType.IsFloat() {
			o.SQNR = defined(d.SQNR)
		}
		f.Outputs = append(f.Outputs, o)
		if f.Output == "" || lower(o, f) {
			f.Output, f.SQNR, f.Cosine, f.MaxAbs, f.Agreement = o.Name, o.SQNR, o.Cosine, o.MaxAbs, o.Agreement
		}
	}
	return f
}

// lower reports whether an output is further from the original than the one taken so far.
func lower(o OutputFidelity, f Fidelity) bool {
	switch {
	case o.SQNR == nil:
		return false
	case f.SQNR == nil:
		return true
	}
	return *o.SQNR < *f.SQNR
}

func defined(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
