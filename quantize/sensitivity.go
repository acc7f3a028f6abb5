package quantize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"assay/backend"
	"assay/onnx"
)

// Ranking says what each unit of a model costs in quality when it alone is quantized.
type Ranking struct {
	Model    string      `json:"model"`
	Scheme   string      `json:"scheme"`
	Units    []UnitScore `json:"units"`    // those that the scheme can quantize; the most sensitive first, equals in the order of the graph
	Examples int         `json:"examples"` // on which outputs were compared
	Seconds  float64     `json:"seconds"`
}

// scored is on how many examples units are compared at most: their order settles long before the last digits of their figures do, and each
// unit costs a run of every example.
const scored = 32

// Sensitivity ranks the units of a model by the error of its outputs when one of them is quantized, as q.Options say, in the otherwise
// float model; both are prepared alike. Nothing is written at q.Out. Ranges are computed once, for all units. Units are tried one after
// another, a session at a time, so memory holds the model twice and does not grow with units or examples; the disk holds two copies of
// the model. It takes about as long as running the examples once for each unit. The ranking is without the saturation of processors that
// have it (see Verification), so it is the same everywhere. An error leaves nothing behind.
//
// The errors of units do not simply add up: in the whole quantized model some cancel. Leaving the first of the ranking float brings outputs
// nearer to the original's where a few units stand out, as those with outliers do; where all cost about the same, it can take them further
// away by a decibel or two. So a model with units kept float is compared as any other, and the figures of both decide.
func Sensitivity(ctx context.Context, be backend.Backend, q Request) (*Ranking, error) {
	src, err := onnx.Open(q.Model)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if err := refuseQuantized(src); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "assay-sensitivity")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	m, err := prepared(ctx, q.looker(be), src, q.Options, dir)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", q.Model, ofTheModel(ctx, q.looker(be), src, err))
	}
	defer m.Close()
	float, err := saveFloat(m, dir)
	if err != nil {
		return nil, err
	}
	ranked, err := Rank(ctx, be, q, float)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", q.Model, err)
	}
	return &ranked.Ranking, nil
}

// Ranked is a ranking with what was computed for it.
type Ranked struct {
	Ranking    Ranking `json:"ranking"`
	Ranges     Ranges  `json:"ranges"`     // of all activations that some unit quantizes; nil for schemes that need none
	Examples   int     `json:"examples"`   // that ranges were computed on, 0 where they are given
	Calibrated float64 `json:"calibrated"` // how long that took, in seconds; part of the ranking's
}

// Rank ranks the units of the prepared graph at path: see Sensitivity.
func Rank(ctx context.Context, be backend.Backend, q Request, path string) (*Ranked, error) {
	switch {
	case q.Options.Scheme == SchemeFP16:
		return nil, errors.New("scheme fp16 changes whole graphs, so its units cannot be ranked; keep nodes float by name or type")
	case q.Examples == nil:
		return nil, errors.New("ranking units needs examples that their outputs are compared on")
	}
	dir, err := os.MkdirTemp("", "assay-sensitivity")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	units, err := unitsOf(path)
	if err != nil {
		return nil, err
	}
	q.Calibrate, q.dir = nil, filepath.Dir(path) // it is done here
	r := &ranker{be: be, q: &q, float: path, dir: dir, units: units}
	ranking, err := r.rank(ctx)
	if err != nil {
		return nil, err
	}
	return &Ranked{*ranking, r.ranges, r.seen.ExamplesCount, r.seen.Seconds.Calibrate}, nil
}

// saveFloat writes a prepared graph to a file of its own.
func saveFloat(m *onnx.Model, dir string) (path string, err error) {
	path = filepath.Join(dir, "float.onnx")
	return path, m.SaveDraft(path, onnx.ExternalAuto)
}

// unitsOf are the units of the prepared graph in a file.
func unitsOf(path string) ([]Unit, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	liftConstants(m)
	return Units(m), nil
}

// rankUnits ranks the units of a prepared model and has as many as Options.KeepFloat says, of those that cost the most, left float by what
// follows. Ranges that the ranking needed are not computed again.
func (q *Request) rankUnits(ctx context.Context, be backend.Backend, m *onnx.Model, dir string, res *Result) error {
	if q.Options.KeepFloat < 0 {
		return fmt.Errorf("%d units cannot be kept float; want a positive number", q.Options.KeepFloat)
	}
	float, err := saveFloat(m, dir)
	if err != nil {
		return err
	}
	ranked, err := q.ranked(ctx, be, float)
	if err != nil {
		return err
	}
	if n := len(ranked.Ranking.Units); n <= q.Options.KeepFloat {
		return fmt.Errorf("it has %d units that %s can quantize, so keeping %d float would leave none", n, q.Options.Scheme, q.Options.KeepFloat)
	}
	if err := q.keepFloat(float, ranked.Ranking.Units[:q.Options.KeepFloat]); err != nil {
		return err
	}
	res.Sensitivity, res.Seconds.Sensitivity = ranked.Ranking.Units, ranked.Ranking.Seconds-ranked.Calibrated
	res.Seconds.Calibrate, res.ExamplesCount = ranked.Calibrated, ranked.Examples
	if ranked.Ranges == nil {
		return nil
	}
	return jobOf(float, q.Options, func(_ *onnx.Model, j job) error {
		q.Ranges = rangesOf(j.(*staticInt8), ranked.Ranges)
		return nil
	})
}

// ranked is Rank, where the request says.
func (q *Request) ranked(ctx context.Context, be backend.Backend, path string) (*Ranked, error) {
	if q.RankUnits == nil {
		return Rank(ctx, be, *q, path)
	}
	found, err := q.RankUnits(ctx, q, path)
	if err != nil {
		return nil, unloaded{err} // for all that is known of another process's errors
	}
	return found, nil
}

// keepFloat leaves units of the prepared graph at path float, the most sensitive first.
func (q *Request) keepFloat(path string, worst []UnitScore) error {
	units, err := unitsOf(path)
	if err != nil {
		return err
	}
	q.Options.float = map[string]string{}
	for i, u := range worst {
		at := slices.IndexFunc(units, func(other Unit) bool { return other.Name == u.Name })
		for _, key := range units[at].keys {
			q.Options.float[key] = fmt.Sprintf("it is in unit %s, number %d in sensitivity", u.Name, i+1)
		}
	}
	return nil
}

// ranker tries the units of one model.
type ranker struct {
	be      backend.Backend
	q       *Request
	float   string // file of the prepared model
	dir     string // for those that are tried
	units   []Unit
	ranges  Ranges // of all activations that some unit quantizes; nil for schemes that need none
	seen    Result // what calibration noted
	outputs *reference
}

// jobOf opens a prepared model and makes a job of it.
func jobOf(path string, o Options, use func(*onnx.Model, job) error) error {
	m, err := onnx.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	j, err := newJob(m, o)
	if err != nil {
		return err
	}
	return use(m, j)
}

// alone are the options that quantize one unit.
func (r *ranker) alone(u *Unit) Options {
	o := r.q.Options
	o.float = map[string]string{}
	for i := range r.units {
		if other := &r.units[i]; other != u { // two nodes may have one name
			for _, key := range other.keys {
				o.float[key] = "another unit is tried"
			}
		}
	}
	return o
}

func (r *ranker) rank(ctx context.Context) (*Ranking, error) {
	begun := time.Now()
	candidates, err := r.candidates(ctx)
	if err != nil {
		return nil, err
	}
	s, err := r.be.Open(ctx, r.float, cpuOptions("", 0, nil))
	if err != nil {
		return nil, fmt.Errorf("open the float model: %w", unloaded{err})
	}
	defer s.Close()
	r.outputs = &reference{session: s, examples: r.q.Examples}
	ranking := &Ranking{Model: r.q.Model, Scheme: r.q.Options.Scheme}
	scoring, said := time.Now(), time.Time{}
	for i, u := range candidates {
		r.q.trying(fmt.Sprintf("try unit %s quantized alone", u.Name))
		score, examples, err := r.try(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("unit %s: %w", u.Name, err)
		}
		ranking.Units, ranking.Examples = append(ranking.Units, *score), examples
		if time.Since(said) >= 2*time.Second && r.q.Progress != nil {
			said = time.Now()
			left := time.Since(scoring) / time.Duration(i+1) * time.Duration(len(candidates)-i-1)
			r.q.Progress(fmt.Sprintf("sensitivity of %d of %d units, the last %s; about %s left", i+1, len(candidates), score.text(), left.Round(time.Second)))
		}
	}
	slices.SortStableFunc(ranking.Units, func(a, b UnitScore) int { return cmp.Compare(a.order(), b.order()) })
	ranking.Seconds = time.Since(begun).Seconds()
	return ranking, nil
}

// candidates are the units of which the scheme quantizes something. Their activations are calibrated together.
func (r *ranker) candidates(ctx context.Context) ([]*Unit, error) {
	var out []*Unit
	var needs []string
	for i := range r.units {
		u := &r.units[i]
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err := jobOf(r.float, r.alone(u), func(_ *onnx.Model, j job) error {
			if j.nothing() != "" {
				return nil
			}
			out = append(out, u)
			if s, ok := j.(*staticInt8); ok {
				needs = append(needs, s.measure...)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	whole := r.q.Options
	whole.float = nil
	return out, jobOf(r.float, whole, func(_ *onnx.Model, j job) error {
		if why := j.nothing(); why != "" {
			return fmt.Errorf("nothing can be quantized: %s", why)
		}
		if s, ok := j.(*staticInt8); ok {
			return r.calibrate(ctx, s, needs)
		}
		return nil
	})
}

// calibrate computes the ranges of what the whole model and its units quantize, less those that are given.
func (r *ranker) calibrate(ctx context.Context, s *staticInt8, needs []string) error {
	r.ranges = Ranges{}
	if r.q.Ranges != nil {
		if err := s.calibrate(ctx, r.be, r.q, &r.seen); err != nil {
			return err // they name what is not quantized
		}
		maps.Copy(r.ranges, r.q.Ranges)
	}
	var missing []string
	listed := map[string]bool{}
	for _, name := range slices.Concat(s.measure, needs) {
		if _, given := r.ranges[name]; !given && !listed[name] {
			listed[name] = true
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	s.measure = missing
	q := *r.q
	q.Ranges = nil
	if err := s.calibrate(ctx, r.be, &q, &r.seen); err != nil {
		return err
	}
	maps.Copy(r.ranges, r.seen.Ranges)
	return nil
}

// rangesOf are those of ranges that are of what a job quantizes.
func rangesOf(s *staticInt8, ranges Ranges) Ranges {
	out := Ranges{}
	for _, name := range s.activations {
		if v, ok := ranges[name]; ok {
			out[name] = v
		}
	}
	return out
}

// try quantizes one unit and compares outputs. It says on how many examples.
func (r *ranker) try(ctx context.Context, u *Unit) (*UnitScore, int, error) {
	path := filepath.Join(r.dir, "unit.onnx")
	defer os.Remove(path)
	defer os.Remove(path + ".data")
	err := jobOf(r.float, r.alone(u), func(m *onnx.Model, j job) error {
		if s, ok := j.(*staticInt8); ok {
			s.ranges = rangesOf(s, r.ranges)
		}
		if err := j.rewrite(&Result{}); err != nil {
			return err
		}
		return m.SaveDraft(path, onnx.ExternalAuto)
	})
	if err != nil {
		return nil, 0, err
	}
	s, err := openExact(ctx, r.be, path, r.dir, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("open the model with it quantized: %w", err)
	}
	defer s.Close()
	c := newUnitComparison(s.Outputs())
	for i := 0; i < scored; i++ {
		feeds, want, more, err := r.outputs.of(ctx, i)
		if err != nil {
			return nil, 0, fmt.Errorf("example %d: %w", i, err)
		}
		if !more {
			break
		}
		got, err := s.Run(ctx, feeds)
		if err != nil {
			return nil, 0, fmt.Errorf("example %d: %w", i, err)
		}
		if err := c.add(want, got); err != nil {
			return nil, 0, fmt.Errorf("example %d: %w", i, err)
		}
	}
	return c.score(*u), c.examples, nil
}
