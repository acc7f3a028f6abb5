package quantize

import (
	"context"
	"fmt"
	"math"
	"slices"

	"assay/backend"
	"assay/tensor"
)

// levelGap is by how many dB an output may be further from the original's at one level than at others, where it is far off at all: levels fuse
// differently, which moves a result that is good by a little.
const levelGap = 20

// mostAtLevel is on how many examples a level below the highest is run at most.
const mostAtLevel = 2

// tryLevel compares a session's outputs with the original's on one example, and on more where that one finds them far off: one example decides
// little where outputs jump.
func (t *Trial) tryLevel(ctx context.Context, s backend.Session) (*comparison, error) {
	c := newComparison(t.truth.outputs)
	for i := range min(len(t.truth.kept.examples), mostAtLevel) {
		if i > 0 && !c.faint() {
			break
		}
		feeds, want, err := t.example(i)
		if err != nil {
			return nil, err
		}
		got, err := s.Run(ctx, fitted(feeds, s.Inputs()))
		if err != nil {
			return nil, fmt.Errorf("run it: %w", err)
		}
		for k := range got { // a shape that depends on values says nothing of them
			if want[k].Tensor != nil && got[k].Tensor != nil && !slices.Equal(want[k].Tensor.Shape, got[k].Tensor.Shape) {
				got[k] = tensor.Value{}
			}
		}
		if err := c.add(want, got); err != nil {
			return nil, err
		}
		if n := c.broken(); n > 0 {
			return nil, fmt.Errorf("%d elements of its outputs are NaN or infinite that are finite in the original's, or the other way round; keep what leads there in float with --exclude", n)
		}
	}
	return c, nil
}

// example gives an example and the original's outputs on it.
func (t *Trial) example(i int) (feeds, want []tensor.Value, err error) {
	t.drawing.Lock()
	defer t.drawing.Unlock()
	if feeds, _, err = t.examples(t.truth.inputs, i); err != nil {
		return nil, nil, err
	}
	want, err = t.truth.kept.example(i)
	return feeds, want, err
}

// decibels is the signal to noise ratio of an output: infinite where nothing differs, NaN where nothing can be said.
func (c *comparison) decibels(output int) float64 {
	d := c.sums[output].Result("")
	if d.Elements == 0 || !c.outputs[output].DType.IsFloat() || math.IsInf(d.SQNR, -1) {
		return math.NaN()
	}
	return d.SQNR
}

// faint says whether an output is far from the original's.
func (c *comparison) faint() bool {
	for k := range c.outputs {
		if c.decibels(k) < faintSQNR {
			return true
		}
	}
	return false
}

// refuseLevels refuses a model that computes something else at one level than at others. lower are of the levels below the highest, in their order;
// highest is as this processor computes, and exact where 8-bit products do not saturate.
func refuseLevels(lower []*comparison, highest, exact *comparison) error {
	for k, o := range highest.outputs {
		best, where := math.Inf(-1), ""
		for i, c := range lower {
			db := c.decibels(k)
			if err := farOff(o.Name, db, Levels[i], highest.decibels(k), Levels[len(Levels)-1]); err != nil {
				return err
			}
			if db > best {
				best, where = db, Levels[i]
			}
		}
		if err := farOff(o.Name, exact.decibels(k), Levels[len(Levels)-1], best, where); err != nil {
			return err
		}
	}
	return nil
}

// farOff is an error where an output is far from the original's at a level, and far nearer at another.
func farOff(output string, db float64, level string, other float64, at string) error {
	if !(db < faintSQNR && other-db > levelGap) {
		return nil
	}
	text := fmt.Sprintf("%.1f dB", other)
	if math.IsInf(other, 1) {
		text = "equal to it"
	}
	return fmt.Errorf("at optimisation level %s: output %s is at %.1f dB beside the original's, and at level %s %s; keep what leads there in float with --exclude",
		level, output, db, at, text)
}
