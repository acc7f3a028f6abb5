package quantize

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"assay/backend"
)

// Levels are the runtime's optimisation levels, the one that is used last.
var Levels = []string{"disable", "basic", "extended", "layout", "all"}

// The stages of a verification that are of the original: what goes wrong there is no fault of the quantized model.
const (
	StageOriginal     = "run the original"
	StageLoadOriginal = "load the original"
)

// Verification is what trying a quantized model showed.
type Verification struct {
	Quality Fidelity `json:"quality"` // as this processor computes
	// Exact is the quality on processors whose 8-bit products do not saturate; nil where this is one.
	Exact    *Fidelity      `json:"exact,omitempty"`
	Fused    map[string]int `json:"fused"`
	Leftover []Leftover     `json:"leftover"` // QuantizeLinear and DequantizeLinear nodes that the runtime did not fuse
}

// VerifyJob says what is tried.
type VerifyJob struct {
	Original string `json:"original"` // model file; "" where outputs are not compared
	Made     string `json:"made"`     // the quantized model
	Examples int    `json:"examples"` // on how many outputs are compared at most; 0: a few
}

// InputError is what stops a verification and is no fault of the quantized model: the original does not load or run, or examples do not fit.
type InputError struct {
	Err error
	Ran bool // the original, on an example
}

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *InputError) Unwrap() error { return e.Err }

// MostMadeUp is the size in bytes up to which a model is worth running on examples that are made up: the run takes memory for all of its weights.
const MostMadeUp = 1 << 30

// Verify loads a quantized model at every optimisation level of the CPU provider, runs it there on an example beside the original, counts what the
// runtime fuses at the highest, and runs it there on the examples. stage, where not nil, is told what is tried next: after a crash of the runtime,
// which it is known to do on valid models, this is the only trace, so Verify is best called in a process of its own.
func Verify(ctx context.Context, be backend.Backend, job VerifyJob, examples Source, stage func(string)) (*Verification, error) {
	t := NewTrial(be, job.Original, examples)
	defer t.Close()
	return t.Run(ctx, job, stage)
}

// Trial is a verification that can be begun before there is a quantized model: see Begin.
type Trial struct {
	be       backend.Backend
	examples Source        // nil where outputs are not compared
	original string        // "" where there is none
	most     int           // examples that are compared
	drawing  sync.Mutex    // held while an example is drawn
	begun    chan struct{} // closed when the original has run; nil before Begin
	truth    truth
}

// NewTrial makes a trial against the original. Without it, or without examples, outputs are not compared. Close it.
func NewTrial(be backend.Backend, original string, examples Source) *Trial {
	if original == "" {
		examples = nil
	}
	return &Trial{be: be, examples: examples, original: original}
}

// Begin begins to run the original on the examples, on a number of them at most, 0 for a few, and returns.
func (t *Trial) Begin(ctx context.Context, most int) {
	if t.begun != nil || t.examples == nil {
		return
	}
	t.most, t.begun = cmp.Or(most, fewCompared), make(chan struct{})
	go func() {
		defer close(t.begun)
		t.truth.err = t.truth.run(ctx, t)
	}()
}

// Close forgets what the original gave.
func (t *Trial) Close() error {
	if t.begun == nil {
		return nil
	}
	<-t.begun
	return t.truth.kept.close()
}

// Run is Verify of one quantized model. It is an InputError where that is not at fault.
func (t *Trial) Run(ctx context.Context, job VerifyJob, stage func(string)) (*Verification, error) {
	if stage == nil {
		stage = func(string) {}
	}
	dir, err := os.MkdirTemp("", "assay-verify")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if t.examples != nil {
		stage(StageOriginal)
		t.Begin(ctx, job.Examples)
		<-t.begun // its memory is given back before the quantized model takes some
		if t.truth.err != nil {
			return nil, t.truth.err
		}
	}
	optimized := filepath.Join(dir, "optimized.onnx")
	stage("load it at every optimisation level")
	l, err := t.load(ctx, job.Made, optimized, dir)
	defer l.close()
	if err != nil {
		return nil, t.blame(ctx, err, stage)
	}
	v := &Verification{}
	v.Fused, v.Leftover, err = count(optimized)
	if err = unwritten(err, optimized, optimized+".data"); err == nil && len(v.Fused) == 0 {
		v.Fused, err = countHalves(ctx, t.be, optimized, dir)
	}
	if err != nil || t.examples == nil {
		return v, err
	}
	stage("run it beside the original")
	compared := []backend.Session{l.session}
	if multipliesBytes(v.Fused) {
		if l.exactErr != nil {
			return nil, fmt.Errorf("open it for products that do not saturate: %w", l.exactErr)
		}
		if l.exact != nil {
			compared = append(compared, l.exact)
		}
	}
	sums, err := t.compare(ctx, compared)
	if err != nil {
		return nil, err
	}
	if v.Quality = sums[0].fidelity(); len(sums) > 1 {
		exact := sums[1].fidelity()
		v.Exact = &exact
	}
	if err := refuseLevels(l.lower, sums[0], sums[len(sums)-1]); err != nil {
		return nil, err
	}
	return v, nil
}

// blame is what is wrong where a quantized model does not load: the original may not load either, where it has not run.
func (t *Trial) blame(ctx context.Context, err error, stage func(string)) error {
	if t.examples != nil || t.original == "" || ctx.Err() != nil || OutOfRoom(err) {
		return err
	}
	stage(StageLoadOriginal)
	s, wrong := openOriginal(ctx, t.be, t.original)
	if wrong != nil {
		return unloadedOriginal(wrong)
	}
	s.Close()
	return err
}

// compare runs sessions of the quantized model on the examples that the original ran on. It says how near each session's outputs are.
func (t *Trial) compare(ctx context.Context, made []backend.Session) ([]*comparison, error) {
	sums := make([]*comparison, len(made))
	for k := range made {
		sums[k] = newComparison(t.truth.outputs)
	}
	for i := range t.truth.kept.examples {
		if err := t.compareExample(ctx, i, made, sums); err != nil {
			return nil, fmt.Errorf("example %d: %w", i, err)
		}
		for k := range made {
			if n := sums[k].broken(); n > 0 {
				return nil, fmt.Errorf("on example %d, %d elements of its outputs are NaN or infinite that are finite in the original's, or the other way round; keep what leads there in float with --exclude", i, n)
			}
		}
	}
	return sums, nil
}

func (t *Trial) compareExample(ctx context.Context, i int, made []backend.Session, sums []*comparison) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	feeds, want, err := t.example(i)
	if err != nil {
		return err
	}
	outputs, err := runAll(ctx, made, feeds)
	if err != nil {
		return fmt.Errorf("run it: %w", err)
	}
	for k := range made {
		if err := sums[k].add(want, outputs[k]); err != nil {
			return err
		}
	}
	return nil
}

// verify tries the result where Request says, and puts what was seen into the result of the quantization.
func (q *Request) verify(ctx context.Context, be backend.Backend, made string, res *Result) error {
	job := VerifyJob{Original: q.Model, Made: made, Examples: q.compared}
	try := q.Verify
	if try == nil {
		try = func(ctx context.Context, job VerifyJob) (*Verification, error) {
			return Verify(ctx, be, job, q.Examples, nil)
		}
	}
	v, err := try(ctx, job)
	if err != nil {
		return err
	}
	res.Quality, res.Exact, res.Fused = v.Quality, v.Exact, v.Fused
	if len(v.Leftover) > 0 && len(v.Fused) > 0 {
		res.warn("%s", leftoverText(v.Leftover, q.beside))
	}
	worth := v.Quality
	if v.Exact != nil {
		worth = *v.Exact
		if text := saturationWarning(q.Options, v.Quality, worth); text != "" {
			res.warn("%s", text)
		}
	}
	if n := v.Quality.NonFinite; n > 0 {
		res.warn("%d elements of the outputs are NaN or infinite in the original, too, and take no part in the figures of quality: look at the model and its examples", n)
	}
	switch db := worth.SQNR; {
	case v.Quality.Examples == 0 && res.Bytes.Before > MostMadeUp:
		res.warn("outputs were not compared with the original's: a model of more than a GiB is run on examples that are given, not on made-up ones; give --calibration")
	case v.Quality.Examples == 0:
		res.warn("outputs were not compared with the original's: there are no examples")
	case db != nil && *db < faintSQNR:
		keep := "--keep-float or --exclude"
		if q.Options.Scheme == SchemeFP16 { // which has no units
			keep = "--exclude"
		}
		res.warn("the outputs are far from the original's: %.1f dB; keep the most sensitive nodes in float with %s, and look at the quality on your task", *db, keep)
	}
	return nil
}

// faintSQNR is the signal to noise ratio in dB below which the error is more than a third of the signal, by their root mean squares.
const faintSQNR = 10

// someOf lists the first few of names.
func someOf(names []string) string {
	const shown = 4
	text := strings.Join(names[:min(shown, len(names))], ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
