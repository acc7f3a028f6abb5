package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"assay/backend"
	"assay/backend/ort"
	"assay/dataset"
	"assay/onnx"
	"assay/quantize"
	"assay/results"
	"assay/runner/child"
	"assay/tensor"
)

// newVerifyWorkerCmd is what quantization starts to work with the runtime; people do not call it.
func newVerifyWorkerCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "verify-worker",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answers := os.NewFile(3, "answers")
			if info, err := answers.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
				return usageError(errors.New("`assay verify-worker` is started by `assay quantize`, not by hand"))
			}
			child.BeFirstToDie()
			w := &verifyWorker{answers: json.NewEncoder(answers), jobs: json.NewDecoder(a.stdin)}
			err := w.run(cmd.Context())
			if err != nil {
				w.say(verifyAnswer{Error: err.Error()})
			}
			return nil
		},
	}
}

// verifyWorker is the other side of verifier.
type verifyWorker struct {
	jobs *json.Decoder

	mu      sync.Mutex
	answers *json.Encoder

	assignment verifyAssignment
	backend    backend.Backend
	data       func() (*dataset.Dataset, error) // waits until it is read; nil where examples are generated
	generated  quantize.Source
	trial      *quantize.Trial
}

func (w *verifyWorker) say(a verifyAnswer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.answers.Encode(a) // who asked may be gone
}

func (w *verifyWorker) stage(text string) { w.say(verifyAnswer{Stage: text}) }

// run does jobs until there are no more. An error of one is its answer; errors of all are returned.
func (w *verifyWorker) run(ctx context.Context) error {
	if err := w.jobs.Decode(&w.assignment); err != nil {
		return fmt.Errorf("read the assignment: %w", err)
	}
	if err := w.begin(); err != nil {
		return err
	}
	defer w.trial.Close()
	for {
		var job verifyJob
		if err := w.jobs.Decode(&job); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a job: %w", err)
		}
		if job.Begin > 0 {
			w.stage(quantize.StageOriginal)
			w.trial.Begin(ctx, job.Begin)
			continue
		}
		answer, err := w.do(ctx, job)
		if err != nil {
			var input *quantize.InputError
			answer = verifyAnswer{Error: err.Error(), Input: errors.As(err, &input), Full: quantize.OutOfRoom(err)}
		}
		w.say(answer)
	}
}

// begin loads the runtime and makes ready what examples come from.
func (w *verifyWorker) begin() (err error) {
	job := w.assignment
	if job.Dataset != nil {
		w.data = reading(*job.Dataset)
	}
	if w.backend, err = ort.Open(ort.Config{Library: job.Library.Path, SHA256: job.Library.SHA256, Preload: job.Library.Preload}); err != nil {
		return err
	}
	quantize.LeanMemory() // and what loading the runtime took
	w.generated = generatedSource(job.Original)
	source := w.source()
	if job.Dataset == nil && modelBytes(job.Original) > quantize.MostMadeUp {
		source = nil
	}
	w.trial = quantize.NewTrial(w.backend, job.Original, source)
	return nil
}

func (w *verifyWorker) do(ctx context.Context, job verifyJob) (a verifyAnswer, err error) {
	switch {
	case job.Origin:
		a.Version = w.backend.Info().Version
		if w.data != nil {
			d, err := w.data()
			if err != nil {
				return a, err
			}
			a.Data = d.SHA256
		}
	case job.Look != nil:
		w.stage("prepare the graph")
		looked, err := quantize.Look(ctx, w.backend, job.Look.Path, job.Look.Options)
		if err != nil {
			return a, err
		}
		a.Looked = &lookedValues{typed(looked.Inputs), typed(looked.Outputs)}
	case job.Calibrate != nil:
		a.Calibrated, err = quantize.Calibrate(ctx, w.backend, w.request(job.Calibrate), job.Calibrate.Path, job.Calibrate.Tensors)
		err = w.orUnread(err)
	case job.Rank != nil:
		a.Ranked, err = quantize.Rank(ctx, w.backend, w.request(job.Rank), job.Rank.Path)
		err = w.orUnread(err)
	case job.Try != nil:
		a.Result, err = w.try(ctx, *job.Try)
	}
	return a, err
}

// reading begins to read a data set, which is there until the process ends, and gives what waits for the end of that.
func reading(spec results.Dataset) func() (*dataset.Dataset, error) {
	open := sync.OnceValues(func() (*dataset.Dataset, error) { return dataset.OpenSpooled(spec) })
	go open()
	return open
}

// source gives the examples. Each caller gets one of its own.
func (w *verifyWorker) source() quantize.Source {
	if w.data == nil {
		return w.generated
	}
	return sourceOf(w.data, w.assignment.Original, w.assignment.Examples)
}

// request is what a job on a prepared graph is of.
func (w *verifyWorker) request(job *preparedJob) quantize.Request {
	return quantize.Request{Model: w.assignment.Original, Options: job.Options, Ranges: job.Ranges, Examples: w.source(), Count: w.count, Trying: w.stage,
		Progress: func(text string) { w.say(verifyAnswer{Progress: text}) }}
}

// orUnread is what is wrong with the data set, where that is why a job failed: it is read while the job's session is opened.
func (w *verifyWorker) orUnread(err error) error {
	if err != nil && w.data != nil {
		if _, unread := w.data(); unread != nil {
			return &quantize.InputError{Err: unread}
		}
	}
	return err
}

// count is how many examples are to be run, 0 where that is not known.
func (w *verifyWorker) count() int {
	if w.data == nil {
		return 0
	}
	d, err := w.data()
	if err != nil {
		return 0
	}
	return takenOf(d, w.assignment.Examples)
}

// try tries a quantized model.
func (w *verifyWorker) try(ctx context.Context, job quantize.VerifyJob) (*quantize.Verification, error) {
	v, err := w.trial.Run(ctx, job, w.stage)
	var input *quantize.InputError
	if errors.As(err, &input) && input.Ran && w.data == nil {
		input.Err = fmt.Errorf("%w; its inputs were made up: give examples with --calibration", input.Err)
	}
	if v != nil {
		v.Quality.Generated = w.assignment.Dataset == nil && v.Quality.Examples > 0
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
				return nil, false, fmt.Errorf("%w; examples are given with --calibration", err)
			}
			feeds = made
		}
		if i >= len(feeds) {
			return nil, false, nil
		}
		return feeds[i], true, nil
	}
}
