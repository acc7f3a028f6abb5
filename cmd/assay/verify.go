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

	"github.com/spf13/cobra"

	"assay/backend"
	"assay/backend/ort"
	"assay/dataset"
	"assay/quantize"
	"assay/results"
	"assay/runner"
	"assay/runner/child"
	"assay/tensor"
)

// verifyAssignment is what a process that tries a quantized model gets on its standard input.
type verifyAssignment struct {
	quantize.VerifyJob
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

// verifier tries quantized models in a process of its own: the runtime is known to crash on some valid ones.
func verifier(library runner.Library, d *results.Dataset, examples int) func(context.Context, quantize.VerifyJob) (*quantize.Verification, error) {
	return func(ctx context.Context, job quantize.VerifyJob) (*quantize.Verification, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		assignment, err := json.Marshal(verifyAssignment{job, library, d, examples})
		if err != nil {
			return nil, err
		}
		answers, childEnd, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		defer answers.Close()
		var words strings.Builder
		cmd := exec.CommandContext(ctx, self, "verify-worker")
		cmd.Stdin, cmd.Stderr = strings.NewReader(string(assignment)), &words
		cmd.ExtraFiles = []*os.File{childEnd}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process, which then kills the worker
		err = cmd.Start()
		childEnd.Close()
		if err != nil {
			return nil, fmt.Errorf("start a process to try the model: %w", err)
		}
		last, stage := readAnswers(answers)
		err = cmd.Wait()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case last.Error != "":
			return nil, errors.New(last.Error)
		case last.Result == nil:
			return nil, fmt.Errorf("the runtime ended its process when it was to %s (%s)", stage, howEnded(err, words.String()))
		}
		return last.Result, nil
	}
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
			var job verifyAssignment
			if err := json.NewDecoder(a.stdin).Decode(&job); err != nil {
				return fmt.Errorf("read the assignment: %w", err)
			}
			enc := json.NewEncoder(answers)
			v, err := job.verify(cmd.Context(), func(stage string) { _ = enc.Encode(verifyAnswer{Stage: stage}) })
			answer := verifyAnswer{Result: v}
			if err != nil {
				answer = verifyAnswer{Error: err.Error()}
			}
			return enc.Encode(answer)
		},
	}
}

func (j *verifyAssignment) verify(ctx context.Context, stage func(string)) (*quantize.Verification, error) {
	b, err := ort.Open(ort.Config{Library: j.Library.Path, SHA256: j.Library.SHA256, Preload: j.Library.Preload})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	examples := generatedSource(j.Original)
	if j.Dataset != nil {
		d, err := dataset.Open(*j.Dataset)
		if err != nil {
			return nil, err
		}
		examples = calibrationSource(d, j.Original, j.Examples)
	}
	v, err := quantize.Verify(ctx, b, j.VerifyJob, examples, stage)
	if v != nil {
		v.Quality.Generated = j.Dataset == nil && v.Quality.Examples > 0
		if v.Exact != nil {
			v.Exact.Generated = v.Quality.Generated
		}
	}
	return v, err
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
