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
	"time"

	"github.com/spf13/cobra"

	"assay/backend"
	"assay/backend/ort"
	"assay/dataset"
	"assay/onnx"
	"assay/quantize"
	"assay/results"
	"assay/runner"
	"assay/runner/child"
	"assay/tensor"
)

// verifyAssignment is what a process that tries a quantized model gets on its standard input; the model itself follows as a string once it is
// there.
type verifyAssignment struct {
	Original string           `json:"original"`
	Library  runner.Library   `json:"library"`
	Dataset  *results.Dataset `json:"dataset"`  // nil: examples are generated
	Examples int              `json:"examples"` // 0: all
}

// verifyAnswer is a line on file descriptor 3: what is tried next, or how it ended.
type verifyAnswer struct {
	Stage  string                 `json:"stage,omitempty"`
	Result *quantize.Verification `json:"result,omitempty"`
	Error  string                 `json:"error,omitempty"`
}

// verifier tries a quantized model in a process of its own: the runtime is known to crash on some valid ones. Close it.
type verifier struct {
	assignment verifyAssignment
	cmd        *exec.Cmd // nil until it is started
	input      io.WriteCloser
	answers    *os.File
	words      strings.Builder
	failed     error // to start
}

// verifyWith has what becomes of q tried in a process of its own.
func verifyWith(q *quantize.Request, library runner.Library, d *results.Dataset, examples int) *verifier {
	v := &verifier{assignment: verifyAssignment{q.Model, library, d, examples}}
	q.Near, q.Verify = v.start, v.verify
	return v
}

// start starts the process, which loads the original and waits.
func (v *verifier) start(ctx context.Context) {
	if v.cmd == nil && v.failed == nil {
		if err := v.begin(ctx); err != nil {
			v.failed = fmt.Errorf("start a process to try the model: %w", err)
		}
	}
}

func (v *verifier) begin(ctx context.Context) error {
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process, which then kills the worker
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return errors.Join(err, answers.Close())
	}
	v.cmd, v.input, v.answers = cmd, input, answers
	_ = json.NewEncoder(input).Encode(v.assignment) // a process that is gone says so by its answers
	return nil
}

func (v *verifier) verify(ctx context.Context, job quantize.VerifyJob) (*quantize.Verification, error) {
	v.start(ctx)
	if v.failed != nil {
		return nil, v.failed
	}
	_ = json.NewEncoder(v.input).Encode(job.Made)
	last, stage := readAnswers(v.answers)
	err := v.cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case last.Error != "":
		return nil, errors.New(last.Error)
	case last.Result == nil:
		return nil, fmt.Errorf("the runtime ended its process when it was to %s (%s)", stage, howEnded(err, v.words.String()))
	}
	return last.Result, nil
}

// Close ends the process where it waits for a model that did not come.
func (v *verifier) Close() {
	if v.cmd == nil {
		return
	}
	v.input.Close()
	if v.cmd.ProcessState == nil {
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
	}
	v.answers.Close()
}

// readAnswers reads to the end and returns the last answer and the last stage.
func readAnswers(r io.Reader) (last verifyAnswer, stage string) {
	stage = "load the runtime"
	for d := json.NewDecoder(r); ; {
		var a verifyAnswer
		if d.Decode(&a) != nil {
			return last, stage
		}
		last = a
		if a.Stage != "" {
			stage = a.Stage
		}
	}
}

// howEnded says how a process died, with the line that a crashing Go program begins its last words with.
func howEnded(err error, words string) string {
	for line := range strings.Lines(words) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "SIG") || strings.HasPrefix(line, "fatal error:") || strings.HasPrefix(line, "terminate called") {
			return line
		}
	}
	if err == nil {
		return "without an answer"
	}
	return err.Error()
}

// newVerifyWorkerCmd is what quantization starts to try its result; people do not call it.
func newVerifyWorkerCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "verify-worker",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answers := os.NewFile(3, "answers")
			if info, err := answers.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
				return usageError(errors.New("`assay verify-worker` is started by `assay quantize`, not by hand"))
			}
			child.BeFirstToDie()
			enc := json.NewEncoder(answers)
			v, err := verifyAssigned(cmd.Context(), json.NewDecoder(a.stdin), func(stage string) { _ = enc.Encode(verifyAnswer{Stage: stage}) })
			answer := verifyAnswer{Result: v}
			if err != nil {
				answer = verifyAnswer{Error: err.Error()}
			}
			return enc.Encode(answer)
		},
	}
}

// verifyAssigned reads the assignment, loads the original while it waits for the model, and tries that.
func verifyAssigned(ctx context.Context, input *json.Decoder, stage func(string)) (*quantize.Verification, error) {
	var job verifyAssignment
	if err := input.Decode(&job); err != nil {
		return nil, fmt.Errorf("read the assignment: %w", err)
	}
	b, err := ort.Open(ort.Config{Library: job.Library.Path, SHA256: job.Library.SHA256, Preload: job.Library.Preload})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	original, examples := job.Original, generatedSource(job.Original)
	if job.Dataset == nil && modelBytes(original) > quantize.MostMadeUp {
		original = ""
	}
	if job.Dataset != nil {
		d, err := dataset.Open(*job.Dataset)
		if err != nil {
			return nil, err
		}
		examples = calibrationSource(d, job.Original, job.Examples)
	}
	stage("load the original")
	t := quantize.NewTrial(ctx, b, original, examples)
	defer t.Close()
	if job.Dataset == nil {
		t.Least, t.Time = 1, 50*time.Millisecond // what is made up says little, and more of it little more
	}
	var made string
	if err := input.Decode(&made); err != nil {
		return nil, fmt.Errorf("read the model's name: %w", err)
	}
	v, err := t.Run(ctx, made, stage)
	if v != nil {
		v.Quality.Generated = job.Dataset == nil && v.Quality.Examples > 0
		if v.Exact != nil {
			v.Exact.Generated = v.Quality.Generated
		}
	}
	return v, err
}

// modelBytes is the size of a model with its external data, 0 where it cannot be told.
func modelBytes(path string) int64 {
	m, err := onnx.Open(path)
	if err != nil {
		return 0
	}
	defer m.Close()
	size, err := m.Size()
	if err != nil {
		return 0
	}
	return size
}

// generatedSource makes examples from the types and names of a model's inputs.
func generatedSource(model string) quantize.Source {
	var feeds [][]tensor.Value
	return func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
		if feeds == nil {
			made, _, err := makeFeeds(model, inputs, results.Input{}, 1, 1)
			if err != nil {
				return nil, false, err
			}
			feeds = made
		}
		if i >= len(feeds) {
			return nil, false, nil
		}
		return feeds[i], true, nil
	}
}
