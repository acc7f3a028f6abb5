package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"assay/quantize"
)

func printQuantized(w io.Writer, r *quantize.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("model", "%s", r.Model)
	if r.Out != "" {
		row("written", "%s", r.Out)
		row("size", "%s -> %s", byteText(r.Bytes.Before), byteText(r.Bytes.After))
	}
	row("scheme", "%s", r.Scheme)
	if t := r.Target; t != nil {
		row("target", "%s: %s", t.Name, strings.Join(t.Settings, " "))
	}
	row("nodes", "%d of %d quantized", r.Nodes.Quantized, r.Nodes.Total)
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
	if c := r.Calibration; c != nil {
		row("ranges", "%s", calibrationText(c))
	}
	for i, u := range r.Sensitivity[:min(len(r.Sensitivity), shownUnits)] {
		row("sensitivity", "%s", unitText(i+1, &u))
	}
	if more := len(r.Sensitivity) - shownUnits; more > 0 {
		row("sensitivity", "%d units that cost less; --json names all", more)
	}
	row("time", "%s", timeText(r))
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

// shownUnits is how many of the most sensitive units are printed.
const shownUnits = 10

func unitText(rank int, u *quantize.UnitScore) string {
	text := fmt.Sprintf("%d. %s (%s)", rank, u.Name, u.Kind)
	switch {
	case u.NonFinite > 0:
		return text + ": makes outputs NaN or infinite"
	case u.SQNR == nil:
		return text + ": no difference"
	}
	text += fmt.Sprintf(": SQNR %.1f dB", *u.SQNR)
	if u.Agreement != nil {
		text += fmt.Sprintf(", agreement %.2f %%", 100**u.Agreement)
	}
	return text + ", weights " + byteText(u.WeightBytes)
}

// calibrationText says how ranges came to be.
func calibrationText(c *quantize.Calibration) string {
	text := c.Method
	if c.Clipped > 0 {
		text += fmt.Sprintf(", %.2g %% of values cut off", 100*c.Clipped)
	}
	for i, t := range c.Tried {
		sep := ", "
		if i == 0 {
			sep = "; tried "
		}
		text += sep + t.Method
		if t.SQNR != nil {
			text += fmt.Sprintf(" %.1f dB", *t.SQNR)
		}
	}
	return text
}

func timeText(r *quantize.Result) string {
	var parts []string
	if r.ExamplesCount > 0 {
		parts = append(parts, fmt.Sprintf("%.2f s calibration on %d examples", r.Seconds.Calibrate, r.ExamplesCount))
	}
	if len(r.Sensitivity) > 0 {
		parts = append(parts, fmt.Sprintf("%.2f s sensitivity of %d units", r.Seconds.Sensitivity, len(r.Sensitivity)))
	}
	return strings.Join(append(parts, fmt.Sprintf("%.2f s quantization", r.Seconds.Quantize)), ", ")
}
