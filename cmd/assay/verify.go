package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"assay/backend"
	"assay/quantize"
	"assay/results"
	"assay/runner"
	"assay/runner/child"
	"assay/tensor"
)

// verifyAssignment is what a process that works with the runtime for a quantization gets on its standard input; jobs follow.
type verifyAssignment struct {
	Original string           `json:"original"`
	Library  runner.Library   `json:"library"`
	Dataset  *results.Dataset `json:"dataset"`  // nil: examples are generated
	Examples int              `json:"examples"` // 0: all
}

// verifyJob is what is to be done next: one of its fields is set.
type verifyJob struct {
	Origin    bool                `json:"origin,omitempty"` // say the version of the runtime, and the hash of the data set
	Look      *lookJob            `json:"look,omitempty"`
	Calibrate *preparedJob        `json:"calibrate,omitempty"`
	Rank      *preparedJob        `json:"rank,omitempty"`
	Begin     int                 `json:"begin,omitempty"` // begin to run the original on so many examples; it has no answer
	Try       *quantize.VerifyJob `json:"try,omitempty"`
}

// lookJob is a model to be looked at.
type lookJob struct {
	Path    string          `json:"path"`
	Options backend.Options `json:"options"`
}

// preparedJob is work on the examples and a prepared graph.
type preparedJob struct {
	Path    string           `json:"path"`
	Options quantize.Options `json:"options"`
	Ranges  quantize.Ranges  `json:"ranges"`  // that are given; null: none are
	Tensors []string         `json:"tensors"` // that are calibrated
}

// verifyAnswer is a line on file descriptor 3: what is tried next, how far that is, or how a job ended.
type verifyAnswer struct {
	Stage      string                     `json:"stage,omitempty"`
	Progress   string                     `json:"progress,omitempty"` // for the user
	Version    string                     `json:"version,omitempty"`
	Data       string                     `json:"data,omitempty"` // hash of the data set
	Looked     *lookedValues              `json:"looked,omitempty"`
	Calibrated *quantize.CalibratedRanges `json:"calibrated,omitempty"`
	Ranked     *quantize.Ranked           `json:"ranked,omitempty"`
	Result     *quantize.Verification     `json:"result,omitempty"`
	Error      string                     `json:"error,omitempty"`
	Input      bool                       `json:"input,omitempty"` // the error is a quantize.InputError
	Full       bool                       `json:"full,omitempty"`  // the error is that there is no room for temporary files
}

// lookedValues are what a model takes and gives, with the types that backend.ValueInfo does not write.
type lookedValues struct {
	Inputs, Outputs []typedValue
}

type typedValue struct {
	backend.ValueInfo
	Kind  tensor.Kind
	DType tensor.DType
}

func typed(values []backend.ValueInfo) []typedValue {
	out := make([]typedValue, len(values))
	for i, v := range values {
		out[i] = typedValue{v, v.Kind, v.DType}
	}
	return out
}

func untyped(values []typedValue) []backend.ValueInfo {
	out := make([]backend.ValueInfo, len(values))
	for i, v := range values {
		out[i] = v.ValueInfo
		out[i].Kind, out[i].DType = v.Kind, v.DType
	}
	return out
}

// verifier does what needs the runtime in a process of its own: the runtime is known to crash on some valid models. Close it.
type verifier struct {
	assignment verifyAssignment
	cmd        *exec.Cmd // nil until it is started
	input      *json.Encoder
	stdin      io.Closer
	answers    *os.File
	output     *json.Decoder // of answers
	stage      string        // what is tried
	words      strings.Builder
	failed     error  // to start
	dir        string // that the process has for its temporary files, "" where there is none
	peakRSS    int64  // in bytes, the most that the process had resident, 0 before Close
}

// verifyWith has what becomes of q tried in a process of its own.
func verifyWith(q *quantize.Request, library runner.Library, d *results.Dataset, examples int) *verifier {
	v := &verifier{assignment: verifyAssignment{q.Model, library, d, examples}, stage: "load the runtime"}
	q.Near, q.Verify = v.begin, v.verify
	return v
}

// prepareToo has all else that needs the runtime done there too, so that this process has none. The process is started.
func (v *verifier) prepareToo(ctx context.Context, q *quantize.Request) {
	q.Look, q.Calibrate, q.RankUnits = v.look, v.calibrate, v.rank
	v.start(ctx)
}

// start starts the process, which loads the runtime and waits.
func (v *verifier) start(ctx context.Context) {
	if v.cmd == nil && v.failed == nil {
		if err := v.launch(ctx); err != nil {
			v.failed = fmt.Errorf("start a process to try the model: %w", err)
		}
	}
}

func (v *verifier) launch(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	answers, childEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	defer childEnd.Close()
	cmd := exec.CommandContext(ctx, self, "verify-worker")
	cmd.Stderr = &v.words
	cmd.ExtraFiles = []*os.File{childEnd}
	if v.dir, err = os.MkdirTemp("", "assay-quantize"); err != nil {
		return errors.Join(err, answers.Close())
	}
	cmd.Env = append(os.Environ(), "TMPDIR="+v.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process, which then kills the worker
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return errors.Join(err, answers.Close())
	}
	v.cmd, v.stdin, v.input, v.answers, v.output = cmd, stdin, json.NewEncoder(stdin), answers, json.NewDecoder(answers)
	_ = v.input.Encode(v.assignment) // a process that is gone says so by its answers
	return nil
}

// ask has a job done. progress, where not nil, is told how far it is.
func (v *verifier) ask(ctx context.Context, job verifyJob, progress func(text string)) (a verifyAnswer, err error) {
	v.start(ctx)
	if v.failed != nil {
		return a, v.failed
	}
	_ = v.input.Encode(job)
	for {
		a = verifyAnswer{}
		err := v.output.Decode(&a)
		switch {
		case ctx.Err() != nil:
			return a, ctx.Err()
		case err != nil:
			return a, v.end(v.ofOriginal(fmt.Errorf("the runtime ended its process when it was to %s (%s)", v.stage, howEnded(v.cmd.Wait(), v.words.String()))))
		case a.Full:
			return a, &quantize.RoomError{Err: errors.New(a.Error)}
		case a.Input:
			return a, &quantize.InputError{Err: errors.New(a.Error)}
		case a.Error != "":
			return a, v.ofOriginal(errors.New(a.Error))
		case a.Stage != "":
			v.stage = a.Stage
		case a.Progress == "":
			return a, nil
		case progress != nil:
			progress(a.Progress)
		}
	}
}

// ofOriginal marks an error that came while the original was tried.
func (v *verifier) ofOriginal(err error) error {
	if v.stage == quantize.StageOriginal || v.stage == quantize.StageLoadOriginal {
		return &quantize.InputError{Err: err}
	}
	return err
}

// end is the answer to all that is still asked.
func (v *verifier) end(err error) error {
	v.failed = err
	return err
}

// origin is the version of the runtime and the hash of the data set, "" where there is none.
func (v *verifier) origin(ctx context.Context) (runtime, data string, err error) {
	a, err := v.ask(ctx, verifyJob{Origin: true}, nil)
	return a.Version, a.Data, err
}

func (v *verifier) look(ctx context.Context, path string, o backend.Options) (*quantize.Looked, error) {
	a, err := v.ask(ctx, verifyJob{Look: &lookJob{path, o}}, nil)
	if err != nil {
		return nil, err
	}
	return &quantize.Looked{Inputs: untyped(a.Looked.Inputs), Outputs: untyped(a.Looked.Outputs)}, nil
}

func (v *verifier) calibrate(ctx context.Context, q *quantize.Request, path string, tensors []string) (*quantize.CalibratedRanges, error) {
	a, err := v.ask(ctx, verifyJob{Calibrate: &preparedJob{path, q.Options, nil, tensors}}, q.Progress)
	return a.Calibrated, err
}

func (v *verifier) rank(ctx context.Context, q *quantize.Request, path string) (*quantize.Ranked, error) {
	a, err := v.ask(ctx, verifyJob{Rank: &preparedJob{path, q.Options, q.Ranges, nil}}, q.Progress)
	return a.Ranked, err
}

// begin has the original run meanwhile.
func (v *verifier) begin(ctx context.Context, examples int) {
	v.start(ctx)
	if v.failed == nil {
		_ = v.input.Encode(verifyJob{Begin: examples})
	}
}

func (v *verifier) verify(ctx context.Context, job quantize.VerifyJob) (*quantize.Verification, error) {
	a, err := v.ask(ctx, verifyJob{Try: &job}, nil)
	return a.Result, err
}

// Close ends the process, whatever it does, and takes its temporary files away: it may be killed before it has done so.
func (v *verifier) Close() {
	if v.dir != "" {
		defer os.RemoveAll(v.dir)
	}
	if v.cmd == nil {
		return
	}
	if v.cmd.ProcessState == nil {
		v.peakRSS = child.PeakRSSOf(v.cmd.Process.Pid)
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
	}
	v.stdin.Close()
	v.answers.Close()
}

// measure ends the process and says in a result what memory it and this one took.
func (v *verifier) measure(res *quantize.Result) {
	v.Close()
	res.PeakRSSBytes = max(child.PeakRSS(), v.peakRSS)
}

// howEnded says how a process died: by the line that a crashing Go program begins its last words with, and, where a library gave up, what that
// had said just before.
func howEnded(err error, words string) string {
	before := ""
	for line := range strings.Lines(words) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "SIGABRT") && before != "":
			return line + ": " + before
		case strings.HasPrefix(line, "SIG"), strings.HasPrefix(line, "fatal error:"):
			return line
		case strings.HasPrefix(line, "what():") && strings.HasPrefix(before, "terminate called"):
			before += ", " + line
		case line != "":
			before = line
		}
	}
	if strings.HasPrefix(before, "terminate called") {
		return before
	}
	if err == nil {
		return "without an answer"
	}
	return err.Error()
}
