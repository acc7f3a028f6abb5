package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"assay/backend"
	"assay/internal/install"
	"assay/onnx"
	"assay/quantize"
	"assay/results"
	"assay/tensor"
)

// quantizeFlags are the flags of `assay quantize`.
type quantizeFlags struct {
	optionFlags
	out, calibration, ranges, saveRanges, external, report, ortLibrary string
	examples                                                           int
	json, dryRun, sensitivity                                          bool
}

// newQuantizeCmd makes a lower-precision variant of a model.
func newQuantizeCmd(a *app) *cobra.Command {
	var q quantizeFlags
	cmd := &cobra.Command{
		Use:   "quantize MODEL -o OUT",
		Short: "Make a variant of a model with fewer bits, without Python",
		Long:  longQuantize(),
		Example: `  assay quantize model.onnx -o model-int8.onnx --calibration calib.npz
  assay quantize model.onnx -o model-int8.onnx --calibration calib.npz --method auto --keep-float 2 --json
  assay quantize model.onnx --calibration calib.npz --sensitivity
  assay quantize model.onnx -o model-dynamic.onnx --scheme int8-dynamic --reduce-range
  assay quantize model.onnx -o model-fp16.onnx --scheme fp16 --keep-io
  assay quantize model.onnx -o model-int8.onnx --ranges ranges.json --exclude '^/head'`,
		Args: exactlyOne("an ONNX file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), endings()...)
			defer stop()
			err := a.quantize(ctx, args[0], q)
			if errors.Is(err, context.Canceled) {
				return withCode(exitInterrupted, errors.New("interrupted; nothing was written"))
			}
			return err
		},
	}
	f := cmd.Flags()
	q.register(f)
	f.StringVarP(&q.out, "output", "o", "", "file to write")
	f.StringVar(&q.calibration, "calibration", "", "examples (.npz, one array an input) that give activation ranges, and that the result is compared with the original on")
	f.IntVar(&q.examples, "examples", 0, "use only the first N examples")
	f.StringVar(&q.ranges, "ranges", "", `use these activation ranges ({"tensor": [min, max]}), no calibration run`)
	f.StringVar(&q.saveRanges, "save-ranges", "", "write the activation ranges to this file")
	f.StringVar(&q.external, "external-data", "auto", "weights in OUT.data: auto (above 1.5 GiB), always, never")
	f.StringVar(&q.report, "report", "", "write the JSON report to this file too")
	f.StringVar(&q.ortLibrary, "ort-library", "", "ONNX Runtime library to use in place of the installed ones")
	f.BoolVar(&q.json, "json", false, "print the report as JSON")
	f.BoolVar(&q.dryRun, "dry-run", false, "say what would be quantized and write nothing")
	f.BoolVar(&q.sensitivity, "sensitivity", false, "rank units by the error of the outputs when each alone is quantized; without -o nothing else")
	return cmd
}

// endings are the signals that end a run in order. A hangup that was ignored, as nohup does, stays so.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

func longQuantize() string {
	text := `Makes a variant with fewer bits. int8-static, the default, is in QDQ form: int8 weights by channel, uint8 activations with ranges from
calibration data, int32 biases. The other schemes need no data: int8-dynamic quantizes activations while the model runs (MatMul, Gemm, LSTM,
Attention), int4-weight and int8-weight store weights in blocks, fp16 halves everything, for GPUs. The result is checked, run beside the original, and only then left at
OUT. What stays float is named with its reason. Quantized is not always faster: measure it with ` + "`assay bench`" + `.

Targets set what is not given by a flag:
`
	for _, t := range quantize.Targets {
		text += fmt.Sprintf("  %-9s %s: %s\n", t.Name, strings.Join(t.Settings(), " "), t.Why)
	}
	return text
}

func (a *app) quantize(ctx context.Context, model string, q quantizeFlags) error {
	req, err := q.request(model)
	if err != nil {
		return usageError(err)
	}
	req.Progress = func(text string) { fmt.Fprintln(a.stderr, text) }
	library, err := libraryFinder(q.ortLibrary)([]string{"cpu"})
	if err != nil {
		return usageError(err)
	}
	worker := verifyWith(req, library, q.examplesSpec(), q.examples)
	defer worker.Close()
	worker.prepareToo(ctx, req)
	identify, err := q.data(req)
	if err != nil {
		return usageError(err)
	}
	req.Later = lineageOf(req, worker, identify)
	beside := q.sideFiles(worker)
	req.Beside = beside
	res, err := quantize.Make(ctx, nil, *req) // the worker does what needs a backend
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return usageError(err)
	}
	worker.measure(res)
	if req.Out == "" {
		if err := install.Files(true, beside(res)...); err != nil {
			return usageError(err)
		}
	}
	if q.json {
		return writeJSON(a.stdout, res)
	}
	return printQuantized(a.stdout, res)
}

// request turns flags into a request; all mistakes are reported together.
func (q *quantizeFlags) request(model string) (*quantize.Request, error) {
	o, err := q.options()
	problems := []error{err}
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	external, known := map[string]onnx.External{"auto": onnx.ExternalAuto, "always": onnx.ExternalAlways, "never": onnx.ExternalNever}[q.external]
	wrong(!known, "--external-data %q: want auto, always or never", q.external)
	wrong(q.examples < 0, "--examples %d is negative", q.examples)
	wrong(q.out == "" && !q.dryRun && !q.sensitivity, "no output file given; add -o OUT.onnx")
	static := q.scheme == quantize.SchemeInt8Static
	wrong(static && q.calibration == "" && q.ranges == "", "static quantization needs --calibration FILE.npz, or --ranges FILE.json of an earlier run")
	wrong(q.ranges != "" && (q.changed("method") || q.changed("percentile")), "--ranges are what --method would compute; give one of them")
	wrong((q.sensitivity || q.keepFloat > 0) && q.calibration == "", "ranking units by sensitivity needs --calibration FILE.npz, on whose examples outputs are compared")
	wrong(q.examples > 0 && q.calibration == "", "--examples counts those of --calibration")
	problems = append(problems, q.refuseSame(model), q.refuseUnwritable())
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	req := &quantize.Request{Model: model, Out: q.out, Options: o, External: external, Rank: q.sensitivity}
	if q.dryRun {
		req.Out = ""
	}
	return req, nil
}

// data adds ranges, and that there are calibration examples, which the worker alone reads. identify names both, given the hash of the data set.
func (q *quantizeFlags) data(req *quantize.Request) (identify func(hash string) quantize.Calibrated, err error) {
	identity, _, err := takeCalibration(req, nil, 0, q.ranges)
	if err != nil {
		return nil, err
	}
	if spec := q.examplesSpec(); spec != nil {
		identity.Use = calibrationUse(spec.Inputs, q.examples)
		req.Examples = func([]backend.ValueInfo, int) ([]tensor.Value, bool, error) {
			return nil, false, errors.New("examples are in another process")
		}
	}
	return func(hash string) quantize.Calibrated {
		of := identity
		of.Data = hash
		return of
	}, nil
}

// lineageOf begins to hash the model, which can take longer than to quantize it, and gives the lineage when it is needed.
func lineageOf(req *quantize.Request, worker *verifier, identify func(hash string) quantize.Calibrated) func(ctx context.Context) (map[string]string, error) {
	type hashed struct {
		sha string
		err error
	}
	done := make(chan hashed, 1)
	go func() {
		sha, _, err := identifyModel(req.Model)
		done <- hashed{sha, err}
	}()
	return func(ctx context.Context) (map[string]string, error) {
		runtime, data, err := worker.origin(ctx)
		if err != nil {
			return nil, err
		}
		h := <-done
		lineage := quantize.Lineage(h.sha, identify(data), req.Options, version())
		lineage[quantize.LineageRuntime] = runtime
		return lineage, h.err
	}
}

// examplesSpec describes the calibration file, nil where none is given.
func (q *quantizeFlags) examplesSpec() *results.Dataset {
	if q.calibration == "" {
		return nil
	}
	return &results.Dataset{Name: "calibration", Path: q.calibration}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
