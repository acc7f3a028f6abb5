package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
)

// contest is one way to quantize, as both tools spell it.
type contest struct {
	name            string
	ours, reference []string
}

// contests are compared on every model; those of static int8 calibrate.
func (p *peers) contests(data string) (chosen []contest) {
	calibrated := func(flags ...string) []string { return append(flags, "--calibration", data) }
	both := func(name string, flags ...string) contest { return contest{name, flags, flags} }
	for _, c := range []contest{
		{"static", calibrated(), calibrated("--per-channel")},
		{"static, reduced", calibrated("--reduce-range"), calibrated("--per-channel", "--reduce-range")},
		{"static by tensor", calibrated("--per-channel=false"), calibrated()},
		{"static, auto", calibrated("--method", "auto"), calibrated("--per-channel")},
		{"dynamic", []string{"--scheme", "int8-dynamic"}, []string{"--scheme", "int8-dynamic", "--per-channel"}},
		{"dynamic, all types", []string{"--scheme", "int8-dynamic", "--op-types", "all"}, []string{"--scheme", "int8-dynamic", "--per-channel"}},
		both("fp16", "--scheme", "fp16", "--keep-io"),
		both("int8-weight", "--scheme", "int8-weight"),
		both("int4-weight", "--scheme", "int4-weight"),
	} {
		if p.ways.MatchString(c.name) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// error prints for every model and way how near each tool's outputs are to the original's, in dB, ours first.
func (p *peers) error(models []string) error {
	var heads []string
	for _, c := range p.contests("") {
		heads = append(heads, c.name)
	}
	fmt.Printf("| model | %s |\n| --- |%s\n", strings.Join(heads, " | "), strings.Repeat(" --- |", len(heads)))
	for _, model := range models {
		cells := []string{name(model)}
		for _, c := range p.contests(p.examples(model)) {
			cells = append(cells, p.cell(model, c))
		}
		fmt.Printf("| %s |\n", strings.Join(cells, " | "))
	}
	return nil
}

// near is what comparing a made file with the original gave.
type near struct {
	db    float64 // of the worst output; infinite where all are equal
	fault string  // in place of it
}

func (n near) String() string {
	switch {
	case n.fault != "":
		return n.fault
	case math.IsInf(n.db, 1):
		return "equal"
	}
	return fmt.Sprintf("%.1f", n.db)
}

// cell compares the tools on one model, in bold where ours is the worse by more than half a dB or its file is broken. A refusal is no figure.
func (p *peers) cell(model string, c contest) string {
	ours := p.try(model, p.file(model, "-a.onnx"), p.ours, c.ours)
	theirs := p.try(model, p.file(model, "-b.onnx"), p.reference, c.reference)
	text := fmt.Sprintf("%s / %s", ours, theirs)
	if theirs.fault == "" && (ours.fault == "broken" || ours.fault == "" && ours.db < theirs.db-0.5) {
		return "**" + text + "**"
	}
	return text
}

// try makes a file by one tool and compares it with the original on the examples.
func (p *peers) try(model, out string, tool func(model, out string, flags ...string) []string, flags []string) near {
	os.Remove(out)
	if _, err := measure(tool(model, out, flags...)); err != nil || !fileExists(out) {
		fmt.Fprintln(os.Stderr, err)
		return near{fault: "none"}
	}
	if !strings.Contains(strings.Join(flags, " "), "fp16") && !p.quantized(out) {
		return near{fault: "unchanged"} // without a word
	}
	cmd := exec.Command(p.assay, "check", model, "--against", out, "--data", p.examples(model), "--json")
	var words bytes.Buffer
	cmd.Stderr = &words
	text, err := cmd.Output()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v: %s\n", out, err, lastLine(words.String()))
		return near{fault: "broken"}
	}
	return worst(text)
}

// quantized reports whether a file holds anything quantized.
func (p *peers) quantized(path string) bool {
	text, err := exec.Command(p.assay, "inspect", path, "--json").Output()
	var report struct{ Quantized bool }
	return err == nil && json.Unmarshal(text, &report) == nil && report.Quantized
}

// worst is the output with the lowest signal to noise ratio. The ratio is absent where outputs are equal.
func worst(text []byte) near {
	var report struct {
		Outputs []struct {
			SQNR   *float64 `json:"sqnr_db"`
			MaxAbs *float64 `json:"max_abs"`
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return near{fault: err.Error()}
	}
	n := near{db: math.Inf(1)}
	for _, o := range report.Outputs {
		if o.SQNR != nil {
			n.db = min(n.db, *o.SQNR)
		}
	}
	return n
}
