package quantize

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"assay/backend"
	"assay/onnx"
	"assay/tensor"
)

// Ranges are the smallest and largest value that calibration saw of each tensor.
type Ranges map[string][2]float32

// Source gives calibration examples one at a time: the feeds of example i in the order of inputs, and false past the last. It is called by one
// goroutine at a time, with i in order.
type Source func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error)

// Calibration says how the ranges came to be.
type Calibration struct {
	Method   string           `json:"method"`
	Examples int              `json:"examples"`
	Clipped  float64          `json:"clipped"`         // share of all activation values seen that lie outside their tensor's range
	Tried    []MethodFidelity `json:"tried,omitempty"` // by auto
}

// MethodFidelity is how near to the original the model was with a method's ranges.
type MethodFidelity struct {
	Method  string   `json:"method"`
	SQNR    *float64 `json:"sqnr_db,omitempty"` // of the worst output, decibels; absent where there is no noise
	Clipped float64  `json:"clipped"`
}

// calibration is what a run over the examples showed of tensors.
type calibration struct {
	tensors    []string
	extremes   Ranges
	histograms []*histogram // by the order of tensors; nil where only extremes were asked for, and of tensors that were always empty
	examples   int
}

// calibrationLevel is the runtime's level of optimisation of calibration. It keeps what is an output of the graph.
const calibrationLevel = "disable"

// calibrationRun is one pass over the examples.
type calibrationRun struct {
	probe    probe
	session  backend.Session
	source   Source
	progress func(done int)

	mu    sync.Mutex // of extremes
	sums  *calibration
	locks []sync.Mutex // of histograms
}

// calibrate runs the examples of a request through the model, some at a time, and keeps the extremes of the named tensors, and histograms of them
// where asked: memory does not grow with the number of examples. For extremes alone, three figures of each tensor are appended to the graph, and
// nothing else leaves the session. The result does not depend on the order of examples.
func (q *Request) calibrate(ctx context.Context, be backend.Backend, m *onnx.Model, tensors []string, histograms bool) (*calibration, error) {
	before := m.Proto.Graph
	var p probe
	if histograms {
		p, m.Proto.Graph = probeValues(before, tensors)
	} else {
		p, m.Proto.Graph = probeFigures(before, tensors)
	}
	path, remove, err := q.saveNear(m, "calibrate.onnx")
	m.Proto.Graph = before
	if err != nil {
		return nil, err
	}
	defer remove()
	return runExamples(ctx, be, &calibrationRun{probe: p, source: q.Examples, progress: q.remaining()}, path, tensors)
}

// saveNear writes a form of a prepared graph. That stands in this run's own folder, with its weights in a file beside it: they are not copied.
func (q *Request) saveNear(m *onnx.Model, name string) (path string, remove func(), err error) {
	if path := filepath.Join(q.dir, name); q.dir != "" && filepath.Dir(m.Path()) == q.dir {
		return path, func() { os.Remove(path) }, m.SaveDraftBeside(path)
	}
	dir, err := os.MkdirTemp("", "assay-calibrate")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	path = filepath.Join(dir, name)
	if err := m.SaveDraft(path, onnx.ExternalAuto); err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}

// runExamples is calibrate of a model that was made for the run's probe.
func runExamples(ctx context.Context, be backend.Backend, r *calibrationRun, path string, tensors []string) (_ *calibration, err error) {
	r.locks = make([]sync.Mutex, len(tensors))
	r.sums = &calibration{tensors: tensors, extremes: Ranges{}, histograms: make([]*histogram, len(tensors))}
	// More threads add in another order, and ranges would depend on how many the machine has.
	r.session, err = be.Open(ctx, path, cpuOptions(calibrationLevel, 1, nil))
	if err != nil {
		return nil, fmt.Errorf("open the model for calibration: %w", unloaded{err})
	}
	defer trim()
	defer r.session.Close()
	examples := abreast{draw: r.draw, compute: func(i int, feeds []tensor.Value) error { return r.example(ctx, i, feeds) }, finished: r.progress}
	n, err := examples.run(ctx, min(runtime.GOMAXPROCS(0), mostRunners))
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, errors.New("calibration data has no examples")
	}
	r.sums.examples = n
	return r.sums, nil
}

// draw gives example i.
func (r *calibrationRun) draw(i int) ([]tensor.Value, bool, error) {
	feeds, more, err := r.source(r.session.Inputs(), i)
	if err != nil {
		return nil, false, &InputError{Err: fmt.Errorf("calibration example %d: %w", i, err)}
	}
	return feeds, more, nil
}

// example computes example i and adds what was seen.
func (r *calibrationRun) example(ctx context.Context, i int, feeds []tensor.Value) error {
	outputs, err := r.session.Run(ctx, feeds)
	if err == nil {
		err = r.see(feeds, outputs)
	}
	if err != nil {
		return fmt.Errorf("calibration example %d: %w", i, err)
	}
	return nil
}

// see adds what tensors were in one example.
func (r *calibrationRun) see(feeds, outputs []tensor.Value) (err error) {
	seen := make([]extremesSeen, len(r.sums.tensors))
	for i, name := range r.sums.tensors {
		if seen[i], err = r.probe.see(i, feeds, outputs); err != nil {
			return fmt.Errorf("tensor %s %w", name, err)
		}
	}
	for i, s := range seen {
		if s.values != nil {
			r.count(i, s)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, name := range r.sums.tensors {
		if s := seen[i]; !s.empty {
			if old, ok := r.sums.extremes[name]; ok {
				s.low, s.high = min(s.low, old[0]), max(s.high, old[1])
			}
			r.sums.extremes[name] = [2]float32{s.low, s.high}
		}
	}
	return nil
}

// count adds the values of tensor i to its histogram.
func (r *calibrationRun) count(i int, s extremesSeen) {
	r.locks[i].Lock()
	defer r.locks[i].Unlock()
	if r.sums.histograms[i] == nil {
		r.sums.histograms[i] = &histogram{}
	}
	r.sums.histograms[i].add(s.values, s.low, s.high)
}

// remaining tells how far the request's calibration is.
func (q *Request) remaining() func(done int) {
	tell := remaining(q.Progress)
	return func(done int) {
		count := 0
		if q.Count != nil {
			count = q.Count()
		}
		tell(done, count)
	}
}

// remaining tells, at most once in a second, how far a calibration is, and how long the rest takes where the number of examples is known.
func remaining(say func(text string)) func(done, count int) {
	begun := time.Now()
	said := begun
	return func(done, count int) {
		if say == nil || time.Since(said) < time.Second {
			return
		}
		said = time.Now()
		text := fmt.Sprintf("calibrated on %d examples", done)
		if count > done {
			left := time.Duration(float64(time.Since(begun)) / float64(done) * float64(count-done))
			text = fmt.Sprintf("calibrated on %d of %d examples, about %s left", done, count, left.Round(time.Second))
		}
		say(text)
	}
}
