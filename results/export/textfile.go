package export

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"assay/results"
)

// Definition is one metric as docs/metrics.md lists it. They describe the latest run.
type Definition struct {
	Name   string
	Type   string // gauge, summary
	Help   string
	Labels []string
}

// armLabels name an arm. A run, a host or a commit is no label: their number has no bound.
var armLabels = []string{"model", "variant", "provider", "batch", "threads", "load"}

// searchLabels name what a search measured: its arms are rates.
var searchLabels = []string{"model", "variant", "provider", "batch", "threads", "objective"}

func withSearch(labels ...string) []string { return append(slices.Clone(searchLabels), labels...) }

func withArm(labels ...string) []string { return append(slices.Clone(armLabels), labels...) }

var (
	latency        = Definition{"assay_result_latency_seconds", "summary", "Latency from the instant a request was due, by the summary's label quantile.", withArm()}
	latencyCI      = Definition{"assay_result_latency_ci_seconds", "summary", "Ends of the 95 % intervals of assay_result_latency_seconds, by quantile; its sum means nothing and is NaN.", withArm("bound")}
	throughput     = Definition{"assay_result_throughput_inferences_per_second", "gauge", "Inferences done in the measured window, over its length.", withArm()}
	throughputCI   = Definition{"assay_result_throughput_ci_inferences_per_second", "gauge", "Ends of the 95 % interval of assay_result_throughput_inferences_per_second.", withArm("bound")}
	cpu            = Definition{"assay_result_cpu_per_inference_seconds", "gauge", "Processor time of an inference.", withArm()}
	energy         = Definition{"assay_result_energy_per_inference_joules", "gauge", "Energy of an inference, gross; absent where it was not measured.", withArm()}
	energyCI       = Definition{"assay_result_energy_per_inference_ci_joules", "gauge", "Ends of the 95 % interval of assay_result_energy_per_inference_joules.", withArm("bound")}
	memory         = Definition{"assay_result_memory_peak_bytes", "gauge", "Peak memory of the trial's process (device host) or of the GPU (device gpu).", withArm("device")}
	size           = Definition{"assay_result_model_size_bytes", "gauge", "Size of the model with its external data.", withArm()}
	qualityValue   = Definition{"assay_result_quality_ratio", "gauge", "A quality metric, such as accuracy.", withArm("metric")}
	qualityCI      = Definition{"assay_result_quality_ci_ratio", "gauge", "Ends of the 95 % interval of assay_result_quality_ratio.", withArm("metric", "bound")}
	delta          = Definition{"assay_result_delta_ratio", "gauge", "A metric as a ratio to the baseline's, for metrics that are compared as ratios.", withArm("metric")}
	deltaCI        = Definition{"assay_result_delta_ci_ratio", "gauge", "Ends of the 95 % interval of assay_result_delta_ratio.", withArm("metric", "bound")}
	armTrials      = Definition{"assay_result_arm_trials", "gauge", "Trials of an arm by the verdict of their certificate: valid, suspect or invalid.", withArm("verdict")}
	issueLateness  = Definition{"assay_result_issue_lateness_seconds", "gauge", "How late the worst trial issued its requests, 99th percentile; open loads.", withArm()}
	unexplained    = Definition{"assay_result_unexplained_wait_seconds", "gauge", "What requests of the worst trial waited beyond an ideal queue with their services, 99th percentile; open loads.", withArm()}
	generatorShare = Definition{"assay_result_generator_share_ratio", "gauge", "Part of all latency that the queue and the services do not explain, of the worst trial; open loads.", withArm()}
	capacity       = Definition{"assay_result_capacity_requests_per_second", "gauge", "Highest rate that meets the objective of assay capacity; absent where none is known.", withSearch()}
	capacityBand   = Definition{"assay_result_capacity_band_requests_per_second", "gauge", "Ends of the band of assay capacity: at low the objective is met, at high it is missed.", withSearch("bound")}
	capacityStatus = Definition{"assay_result_capacity_status", "gauge", "Verdict of assay capacity: 1 pass, the band is settled; 0 inconclusive; -1 fail, no rate meets the objective.", withSearch()}
	gateStatus     = Definition{"assay_gate_status", "gauge", "A gate's verdict: 1 pass, 0 inconclusive or nothing measured, -1 fail.", []string{"model", "arm", "gate"}}
	verdict        = Definition{"assay_result_verdict", "gauge", "1 for the verdict of the run, 0 for the others.", []string{"model", "verdict"}}
	trials         = Definition{"assay_result_trials", "gauge", "Trials that gave figures, or failed.", []string{"model", "state"}}
	duration       = Definition{"assay_run_duration_seconds", "gauge", "How long the run took.", []string{"model"}}
	lastCompletion = Definition{"assay_run_last_completion_timestamp_seconds", "gauge", "When the run ended, in seconds since 1970.", []string{"model"}}
	lastSuccess    = Definition{"assay_run_last_success_timestamp_seconds", "gauge", "When the run ended, if it is complete, not invalid, and no gate failed; absent otherwise.", []string{"model"}}
)

// Definitions lists every metric of the textfile, in the order of the docs.
func Definitions() []Definition {
	return []Definition{latency, latencyCI, throughput, throughputCI, cpu, energy, energyCI, memory, size, qualityValue, qualityCI, delta, deltaCI,
		armTrials, issueLateness, unexplained, generatorShare, capacity, capacityBand, capacityStatus,
		gateStatus, verdict, trials, duration, lastCompletion, lastSuccess}
}

// simpleMetrics map a metric of the report to its gauge and that of its interval's ends, which may be nil.
var simpleMetrics = map[string]struct{ value, ends *Definition }{
	"throughput":           {&throughput, &throughputCI},
	"cpu.per_inference":    {&cpu, nil},
	"energy.per_inference": {&energy, &energyCI},
	"size.bytes":           {&size, nil},
}

// Textfile writes a report as Prometheus' text format, for the textfile collector of node_exporter. What was not measured, or only
// estimated, has no series.
func Textfile(w io.Writer, r *results.Report) error {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collect(r)); err != nil {
		return fmt.Errorf("export as Prometheus text: %w", err)
	}
	families, err := registry.Gather()
	if err != nil {
		return fmt.Errorf("export as Prometheus text: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("export as Prometheus text: %w", err)
		}
	}
	return nil
}

// textfile collects one report's series; it is a prometheus.Collector.
type textfile struct {
	model  string
	descs  map[string]*prometheus.Desc
	series []prometheus.Metric
}

// Describe implements prometheus.Collector.
func (t *textfile) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range Definitions() {
		ch <- t.descs[d.Name]
	}
}

// Collect implements prometheus.Collector.
func (t *textfile) Collect(ch chan<- prometheus.Metric) {
	for _, s := range t.series {
		ch <- s
	}
}

// set adds a gauge. A label that is no UTF-8 is mended as JSON would.
func (t *textfile) set(d Definition, value float64, labels ...string) {
	t.series = append(t.series, prometheus.MustNewConstMetric(t.descs[d.Name], prometheus.GaugeValue, value, valid(labels)...))
}

// summary adds quantiles. Its sum is NaN where no mean is known.
func (t *textfile) summary(d Definition, n uint64, sum float64, quantiles map[float64]float64, labels ...string) {
	t.series = append(t.series, prometheus.MustNewConstSummary(t.descs[d.Name], n, sum, quantiles, valid(labels)...))
}

func valid(labels []string) []string {
	out := make([]string, len(labels))
	for i, l := range labels {
		out[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return out
}

// interval adds both ends where they are known.
func (t *textfile) interval(d Definition, low, high *float64, labels ...string) {
	if low == nil || high == nil {
		return
	}
	t.set(d, *low, append(slices.Clone(labels), "low")...)
	t.set(d, *high, append(slices.Clone(labels), "high")...)
}

func collect(r *results.Report) *textfile {
	t := &textfile{model: r.Run.Name, descs: map[string]*prometheus.Desc{}}
	for _, d := range Definitions() {
		t.descs[d.Name] = prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
	}
	arms := map[string][]string{}
	for _, a := range r.Arms {
		arms[a.Name] = []string{t.model, a.Variant, results.ProviderLabel(a.Name, a.Variant, a.Provider), strconv.Itoa(a.Batch), strconv.Itoa(a.IntraOpThreads), a.Load}
		t.arm(a, arms[a.Name])
	}
	for _, c := range r.Comparisons {
		labels, known := arms[c.Arm]
		if !known || c.Ratio == nil {
			continue
		}
		labels = append(slices.Clone(labels), c.Metric)
		t.set(delta, *c.Ratio, labels...)
		t.interval(deltaCI, c.Low, c.High, labels...)
	}
	t.search(r, arms)
	t.run(r)
	return t
}

// search adds the answer of a search for the highest rate; arms are the labels of each.
func (t *textfile) search(r *results.Report, arms map[string][]string) {
	c := r.Capacity
	if c == nil {
		return
	}
	for _, a := range r.Arms {
		if !strings.HasPrefix(a.Name, c.Arm+".") {
			continue
		}
		labels := append(slices.Clone(arms[a.Name][:len(armLabels)-1]), c.SLO) // those of any probe, but for its load
		t.set(capacityStatus, map[string]float64{"pass": 1, "fail": -1}[c.Verdict], labels...)
		for _, g := range []struct {
			d     Definition
			v     *float64
			bound []string
		}{{capacity, c.Estimate, nil}, {capacityBand, c.Band.Passes, []string{"low"}}, {capacityBand, c.Band.Fails, []string{"high"}}} {
			if g.v != nil {
				t.set(g.d, *g.v, append(slices.Clone(labels), g.bound...)...)
			}
		}
		return
	}
}

func (t *textfile) arm(a results.ArmReport, labels []string) {
	with := func(more ...string) []string { return append(slices.Clone(labels), more...) }
	for name, m := range a.Metrics {
		if m.Kind == "estimated" {
			continue
		}
		family, rest, _ := strings.Cut(name, ".")
		simple, isSimple := simpleMetrics[name]
		switch {
		case isSimple:
			t.set(*simple.value, m.Value, labels...)
			if simple.ends != nil {
				t.interval(*simple.ends, m.Low, m.High, labels...)
			}
		case family == "quality":
			t.set(qualityValue, m.Value, with(rest)...)
			t.interval(qualityCI, m.Low, m.High, with(rest)...)
		case name == "memory.host.peak" || name == "memory.gpu.peak":
			t.set(memory, m.Value, with(strings.Split(name, ".")[1])...)
		}
	}
	t.latencies(a, labels)
	t.certificate(a.Certificate, labels)
}

// certificate adds how far the arm's figures can be trusted; what its load has no figure for has no series.
func (t *textfile) certificate(c *results.ArmCertificate, labels []string) {
	if c == nil {
		return
	}
	for verdict, n := range map[string]int{results.Valid: c.Valid, results.Suspect: c.Suspect, results.Invalid: c.Invalid} {
		t.set(armTrials, float64(n), append(slices.Clone(labels), verdict)...)
	}
	for _, g := range []struct {
		d Definition
		v *float64
	}{{issueLateness, c.LatenessP99}, {unexplained, c.UnexplainedP99}, {generatorShare, c.GeneratorShare}} {
		if g.v != nil {
			t.set(g.d, *g.v, labels...)
		}
	}
}

// latencies adds an arm's quantiles as a summary, the only kind of metric to which the label quantile belongs, and the ends of their
// intervals as two more.
func (t *textfile) latencies(a results.ArmReport, labels []string) {
	values, lows, highs := map[float64]float64{}, map[float64]float64{}, map[float64]float64{}
	n, sum := 0, math.NaN()
	for name, m := range a.Metrics {
		q, ok := quantileOf(strings.TrimPrefix(name, "latency."))
		if !ok || !strings.HasPrefix(name, "latency.") {
			continue
		}
		values[q], n = m.Value, max(n, m.N)
		if m.Low != nil && m.High != nil {
			lows[q], highs[q] = *m.Low, *m.High
		}
	}
	if mean, ok := a.Metrics["latency.mean"]; ok {
		sum = mean.Value * float64(n)
	}
	if len(values) > 0 {
		t.summary(latency, uint64(n), sum, values, labels...)
	}
	if len(lows) > 0 {
		t.summary(latencyCI, uint64(n), math.NaN(), lows, append(slices.Clone(labels), "low")...)
		t.summary(latencyCI, uint64(n), math.NaN(), highs, append(slices.Clone(labels), "high")...)
	}
}

// quantileOf turns p99.9 into 0.999; min and max into 0 and 1. A mean is no quantile.
func quantileOf(name string) (float64, bool) {
	switch name {
	case "min":
		return 0, true
	case "max":
		return 1, true
	}
	digits, ok := strings.CutPrefix(name, "p")
	percent, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || percent < 0 || percent > 100 {
		return 0, false
	}
	return math.Round(percent*1e6) / 1e8, true
}

func (t *textfile) run(r *results.Report) {
	ok, failed := 0, 0
	for _, a := range r.Arms {
		ok, failed = ok+a.Trials, failed+a.TrialsFailed
	}
	t.set(trials, float64(ok), t.model, "completed")
	t.set(trials, float64(failed), t.model, "failed")
	for _, v := range []string{"valid", "suspect", "invalid"} {
		t.set(verdict, map[bool]float64{true: 1}[r.Verdict == v], t.model, v)
	}
	success := r.Run.Status == "complete" && r.Verdict != "invalid"
	for _, g := range r.Gates {
		status := map[string]float64{results.GatePass: 1, results.GateFail: -1}[g.Verdict]
		success = success && g.Verdict != results.GateFail
		t.set(gateStatus, status, t.model, g.Arm, g.Rule)
	}
	if r.Run.Ended == nil {
		return
	}
	end := float64(r.Run.Ended.UnixMilli()) / 1e3
	t.set(duration, r.Run.Seconds, t.model)
	t.set(lastCompletion, end, t.model)
	if success {
		t.set(lastSuccess, end, t.model)
	}
}
