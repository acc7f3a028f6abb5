package quantize

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
)

// Levels are the runtime's optimisation levels, the one that is used last.
var Levels = []string{"disable", "basic", "extended", "layout", "all"}

// Verification is what trying a quantized model showed.
type Verification struct {
	Quality Fidelity `json:"quality"` // as this processor computes
	// Exact is the quality on processors whose 8-bit products do not saturate; nil where this is one.
	Exact    *Fidelity      `json:"exact,omitempty"`
	Fused    map[string]int `json:"fused"`
	Leftover []string       `json:"leftover"` // QuantizeLinear and DequantizeLinear nodes that the runtime did not fuse
}

// VerifyJob says what is tried.
type VerifyJob struct {
	Original string `json:"original"` // model file; "" where outputs are not compared
	Made     string `json:"made"`     // the quantized model
}

const (
	// fewCompared is on how many examples outputs are compared at least, where there are so many, and manyCompared at most.
	fewCompared, manyCompared = 8, 1024
	// compareTime is after how long no further example is begun.
	compareTime = 500 * time.Millisecond
)

// Verify loads a quantized model at every optimisation level of the CPU provider, counts what the runtime fuses at the highest, and runs
// it on the examples beside the original. stage, where not nil, is told what is tried next: after a crash of the runtime, which it is known
// to do on valid models, this is the only trace, so Verify is best called in a process of its own.
func Verify(ctx context.Context, be backend.Backend, job VerifyJob, examples Source, stage func(string)) (*Verification, error) {
	if stage == nil {
		stage = func(string) {}
	}
	dir, err := os.MkdirTemp("", "assay-verify")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	optimized := filepath.Join(dir, "optimized.onnx")
	stage("load it at every optimisation level")
	made, err := loadAll(ctx, be, job.Made, optimized)
	if err != nil {
		return nil, err
	}
	defer made.Close()
	v := &Verification{}
	if v.Fused, v.Leftover, err = count(optimized); err != nil {
		return nil, err
	}
	if job.Original == "" || examples == nil {
		return v, nil
	}
	stage("run it beside the original")
	original, err := be.Open(ctx, job.Original, cpuOptions(nil))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", job.Original, err)
	}
	defer original.Close()
	compared := []backend.Session{made}
	if saturates && multipliesBytes(v.Fused) {
		exact, err := openExact(ctx, be, job.Made, dir)
		if err != nil {
			return nil, fmt.Errorf("open it for products that do not saturate: %w", err)
		}
		defer exact.Close()
		compared = append(compared, exact)
	}
	quality, err := compareModels(ctx, original, compared, examples)
	if err != nil {
		return nil, err
	}
	if v.Quality = quality[0]; len(quality) > 1 {
		v.Exact = &quality[1]
	}
	return v, nil
}

// loadAll opens a model at all levels, several at a time, and returns the session of the highest, whose graph it writes to optimized.
func loadAll(ctx context.Context, be backend.Backend, path, optimized string) (backend.Session, error) {
	sessions, problems := make([]backend.Session, len(Levels)), make([]error, len(Levels))
	highest := len(Levels) - 1
	var wg sync.WaitGroup
	for i, level := range Levels {
		wg.Go(func() {
			o := backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: level}
			if i == highest {
				o.OptimizedPath = optimized
				o.Config = map[string]string{"session.optimized_model_external_initializers_file_name": filepath.Base(optimized) + ".data",
					"session.optimized_model_external_initializers_min_size_in_bytes": "1024"}
			}
			s, err := be.Open(ctx, path, o)
			if err == nil && i != highest {
				err = s.Close()
			}
			if sessions[i] = s; err != nil {
				problems[i] = fmt.Errorf("at optimisation level %s: %w", level, err)
			}
		})
	}
	wg.Wait()
	err := errors.Join(problems...)
	if err != nil && problems[highest] == nil {
		sessions[highest].Close()
	}
	return sessions[highest], err
}

// compareModels runs the original and sessions of the quantized model on examples: on a few at least, and on more while that is quick. It says
// how near each session's outputs are.
func compareModels(ctx context.Context, original backend.Session, made []backend.Session, examples Source) ([]Fidelity, error) {
	sums := make([]*comparison, len(made))
	for k := range made {
		sums[k] = newComparison(original.Outputs())
	}
	begun := time.Now()
	for i := 0; i < manyCompared && (i < fewCompared || time.Since(begun) < compareTime); i++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		feeds, more, err := examples(original.Inputs(), i)
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", i, err)
		}
		if !more {
			break
		}
		want, err := original.Run(ctx, feeds)
		if err != nil {
			return nil, fmt.Errorf("run the original on example %d: %w", i, err)
		}
		for k, s := range made {
			got, err := s.Run(ctx, feeds)
			if err != nil {
				return nil, fmt.Errorf("run it on example %d: %w", i, err)
			}
			if err := sums[k].add(want, got); err != nil {
				return nil, fmt.Errorf("example %d: %w", i, err)
			}
			if n := sums[k].broken(); n > 0 {
				return nil, fmt.Errorf("on example %d, %d elements of its outputs are NaN or infinite that are finite in the original's, or the other way round; keep what leads there in float with --exclude", i, n)
			}
		}
	}
	out := make([]Fidelity, len(sums))
	for k := range sums {
		out[k] = sums[k].fidelity()
	}
	return out, nil
}

// verify tries the result where Request says, and puts what was seen into the result of the quantization.
func (q *Request) verify(ctx context.Context, be backend.Backend, made string, res *Result) error {
	job := VerifyJob{Original: q.Model, Made: made}
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
	warn := func(format string, args ...any) { res.Warnings = append(res.Warnings, fmt.Sprintf(format, args...)) }
	if n := len(v.Leftover); n > 0 && len(v.Fused) > 0 {
		warn("%d QuantizeLinear and DequantizeLinear nodes remain in the optimised graph (%s); each costs time at a border between 8 bits and float", n, someOf(v.Leftover))
	}
	worth := v.Quality
	if v.Exact != nil {
		worth = *v.Exact
		if text := saturationWarning(q.Options, v.Quality, worth); text != "" {
			warn("%s", text)
		}
	}
	switch db := worth.SQNR; {
	case v.Quality.Examples == 0:
		warn("outputs were not compared with the original's: there are no examples")
	case db != nil && *db < faintSQNR:
		warn("the outputs are far from the original's: %.1f dB; keep the most sensitive nodes in float with --keep-float or --exclude, and look at the quality on your task", *db)
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

// lowPrecision are the operators by which the runtime computes on quantized values, by the beginning of their names.
var lowPrecision = []string{"QLinear", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantize", "QAttention", "MatMulNBits", "GatherBlockQuantized", "QMoE", "QOrdered"}

// count gives the low-precision operators of an optimised model, and the Q/DQ nodes that were not fused; those at the model's own inputs
// and outputs are not counted, because floats come and go there.
func count(path string) (fused map[string]int, leftover []string, err error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer m.Close()
	border := map[string]bool{}
	for _, v := range append(m.Inputs(), m.Proto.Graph.Output...) {
		border[v.Name] = true
	}
	fused = map[string]int{}
	m.EachNode(func(n *onnxpb.NodeProto) {
		if (n.OpType == "QuantizeLinear" && !border[n.Input[0]]) || (n.OpType == "DequantizeLinear" && !border[n.Output[0]]) {
			leftover = append(leftover, nodeName(n))
		}
		if n.OpType != "DynamicQuantizeLinear" && slices.ContainsFunc(lowPrecision, func(prefix string) bool { return strings.HasPrefix(n.OpType, prefix) }) {
			fused[n.OpType]++
		}
	})
	return fused, leftover, nil
}
