package quantize

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"

	"assay/backend"
	"assay/tensor"
)

// UnitScore is what quantizing one unit does to the model's outputs. Of several outputs each figure is that of the worst. Figures that are
// not defined are absent.
type UnitScore struct {
	Unit
	Output    string   `json:"output,omitempty"`         // with the lowest signal to noise ratio
	SQNR      *float64 `json:"sqnr_db,omitempty"`        // of that float output, decibels; absent where there is no noise
	Pooled    *float64 `json:"pooled_sqnr_db,omitempty"` // of the mean noise to signal ratio of all float outputs, each counted alike
	Cosine    *float64 `json:"cosine,omitempty"`
	Agreement *float64 `json:"agreement,omitempty"` // share of equal predictions, of float and of integer outputs; see check.Accumulator
	KL        *float64 `json:"kl_nats,omitempty"`   // mean divergence of the predicted distributions from the float model's; see klMean
	NonFinite int64    `json:"nonfinite,omitempty"` // elements that are NaN or infinite in one of the two models alone
	Identical bool     `json:"identical"`
}

// order is small for what costs much: by the worst output's signal to noise ratio. Without noise in float outputs, integers tell.
func (u *UnitScore) order() float64 {
	switch {
	case u.NonFinite > 0:
		return math.Inf(-1)
	case u.SQNR != nil:
		return *u.SQNR
	case u.Agreement != nil && *u.Agreement < 1:
		return math.MaxFloat64 / 2 * (1 + *u.Agreement) // after every ratio in decibels
	}
	return math.Inf(1)
}

// text says a unit's name and what it costs.
func (u *UnitScore) text() string {
	switch {
	case u.NonFinite > 0:
		return u.Name + " with NaN or infinite outputs"
	case u.SQNR == nil:
		return u.Name + " without a difference"
	}
	return fmt.Sprintf("%s at %.1f dB", u.Name, *u.SQNR)
}

// unitComparison adds up over examples what a unit does to the outputs.
type unitComparison struct {
	*comparison
	divergences []klMean
}

func newUnitComparison(outputs []backend.ValueInfo) *unitComparison {
	return &unitComparison{newComparison(outputs), make([]klMean, len(outputs))}
}

func (c *unitComparison) add(want, got []tensor.Value) error {
	if err := c.comparison.add(want, got); err != nil {
		return err
	}
	for i := range c.outputs {
		c.divergences[i].add(want[i].Tensor, got[i].Tensor)
	}
	return nil
}

func (c *unitComparison) score(u Unit) *UnitScore {
	s := &UnitScore{Unit: u, NonFinite: c.broken(), Identical: true}
	var noise float64
	var floats int
	lowest := func(at **float64, v float64) bool {
		if p := defined(v); p != nil && (*at == nil || *p < **at) {
			*at = p
			return true
		}
		return false
	}
	for i, v := range c.outputs {
		d := c.sums[i].Result(v.Name)
		if d.Elements == 0 {
			continue
		}
		s.Identical = s.Identical && d.Identical
		lowest(&s.Agreement, d.Agreement)
		if !v.DType.IsFloat() {
			continue
		}
		lowest(&s.Cosine, d.Cosine)
		if lowest(&s.SQNR, d.SQNR) {
			s.Output = v.Name
		}
		floats++
		noise += math.Pow(10, -d.SQNR/10)
		if kl := c.divergences[i].mean(); kl != nil && (s.KL == nil || *kl > *s.KL) {
			s.KL = kl
		}
	}
	if floats > 0 {
		s.Pooled = defined(-10 * math.Log10(noise/float64(floats)))
	}
	return s
}

// klMean is the mean Kullback-Leibler divergence, in nats, of what a float output predicts along its last axis from what the float model
// predicts: sum of p log(p/q). Rows that are no distributions are taken as logits, whose softmax is. It says something of classifiers and
// language models only; an output of one row of one number, or of a rank above 3, as of an image, has none.
type klMean struct {
	sum  float64
	rows int
}

func (d *klMean) add(want, got *tensor.Tensor) {
	if want == nil || got == nil || len(want.Shape) < 2 || len(want.Shape) > 3 || want.Shape[len(want.Shape)-1] < 2 {
		return
	}
	p, q := floatsOf(want), floatsOf(got)
	width := int(want.Shape[len(want.Shape)-1])
	if len(p) != len(q) {
		return
	}
	for at := 0; at+width <= len(p); at += width {
		x, y := p[at:at+width], q[at:at+width]
		if kl := rowDivergence(x, y); !math.IsNaN(kl) && !math.IsInf(kl, 0) {
			d.sum += kl
			d.rows++
		}
	}
}

func (d *klMean) mean() *float64 {
	if d.rows == 0 {
		return nil
	}
	return defined(d.sum / float64(d.rows))
}

// rowDivergence is that of y from x. It takes both as logits or both as distributions, as x is.
func rowDivergence(x, y []float64) float64 {
	if !isDistribution(x) {
		logX, logY, kl := logSum(x), logSum(y), 0.0
		for i := range x {
			kl += math.Exp(x[i]-logX) * ((x[i] - logX) - (y[i] - logY))
		}
		return max(kl, 0)
	}
	const tiny = 1e-12 // what 8 bits took to 0 was unlikely, not impossible
	total := 0.0
	for _, v := range y {
		total += max(v, tiny)
	}
	kl := 0.0
	for i := range x {
		if x[i] > 0 {
			kl += x[i] * math.Log(x[i]*total/max(y[i], tiny))
		}
	}
	return max(kl, 0)
}

func isDistribution(v []float64) bool {
	total := 0.0
	for _, x := range v {
		if x < 0 {
			return false
		}
		total += x
	}
	return math.Abs(total-1) < 1e-2
}

// logSum is the logarithm of the sum of exponentials.
func logSum(v []float64) float64 {
	top := math.Inf(-1)
	for _, x := range v {
		top = max(top, x)
	}
	total := 0.0
	for _, x := range v {
		total += math.Exp(x - top)
	}
	return top + math.Log(total)
}

// floatsOf reads float32 and float16 numbers, nil of other types.
func floatsOf(t *tensor.Tensor) []float64 {
	var out []float64
	switch t.DType {
	case tensor.Float32:
		for i := 0; i+4 <= len(t.Data); i += 4 {
			out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[i:]))))
		}
	case tensor.Float16:
		for i := 0; i+2 <= len(t.Data); i += 2 {
			out = append(out, float64(float16.Frombits(binary.LittleEndian.Uint16(t.Data[i:])).Float32()))
		}
	}
	return out
}

// reference gives the float model's outputs. They are kept while they are small, and otherwise computed again for every unit.
type reference struct {
	session  backend.Session
	examples Source
	kept     [][]tensor.Value // of the first examples
	bytes    int64            // of kept
}

// keptOutputs is how many bytes of outputs are kept at most.
const keptOutputs = 64 << 20

// of gives example i and the outputs that it has in the float model, and false past the last.
func (r *reference) of(ctx context.Context, i int) (feeds, outputs []tensor.Value, more bool, err error) {
	feeds, more, err = r.examples(r.session.Inputs(), i)
	if err != nil || !more {
		return nil, nil, more, err
	}
	if i < len(r.kept) {
		return feeds, r.kept[i], true, nil
	}
	if outputs, err = r.session.Run(ctx, feeds); err != nil {
		return nil, nil, false, err
	}
	var size int64
	for _, v := range outputs {
		if v.Tensor != nil {
			size += int64(len(v.Tensor.Data))
		}
	}
	if i == len(r.kept) && r.bytes+size <= keptOutputs {
		r.kept, r.bytes = append(r.kept, outputs), r.bytes+size
	}
	return feeds, outputs, true, nil
}
