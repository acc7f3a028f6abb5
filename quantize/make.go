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
	"strings"
	"time"

	"assay/backend"
	"assay/internal/install"
	"assay/onnx"
)

// Request is one quantization.
type Request struct {
	Model    string
	Out      string // not written where empty: a dry run
	Options  Options
	External onnx.External     // where the result's weights go
	Examples Source            // calibration data, and what the result is compared with the original on; nil where there is none
	Count    func() int        // of examples, for the time left; nil where it is not known
	Ranges   Ranges            // of activations, in place of calibration
	Rank     bool              // rank the units by sensitivity; Options.KeepFloat does it too
	Lineage  map[string]string // metadata of the result
	Progress func(text string)
	Trying   func(what string) // is told what the runtime is to do next, in Calibrate and Rank: after a crash of it the only trace
	// Verify tries the result before it is kept; nil calls Verify in this process, which a crash of the runtime would then end.
	Verify func(ctx context.Context, job VerifyJob) (*Verification, error)
	// Near, where not nil, is called when all is known but the result: what Verify needs of the original may be done meanwhile.
	// It is told on how many examples outputs will be compared at most.
	Near func(ctx context.Context, examples int)
	// Look, Calibrate and RankUnits, where not nil, do what Look, Calibrate and Rank do, in the process that Verify calls. Where all of these are there,
	// Make needs no backend, and of Examples only whether there are any.
	Look      func(ctx context.Context, path string, o backend.Options) (*Looked, error)
	Calibrate func(ctx context.Context, q *Request, path string, tensors []string) (*CalibratedRanges, error)
	RankUnits func(ctx context.Context, q *Request, path string) (*Ranked, error)
	// Later, where not nil, gives what of the lineage is still being computed. It is called once, before the result is written.
	Later func(ctx context.Context) (map[string]string, error)
	// Beside, where not nil, gives files that are written with Out, whose content may depend on all of the result: where one cannot be, none is.
	Beside func(res *Result) []install.File

	dir      string                 // of the files of this run, "" where there is none yet
	compared int                    // examples, at most
	beside   map[string]*neighbours // of the prepared graph
}

func (q *Request) trying(what string) {
	if q.Trying != nil {
		q.Trying(what)
	}
}

// Result says what became of a model.
type Result struct {
	Model         string          `json:"model"`
	Out           string          `json:"out"`
	Scheme        string          `json:"scheme"`
	Target        *TargetSettings `json:"target,omitempty"`
	Nodes         NodeCounts      `json:"nodes"`
	Bytes         ByteCounts      `json:"bytes"`
	Seconds       Times           `json:"seconds"`
	PeakRSSBytes  int64           `json:"peak_rss_bytes"`
	Quality       Fidelity        `json:"quality"`
	Exact         *Fidelity       `json:"quality_unsaturated,omitempty"` // see Verification
	Fused         map[string]int  `json:"fused"`                         // low-precision operators of the graph that the runtime makes of it
	Warnings      []string        `json:"warnings"`
	Ranges        Ranges          `json:"-"`
	Calibration   *Calibration    `json:"calibration,omitempty"` // absent where ranges were given, and where none are needed
	ExamplesCount int             `json:"examples"`
	Clamped       []ClampedTensor `json:"clamped,omitempty"`     // of fp16
	Sensitivity   []UnitScore     `json:"sensitivity,omitempty"` // of all units, where it is asked for; the first of them stay float by Options.KeepFloat
}

// NodeCounts counts the nodes of the prepared graph; those within other nodes' graphs are not looked at.
type NodeCounts struct {
	Total     int        `json:"total"`
	Quantized int        `json:"quantized"`
	LeftFloat []NodeLeft `json:"left_float"`
}

// NodeLeft is a node that stays float, and why.
type NodeLeft struct {
	Node string `json:"node"`
	Why  string `json:"why"`
}

// ByteCounts are of the model file and its external data.
type ByteCounts struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Times are what the steps took.
type Times struct {
	Calibrate   float64 `json:"calibrate"`
	Sensitivity float64 `json:"sensitivity,omitempty"`
	Quantize    float64 `json:"quantize"`
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// job is one scheme at work on one model: what it will do is decided when it is made, before any number is known.
type job interface {
	// counts says what becomes of the nodes of the main graph.
	counts() NodeCounts
	// nothing says why the scheme would change nothing, "" where it changes something.
	nothing() string
	// rewrite edits the model. It may note warnings in the result.
	rewrite(res *Result) error
}

// calibrated is a job that needs ranges of activations.
type calibrated interface {
	job
	calibrate(ctx context.Context, be backend.Backend, q *Request, res *Result) error
}

// writing is a job that knows more when its weights are written.
type writing interface {
	job
	written(res *Result)
}

// newJob decides what a scheme will do to a model.
func newJob(m *onnx.Model, o Options) (job, error) {
	switch o.Scheme {
	case SchemeInt8Static:
		return newStatic(m, o)
	case SchemeInt8Dynamic:
		return newDynamic(m, o)
	case SchemeInt4Weight, SchemeInt8Weight:
		return newWeightOnly(m, o)
	}
	return nil, fmt.Errorf("scheme %q is not there", o.Scheme)
}

// job decides what the scheme will do; that of float16 asks the runtime for types.
func (q *Request) job(ctx context.Context, be backend.Backend, src, m *onnx.Model, dir string) (job, error) {
	if q.Options.Scheme != SchemeFP16 {
		return newJob(m, q.Options)
	}
	h, err := newHalf(ctx, q.looker(be), m, q.Options, dir)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", q.Model, ofTheModel(ctx, q.looker(be), src, err))
	}
	return h, nil
}

// Make quantizes a model. The result is checked, loaded, run on the examples beside the original and compared before it is left at Out; on
// any error no file is left. Errors say what to do.
func Make(ctx context.Context, be backend.Backend, q Request) (*Result, error) {
	res, err := q.make(ctx, be)
	if err != nil {
		return nil, withoutPaths(err, q.Model)
	}
	return res, nil
}

func (q *Request) make(ctx context.Context, be backend.Backend) (*Result, error) {
	src, err := onnx.Open(q.Model)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if err := refuseQuantized(src); err != nil {
		return nil, err
	}
	if err := refuseTarget(src, q.Out, q.External); err != nil {
		return nil, fmt.Errorf("model %s: %w", q.Model, err)
	}
	dir, err := os.MkdirTemp("", "assay-quantize")
	if err != nil {
		if OutOfRoom(err) {
			return nil, err
		}
		return nil, fmt.Errorf("make a folder for temporary files: %w; set TMPDIR to one that takes them", err)
	}
	defer os.RemoveAll(dir)
	q.dir = dir
	m, err := prepared(ctx, q.looker(be), src, q.Options, dir)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", q.Model, ofTheModel(ctx, q.looker(be), src, err))
	}
	defer m.Close()
	res := &Result{Model: q.Model, Out: q.Out, Scheme: q.Options.Scheme, Target: q.Options.target(), Fused: map[string]int{}, Warnings: []string{}}
	if res.Bytes.Before, err = src.Size(); err != nil {
		return nil, err
	}
	if q.Options.KeepFloat != 0 || q.Rank {
		if err := q.rankUnits(ctx, be, m, dir, res); err != nil {
			return nil, fmt.Errorf("model %s: %w", q.Model, ofTheModel(ctx, q.looker(be), src, err))
		}
	}
	j, err := q.job(ctx, be, src, m, dir)
	if err != nil {
		return nil, err
	}
	res.Nodes = j.counts()
	if why := j.nothing(); why != "" {
		return nil, fmt.Errorf("model %s: nothing can be quantized: %s%s", q.Model, why, hidden(m))
	}
	if c, ok := j.(calibrated); ok {
		if err := c.calibrate(ctx, be, q, res); err != nil {
			return nil, fmt.Errorf("model %s: %w", q.Model, ofTheModel(ctx, q.looker(be), src, err))
		}
	}
	if q.Out == "" {
		return res, nil
	}
	q.compared = comparedExamples(m, q.Examples != nil)
	if q.Near != nil {
		q.Near(ctx, q.compared)
	}
	return res, q.finish(ctx, be, src, m, j, res, dir)
}

// finish rewrites, writes, checks and moves into place.
func (q *Request) finish(ctx context.Context, be backend.Backend, src, m *onnx.Model, j job, res *Result, dir string) error {
	begun := time.Now()
	q.beside = neighboursOf(m.Proto.Graph)
	if err := j.rewrite(res); err != nil {
		return fmt.Errorf("model %s: %w", q.Model, err)
	}
	if lost := fixedInputs(src, m); len(lost) > 0 {
		res.warn("inputs with a value of the model's own are constants now, and can no longer be given another (%d; %s)", len(lost), someOf(lost))
	}
	m.Proto.ProducerName, m.Proto.ProducerVersion = "assay", ""
	if err := q.describeOrigin(ctx, m); err != nil {
		return fmt.Errorf("model %s: %w", q.Model, err)
	}
	made := filepath.Join(dir, "quantized.onnx")
	external := onnx.ExternalAuto
	if res.Bytes.Before > largeLoad {
		external = onnx.ExternalAlways // which the runtime maps and need not hold
	}
	if err := m.SaveDraft(made, external); err != nil {
		return fmt.Errorf("model %s: %w", q.Model, cmp.Or(errors.Unwrap(err), err)) // weights are quantized as they are written
	}
	if w, ok := j.(writing); ok {
		w.written(res)
	}
	res.Seconds.Quantize = time.Since(begun).Seconds()
	if err := checkFile(made); err != nil {
		return fmt.Errorf("the quantized model breaks the rules of the format, so it was not written: %w", err)
	}
	var input *InputError
	if err := q.verify(ctx, be, made, res); errors.As(err, &input) || OutOfRoom(err) {
		return fmt.Errorf("model %s: %w", q.Model, err)
	} else if err != nil {
		if text := clampedText(res.Clamped); text != "" {
			err = fmt.Errorf("%w; %s", err, text)
		}
		return fmt.Errorf("the quantized model does not work, so it was not written: %w", err)
	}
	if err := q.install(made, res); err != nil {
		return installing{err}
	}
	return nil
}

// fixedInputs are the inputs of a model that have a value there, which a caller may replace, and are no inputs of what was made of it. Before version 4
// of the format every weight was listed so.
func fixedInputs(src, m *onnx.Model) (lost []string) {
	if src.Proto.IrVersion < 4 {
		return nil
	}
	left := map[string]bool{}
	for _, v := range slices.Concat(src.Inputs(), m.Proto.Graph.Input) {
		left[v.Name] = true
	}
	for _, v := range src.Proto.Graph.Input {
		if !left[v.Name] {
			lost = append(lost, v.Name)
		}
	}
	return lost
}

// describeOrigin writes the lineage into the model.
func (q *Request) describeOrigin(ctx context.Context, m *onnx.Model) error {
	lineage := map[string]string{}
	maps.Copy(lineage, q.Lineage)
	if q.Later != nil {
		late, err := q.Later(ctx)
		if err != nil {
			return err
		}
		maps.Copy(lineage, late)
	}
	for _, key := range slices.Sorted(maps.Keys(lineage)) {
		m.SetMetadata(key, lineage[key])
	}
	return nil
}

// refuseQuantized says what to do instead of quantizing a model twice.
func refuseQuantized(m *onnx.Model) error {
	if !m.Info().Quantized {
		return nil
	}
	source := "its float form"
	if sha := m.Metadata()[LineageSource]; sha != "" {
		source = "the model that it was made from, whose SHA-256 is " + sha
	}
	return fmt.Errorf("model %s is quantized already; quantize %s", m.Path(), source)
}

// refuseTarget refuses a file that the model is read from, and what is no file: it would be replaced.
func refuseTarget(m *onnx.Model, out string, external onnx.External) error {
	if out == "" {
		return nil
	}
	for _, file := range append(m.ExternalFiles(), m.Path()) {
		if sameFile(out, file) || sameFile(out+".data", file) {
			return fmt.Errorf("%s would replace %s; choose another file", out, file)
		}
	}
	if external == onnx.ExternalAlways {
		return errors.Join(refuseFolder(out), refuseFolder(out+".data"))
	}
	return refuseFolder(out)
}

// refuseFolder refuses folders, pipes and devices.
func refuseFolder(out string) error {
	if info, err := os.Stat(out); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is there and is no file; choose another name", out)
	}
	return nil
}

// ofTheModel is what is wrong with a model where something made of it did not load or run: it breaks the rules of the format, which is named better
// here than by the runtime, or the runtime does not load the model itself. It is the error where there is neither.
func ofTheModel(ctx context.Context, look looker, m *onnx.Model, err error) error {
	var known *InputError
	if ctx.Err() != nil || OutOfRoom(err) || errors.As(err, &known) {
		return err
	}
	if broken := m.Check(); broken != nil {
		return errors.New(strings.ReplaceAll(broken.Error(), "\n", "; "))
	}
	var loading unloaded
	if !errors.As(err, &loading) {
		return err
	}
	_, wrong := look(ctx, m.Path(), originalOptions(1))
	if wrong == nil || errors.Is(err, wrong) { // the process that loads models may be gone
		return err
	}
	return unloadedOriginal(wrong)
}

func unloadedOriginal(err error) error {
	return &InputError{Err: fmt.Errorf("the original does not load: %w", err)}
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func checkFile(path string) error {
	m, err := onnx.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Check()
}

// install moves the finished file to where it was asked for, with the files beside it, whole or not at all.
func (q *Request) install(from string, res *Result) error {
	if err := os.MkdirAll(filepath.Dir(q.Out), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", q.Out, err)
	}
	m, err := onnx.Open(from)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.SaveWith(q.Out, q.External, func(size int64) []install.File {
		res.Bytes.After = size
		if q.Beside == nil {
			return nil
		}
		return q.Beside(res)
	})
}
