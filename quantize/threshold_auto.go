package quantize

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"assay/backend"
	"assay/onnx"
)

// comparedByAuto is on how many examples at most auto compares methods: the first ones.
const comparedByAuto = 32

// calibrateOn runs the examples and chooses ranges by the method asked for.
func (s *staticInt8) calibrateOn(ctx context.Context, be backend.Backend, q *Request, res *Result) error {
	if err := q.Options.checkMethod(); err != nil {
		return err
	}
	method := q.Options.Method
	if method == "" {
		method = MethodMinMax
	}
	begun := time.Now()
	defer func() { res.Seconds.Calibrate = time.Since(begun).Seconds() }()
	seen, err := q.calibrate(ctx, be, s.model, s.measure, method != MethodMinMax)
	if err != nil {
		return cmp.Or(s.checkConstants(), err) // what a bad weight leads to is seen first
	}
	res.ExamplesCount = seen.examples
	res.Calibration = &Calibration{Method: method, Examples: seen.examples}
	if method == MethodMinMax {
		s.ranges, res.Ranges = seen.extremes, seen.extremes
		return nil
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
		if best, res.Calibration.Tried, err = s.compare(ctx, be, q, found, seen.values()); err != nil {
			return fmt.Errorf("compare calibration methods: %w", err)
		}
	}
	res.Calibration.Method, res.Calibration.Clipped = found[best].method, share(found[best].clipped, seen.values())
	s.ranges, res.Ranges = found[best].ranges, found[best].ranges
	return nil
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
