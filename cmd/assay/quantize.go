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
	"text/tabwriter"

	"github.com/spf13/cobra"

	"assay/backend/ort"
	"assay/onnx"
	"assay/quantize"
	"assay/results"
)

// quantizeFlags are the flags of `assay quantize`.
type quantizeFlags struct {
	optionFlags
	out, calibration, ranges, saveRanges, external, report, ortLibrary string
	examples                                                           int
	json, dryRun                                                       bool
}

// newQuantizeCmd makes a lower-precision variant of a model.
func newQuantizeCmd(a *app) *cobra.Command {
	var q quantizeFlags
	cmd := &cobra.Command{
		Use:   "quantize MODEL -o OUT",
		Short: "Make an int8 variant of a model, without Python",
		Long: `Makes a static int8 variant in QDQ form: int8 weights by channel, uint8 activations with ranges from calibration data, int32 biases.
The result is checked, run beside the original on the calibration examples, and only then left at OUT. What stays float is named with
its reason. Quantized is not always faster: measure it with ` + "`assay bench`" + `.`,
		Example: `  assay quantize model.onnx -o model-int8.onnx --calibration calib.npz
  assay quantize model.onnx -o model-int8.onnx --calibration calib.npz --save-ranges ranges.json --json
  assay quantize model.onnx -o model-int8.onnx --ranges ranges.json --exclude '^/head'`,
		Args: exactlyOne("an ONNX file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
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
	f.StringVar(&q.calibration, "calibration", "", "examples (.npz, one array an input) that give activation ranges")
	f.IntVar(&q.examples, "examples", 0, "use only the first N examples")
	f.StringVar(&q.ranges, "ranges", "", `use these activation ranges ({"tensor": [min, max]}), no calibration run`)
	f.StringVar(&q.saveRanges, "save-ranges", "", "write the activation ranges to this file")
	f.StringVar(&q.external, "external-data", "auto", "weights in OUT.data: auto (above 1.5 GiB), always, never")
	f.StringVar(&q.report, "report", "", "write the JSON report to this file too")
	f.StringVar(&q.ortLibrary, "ort-library", "", "ONNX Runtime library to use in place of the installed ones")
	f.BoolVar(&q.json, "json", false, "print the report as JSON")
	f.BoolVar(&q.dryRun, "dry-run", false, "say what would be quantized and write nothing")
	return cmd
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
	b, err := ort.Open(ort.Config{Library: library.Path, SHA256: library.SHA256})
	if err != nil {
		return usageError(err)
	}
	defer b.Close()
	req.Lineage[quantize.LineageRuntime] = b.Info().Version
	req.Verify = verifier(library, q.examplesSpec(), q.examples)
	res, err := quantize.Make(ctx, b, *req)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return usageError(err)
	}
	res.PeakRSSBytes = peakRSS()
	if q.saveRanges != "" {
		if err := saveJSON(q.saveRanges, res.Ranges); err != nil {
			return usageError(err)
		}
	}
	if q.report != "" {
		if err := saveJSON(q.report, res); err != nil {
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
	wrong(q.out == "" && !q.dryRun, "no output file given; add -o OUT.onnx")
	static := q.scheme == quantize.SchemeInt8Static
	wrong(static && q.calibration == "" && q.ranges == "", "static quantization needs --calibration FILE.npz, or --ranges FILE.json of an earlier run")
	wrong(!static && q.ranges != "", "--ranges are of static quantization; scheme %s needs none", q.scheme)
	wrong(q.calibration != "" && q.ranges != "", "--calibration and --ranges exclude each other")
	wrong(q.out != "" && sameFile(q.out, model), "the output is the model itself; choose another file")
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	req := &quantize.Request{Model: model, Out: q.out, Options: o, External: external}
	if q.dryRun {
		req.Out = ""
	}
	return req, q.data(req)
}

// data adds calibration examples or ranges, and the lineage.
func (q *quantizeFlags) data(req *quantize.Request) error {
	calibration, err := takeCalibration(req, q.examplesSpec(), q.examples, q.ranges)
	if err != nil {
		return err
	}
	sha, _, err := identifyModel(req.Model)
	if err != nil {
		return err
	}
	req.Lineage = quantize.Lineage(sha, calibration, req.Options, version())
	return nil
}

// examplesSpec describes the calibration file, nil where none is given.
func (q *quantizeFlags) examplesSpec() *results.Dataset {
	if q.calibration == "" {
		return nil
	}
	return &results.Dataset{Name: "calibration", Path: q.calibration}
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func saveJSON(path string, v any) error {
	return results.WriteFile(path, func(w io.Writer) error { return writeJSON(w, v) })
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func printQuantized(w io.Writer, r *quantize.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("model", "%s", r.Model)
	if r.Out != "" {
		row("written", "%s", r.Out)
		row("size", "%s -> %s", byteText(r.Bytes.Before), byteText(r.Bytes.After))
	}
	row("scheme", "%s", r.Scheme)
	row("nodes", "%d of %d in 8 bits", r.Nodes.Quantized, r.Nodes.Total)
	for _, line := range leftFloat(r.Nodes.LeftFloat) {
		row("left float", "%s", line)
	}
	if len(r.Fused) > 0 {
		row("fused", "%s", countsText(r.Fused))
	}
	for _, o := range r.Quality.Outputs {
		row("output", "%s", fidelityText(o, r.Quality))
	}
	if r.Exact != nil {
		for _, o := range r.Exact.Outputs {
			row("with VNNI", "%s", fidelityText(o, *r.Exact))
		}
	}
	row("time", "%.2f s calibration on %d examples, %.2f s quantization", r.Seconds.Calibrate, r.ExamplesCount, r.Seconds.Quantize)
	for _, warning := range r.Warnings {
		row("warning", "%s", warning)
	}
	return t.Flush()
}

// fidelityText says how near an output is to the original's.
func fidelityText(o quantize.OutputFidelity, f quantize.Fidelity) string {
	examples := fmt.Sprintf("on %d examples", f.Examples)
	if f.Generated {
		examples = fmt.Sprintf("on %d generated inputs", f.Examples)
	}
	if o.Identical {
		return fmt.Sprintf("%s: equal to the original's %s", o.Name, examples)
	}
	text := o.Name + ":"
	if o.SQNR != nil {
		text += fmt.Sprintf(" SQNR %.1f dB,", *o.SQNR)
	}
	if o.Agreement != nil {
		text += fmt.Sprintf(" agreement %.2f %%,", 100**o.Agreement)
	}
	return text + fmt.Sprintf(" largest difference %.3g, %s", o.MaxAbs, examples)
}

// leftFloat groups nodes by why they stay float, with the first few names of each group; --json names all.
func leftFloat(nodes []quantize.NodeLeft) (lines []string) {
	const shown = 4
	groups := map[string][]string{}
	var order []string
	for _, n := range nodes {
		if groups[n.Why] == nil {
			order = append(order, n.Why)
		}
		groups[n.Why] = append(groups[n.Why], n.Node)
	}
	for _, why := range order {
		names := groups[why]
		list := strings.Join(names[:min(shown, len(names))], ", ")
		if more := len(names) - shown; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, why+": "+list)
	}
	return lines
}
