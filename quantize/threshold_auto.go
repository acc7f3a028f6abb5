package quantize

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"assay/backend"
	"assay/onnx"
)

// comparedByAuto is on how many examples at most auto compares methods: the first ones.
const comparedByAuto = 32

// Calibrate runs the examples of a request with a backend of this process, and chooses ranges of tensors by the method asked for. path is the prepared
// graph that they are of.
func Calibrate(ctx context.Context, be backend.Backend, q Request, path string, tensors []string) (*CalibratedRanges, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s, err := newStatic(m, q.Options)
	if err != nil {
		return nil, err
	}
	q.dir, s.measure = filepath.Dir(path), tensors
	return s.calibrateHere(ctx, be, &q)
}

// CalibratedRanges are ranges, and how they came to be.
type CalibratedRanges struct {
	Ranges      Ranges      `json:"ranges"`
	Calibration Calibration `json:"calibration"`
}

// calibrateOn is calibrateHere, where the request says.
func (s *staticInt8) calibrateOn(ctx context.Context, be backend.Backend, q *Request) (*CalibratedRanges, error) {
	if err := q.Options.checkMethod(); err != nil {
		return nil, err
	}
	if q.Calibrate == nil {
		return s.calibrateHere(ctx, be, q)
	}
	path, remove, err := q.saveNear(s.model, "prepared.onnx")
	if err != nil {
		return nil, err
	}
	defer remove()
	found, err := q.Calibrate(ctx, q, path, s.measure)
	if err != nil {
		return nil, unloaded{err} // for all that is known of another process's errors
	}
	return found, nil
}

// calibrateHere runs the examples and chooses ranges by the method asked for.
func (s *staticInt8) calibrateHere(ctx context.Context, be backend.Backend, q *Request) (*CalibratedRanges, error) {
	q.trying("calibrate")
	method := cmp.Or(q.Options.Method, MethodMinMax)
	seen, err := q.calibrate(ctx, be, s.model, s.measure, method != MethodMinMax)
	if err != nil {
		return nil, err
	}
	c := Calibration{Method: method, Examples: seen.examples}
	if method == MethodMinMax {
		return &CalibratedRanges{seen.extremes, c}, nil
	}
	methods := []string{method}
	if method == MethodAuto {
		methods = Methods[:len(Methods)-1]
	}
	found := seen.candidates(methods, q.Options.Percentile, func(name string) (integerRange, bool) {
		symmetric := s.symmetric(name)
		return rangeOf(s.activationType(name), symmetric, false), symmetric
	})
	best := 0
	if method == MethodAuto {
		q.trying("compare calibration methods")
		if best, c.Tried, err = s.compare(ctx, be, q, found, seen.values()); err != nil {
			return nil, fmt.Errorf("compare calibration methods: %w", err)
		}
	}
	c.Method, c.Clipped = found[best].method, share(found[best].clipped, seen.values())
	return &CalibratedRanges{found[best].ranges, c}, nil
}

// values counts the values of all histograms.
func (c *calibration) values() (n int64) {
	for _, h := range c.histograms {
		if h != nil {
			n += h.count
		}
	}
	return n
}

func share(part, all int64) float64 { return float64(part) / float64(max(all, 1)) }

// compare quantizes the model with each candidate's ranges, and gives the one whose worst output is nearest to the original's on the first
// examples; the first of equals.
func (s *staticInt8) compare(ctx context.Context, be backend.Backend, q *Request, found []candidate, values int64) (best int, tried []MethodFidelity, err error) {
	dir, err := os.MkdirTemp("", "assay-methods")
	if err != nil {
		return 0, nil, err
	}
	defer os.RemoveAll(dir)
	base := filepath.Join(dir, "base.onnx")
	if err := s.model.SaveDraft(base, onnx.ExternalAuto); err != nil {
		return 0, nil, err
	}
	original, err := openOriginal(ctx, be, q.Model)
	if err != nil {
		return 0, nil, err
	}
	defer original.Close()
	made := make([]backend.Session, len(found))
	for i, c := range found {
		if k := sameRanges(found[:i], c); k < i {
			made[i] = made[k]
			continue
		}
		if made[i], err = openQuantized(ctx, be, base, q.Options, c.ranges, dir); err != nil {
			return 0, nil, fmt.Errorf("%s: %w", c.method, err)
		}
		defer made[i].Close()
	}
	sums, err := compareAll(ctx, original, made, q.Examples)
	if err != nil {
		return 0, nil, err
	}
	for i, c := range found {
		f := sums[i].fidelity()
		tried = append(tried, MethodFidelity{Method: c.method, SQNR: f.SQNR, Clipped: share(c.clipped, values)})
		if sums[i].broken() == 0 && (sums[best].broken() > 0 || nearer(f.SQNR, tried[best].SQNR)) {
			best = i
		}
	}
	return best, tried, nil
}

// sameRanges is the first of candidates with the ranges of c, their number where there is none.
func sameRanges(candidates []candidate, c candidate) int {
	for i := range candidates {
		if maps.Equal(candidates[i].ranges, c.ranges) {
			return i
		}
	}
	return len(candidates)
}

// nearer reports whether a signal to noise ratio is higher than another; nil is no noise.
func nearer(a, b *float64) bool { return b != nil && (a == nil || *a > *b) }

// openQuantized quantizes a prepared model with given ranges and loads it.
func openQuantized(ctx context.Context, be backend.Backend, base string, o Options, ranges Ranges, dir string) (backend.Session, error) {
	m, err := onnx.Open(base)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	j, err := newStatic(m, o)
	if err != nil {
		return nil, err
	}
	if err := newRewriter(j.selection, ranges).run(); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "candidate.onnx")
	if err := m.SaveDraft(path, onnx.ExternalAuto); err != nil {
		return nil, err
	}
	return openExact(ctx, be, path, dir, 0)
}

// compareAll runs the original and models made of it on the first examples. A session may be among the models more than once.
func compareAll(ctx context.Context, original backend.Session, made []backend.Session, examples Source) ([]*comparison, error) {
	sums := map[backend.Session]*comparison{}
	out := make([]*comparison, len(made))
	for i, m := range made {
		if sums[m] == nil {
			sums[m] = newComparison(original.Outputs())
		}
		out[i] = sums[m]
	}
	for i := range comparedByAuto {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		feeds, more, err := examples(original.Inputs(), i)
		if err != nil || !more {
			return out, err
		}
		want, err := original.Run(ctx, feeds)
		if err != nil {
			return nil, err
		}
		for k, m := range made {
			if k > 0 && slices.Contains(made[:k], m) {
				continue
			}
			got, err := m.Run(ctx, feeds)
			if err != nil {
				return nil, err
			}
			if err := sums[m].add(want, got); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
