package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"assay/results"
)

// mangled draws a report with parts missing, contradicting each other or out of any scale, as another program might write one.
func mangled(t *rapid.T) *results.Report {
	number := rapid.OneOf(rapid.SampledFrom([]float64{0, -1, 1, 1e-300, 1e300, 0.5}), rapid.Float64Range(-10, 10))
	maybe := func(label string) *float64 {
		if rapid.Bool().Draw(t, label) {
			return nil
		}
		return ptr(number.Draw(t, label))
	}
	word := rapid.SampledFrom([]string{"", "fp32", "int8", "cpu", "quality.accuracy", "latency.p50", "throughput", "same", "pass", "<b>", "x at_most 0.8x", "offline"})
	count := rapid.IntRange(-1, 4)
	r := &results.Report{Verdict: word.Draw(t, "verdict"), Reasons: []string{word.Draw(t, "reason")}, Run: results.RunSummary{Seconds: number.Draw(t, "seconds"), Blocks: count.Draw(t, "blocks")}}
	if rapid.Bool().Draw(t, "ship") {
		r.Decision.Ship = ptr(word.Draw(t, "shipped"))
	}
	for range rapid.IntRange(0, 4).Draw(t, "arms") {
		a := results.ArmReport{Name: word.Draw(t, "name"), Variant: word.Draw(t, "variant"), Load: word.Draw(t, "load"), Scenario: word.Draw(t, "scenario"), Batch: count.Draw(t, "batch"),
			Rate: number.Draw(t, "rate"), Baseline: rapid.Bool().Draw(t, "baseline"), Against: word.Draw(t, "against"), TrialsFailed: count.Draw(t, "failed"), Metrics: map[string]results.Metric{}}
		for range rapid.IntRange(0, 4).Draw(t, "metrics") {
			a.Metrics[word.Draw(t, "metric")] = results.Metric{Value: number.Draw(t, "value"), Unit: rapid.SampledFrom([]string{"s", "B", "", "ratio", "1/s", "?"}).Draw(t, "unit"),
				Low: maybe("low"), High: maybe("high"), Kind: rapid.SampledFrom([]string{"", "estimated"}).Draw(t, "kind")}
		}
		r.Arms = append(r.Arms, a)
	}
	for range rapid.IntRange(0, 4).Draw(t, "comparisons") {
		r.Comparisons = append(r.Comparisons, results.Comparison{Arm: word.Draw(t, "arm"), Metric: word.Draw(t, "metric"), Ratio: maybe("ratio"), Difference: maybe("difference"),
			Low: maybe("low"), High: maybe("high"), P: maybe("p"), Verdict: word.Draw(t, "verdict")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "gates") {
		r.Gates = append(r.Gates, results.GateResult{Rule: word.Draw(t, "rule"), Arm: word.Draw(t, "arm"), Metric: word.Draw(t, "metric"), Verdict: word.Draw(t, "verdict"), Value: maybe("value"),
			Low: maybe("low"), High: maybe("high"), Bound: number.Draw(t, "bound"), MoreBlocks: count.Draw(t, "more")})
	}
	for range rapid.IntRange(0, 4).Draw(t, "trials") {
		p := results.TrialPoint{Arm: word.Draw(t, "arm"), Block: count.Draw(t, "block"), StartSeconds: number.Draw(t, "start"), EndSeconds: number.Draw(t, "end"), Status: word.Draw(t, "status")}
		for range rapid.IntRange(0, 4).Draw(t, "levels") {
			p.QuantileLevels = append(p.QuantileLevels, rapid.SampledFrom([]float64{0, 0.5, 0.99, 1, -3, 7}).Draw(t, "level"))
			p.LatencySeconds = append(p.LatencySeconds, number.Draw(t, "latency"))
		}
		if rapid.Bool().Draw(t, "uneven") && len(p.LatencySeconds) > 0 {
			p.LatencySeconds = p.LatencySeconds[1:]
		}
		r.Trials = append(r.Trials, p)
	}
	return r
}

func TestEveryFormTakesAnyReport(t *testing.T) {
	badNumber := regexp.MustCompile(`="[^"]*\b(?:NaN|[+-]?Inf)\b[^"]*"`)
	outside := regexp.MustCompile(`\b(?:cx|x1|x2|x|width)="(?:-|[0-9]{4})[^"]*%"`)
	rapid.Check(t, func(t *rapid.T) {
		r := mangled(t)
		for name, write := range map[string]func(io.Writer) error{
			"text":     func(w io.Writer) error { return Text(w, r, Options{Width: 60}) },
			"markdown": func(w io.Writer) error { return Markdown(w, r) },
			"html":     func(w io.Writer) error { return HTML(w, r) },
			"csv":      func(w io.Writer) error { return CSV(w, r) },
			"json":     func(w io.Writer) error { return JSON(w, r) },
		} {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if name != "html" {
				continue
			}
			if m := badNumber.FindString(out.String()); m != "" {
				t.Errorf("%.200q", m)
			}
			if m := outside.FindString(out.String()); m != "" {
				t.Errorf("outside its chart: %s", m)
			}
		}
	})
}

func TestEveryFormSaysWhatCannotBeWritten(t *testing.T) {
	r := rich()
	r.Arms[0].Metrics["latency.p50"] = results.Metric{Value: math.NaN(), Unit: "s"}
	if err := HTML(io.Discard, r); err == nil {
		t.Error("NaN was embedded as JSON")
	}
	full := writerThatFails{}
	for name, write := range map[string]func(io.Writer) error{
		"text":     func(w io.Writer) error { return Text(w, rich(), Options{}) },
		"markdown": func(w io.Writer) error { return Markdown(w, rich()) },
		"html":     func(w io.Writer) error { return HTML(w, rich()) },
		"csv":      func(w io.Writer) error { return CSV(w, rich()) },
		"json":     func(w io.Writer) error { return JSON(w, rich()) },
	} {
		if err := write(full); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: %v, want the writer's error", name, err)
		}
	}
}

type writerThatFails struct{}

func (writerThatFails) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }

func TestEstimatesStayOutOfMeasuredColumns(t *testing.T) {
	r := rich()
	for i := range r.Arms {
		if r.Arms[i].Variant == "int8" {
			r.Arms[i].Metrics["energy.per_inference"] = results.Metric{Value: 0.0042, Unit: "J", Kind: "estimated", Method: "power by data sheet"}
		}
	}
	const note = "estimated at 4.20 mJ for int8.cpu.b1.t1.interactive (power by data sheet)"
	text := string(render(t, func(w io.Writer) error { return Text(w, r, Options{}) }))
	if !strings.Contains(strings.Join(strings.Fields(text), " "), "energy.per_inference: "+note) {
		t.Errorf("no note of the estimate in\n%s", text)
	}
	if strings.Contains(text, "energy/inf (mJ)") && regexp.MustCompile(`(?m)^int8\S+ .*4\.20`).MatchString(text) {
		t.Error("the estimate stands in the column of what was measured")
	}
	if page := htmlText(string(htmlOf(t, r))); !strings.Contains(page, "energy.per_inference was not measured: ") || !strings.Contains(page, note) {
		t.Error("the page does not say that energy was only estimated")
	}
}
