package export

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"assay/results"
)

var update = flag.Bool("update", false, "rewrite golden files")

func ptr(v float64) *float64 { return &v }

func sample() *results.Report {
	m := func(value float64, unit string) results.Metric {
		return results.Metric{Value: value, Unit: unit, Low: ptr(value * 0.98), High: ptr(value * 1.02), Confidence: 0.95, N: 1000}
	}
	arm := func(variant string, latency float64) results.ArmReport {
		return results.ArmReport{Name: variant + ".cpu.b1.t1.interactive", Variant: variant, Provider: "cpu", Batch: 1, IntraOpThreads: 1, Load: "interactive", Trials: 5,
			Metrics: map[string]results.Metric{"latency.p50": m(latency, "s"), "latency.p99.9": m(latency*3, "s"), "latency.mean": m(latency, "s"), "latency.max": {Value: latency * 9, Unit: "s"},
				"throughput": m(1/latency, "1/s"), "cpu.per_inference": m(latency, "s"), "memory.host.peak": m(5e7, "B"), "size.bytes": {Value: 1e6, Unit: "B"},
				"quality.accuracy": m(0.97, "ratio"), "energy.per_inference": {Value: 0.01, Unit: "J", Kind: "estimated"}}}
	}
	ended := time.Date(2026, 11, 23, 10, 1, 1, 5e8, time.UTC)
	r := &results.Report{Verdict: "valid", Run: results.RunSummary{Name: "digits", Started: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Ended: &ended, Seconds: 61.5, Status: "complete"},
		Arms: []results.ArmReport{arm("fp32", 0.002), arm("int8", 0.001)},
		Comparisons: []results.Comparison{
			{Arm: "int8.cpu.b1.t1.interactive", Metric: "latency.p50", Ratio: ptr(0.5), Low: ptr(0.49), High: ptr(0.51)},
			{Arm: "int8.cpu.b1.t1.interactive", Metric: "quality.accuracy", Difference: ptr(-0.01)}},
		Gates: []results.GateResult{
			{Rule: "latency.p99 at_most 0.8x", Arm: "int8.cpu.b1.t1.interactive", Verdict: results.GatePass},
			{Rule: "latency.p99 at_most 20ms", Arm: "int8.cpu.b1.t1.interactive", Verdict: results.GateInconclusive}}}
	r.Arms[1].TrialsFailed = 1
	r.Capacity = &results.Capacity{SLO: "p99<=20ms", Arm: "fp32.cpu.b1.t1", Verdict: "pass", Estimate: ptr(769.2), Band: results.Band{Passes: ptr(757.5), Fails: ptr(781)}}
	r.Arms[1].Certificate = &results.ArmCertificate{Valid: 3, Suspect: 1, LatenessP99: ptr(0.0002), UnexplainedP99: ptr(0.00025), GeneratorShare: ptr(0.031)}
	energy := m(0.0123, "J")
	energy.Kind = "measured"
	r.Arms[1].Metrics["energy.per_inference"] = energy
	return r
}

func TestTextfileOfASearch(t *testing.T) {
	r := sample()
	r.Capacity.Verdict, r.Capacity.Band.Fails = "inconclusive", nil
	var out bytes.Buffer
	if err := Textfile(&out, r); err != nil {
		t.Fatal(err)
	}
	labels := `{batch="1",%smodel="digits",objective="p99<=20ms",provider="cpu",threads="1",variant="fp32"} `
	for _, want := range []string{"assay_result_capacity_requests_per_second" + fmt.Sprintf(labels, "") + "769.2\n",
		"assay_result_capacity_band_requests_per_second" + fmt.Sprintf(labels, `bound="low",`) + "757.5\n", "assay_result_capacity_status" + fmt.Sprintf(labels, "") + "0\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(out.String(), `bound="high",model="digits",objective`) {
		t.Error("an end of the band that is not known")
	}
}

func TestTextfileGolden(t *testing.T) {
	var out bytes.Buffer
	if err := Textfile(&out, sample()); err != nil {
		t.Fatal(err)
	}
	const path = "testdata/sample.prom"
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, out.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTextfileIsCleanAndComplete(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collect(sample()))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		got = append(got, fmt.Sprint(f.GetName(), strings.ToLower(f.GetType().String()), labels))
	}
	for _, d := range Definitions() {
		labels := slices.Clone(d.Labels)
		slices.Sort(labels)
		want = append(want, fmt.Sprint(d.Name, d.Type, labels))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTextfileReadsBack(t *testing.T) {
	var out bytes.Buffer
	r := sample()
	r.Run.Name = "a\"b\\c\nd\xff" // whatever a file may be called
	if err := Textfile(&out, r); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&out)
	if err != nil {
		t.Fatal(err)
	}
	if got := families["assay_gate_status"].GetMetric()[0].GetLabel()[2].GetValue(); got != "a\"b\\c\nd�" {
		t.Errorf("model reads back as %q", got)
	}
}

func TestSuccessNeedsACompleteRunWithoutFailedGates(t *testing.T) {
	for name, spoil := range map[string]func(*results.Report){
		"failed gate": func(r *results.Report) { r.Gates[0].Verdict = results.GateFail },
		"invalid":     func(r *results.Report) { r.Verdict = "invalid" },
		"interrupted": func(r *results.Report) { r.Run.Status = "interrupted" },
	} {
		var out bytes.Buffer
		r := sample()
		spoil(r)
		if err := Textfile(&out, r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "last_success") {
			t.Errorf("%s: counted as a success", name)
		}
		if !strings.Contains(out.String(), "assay_run_last_completion_timestamp_seconds") {
			t.Errorf("%s: no time of completion", name)
		}
	}
}

func TestAbsentIsNotZero(t *testing.T) {
	var out bytes.Buffer
	if err := Textfile(&out, sample()); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.HasPrefix(line, "assay_result_energy") && strings.Contains(line, `variant="fp32"`) {
			t.Errorf("an estimate stands as measured: %s", line)
		}
	}
}
