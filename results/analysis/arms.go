package analysis

import (
	"fmt"
	"strings"

	"assay/results"
	"assay/results/stats"
)

// quantiles are those offered by name; min and max are levels 0 and 1.
var quantiles = []struct {
	name  string
	level float64
}{{"min", 0}, {"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}}

// armReport gives every figure of an arm that could be measured, and a reason for each that could not.
func (a *analyzer) armReport(spec *results.Arm, q *qualityData) results.ArmReport {
	d := a.arms[spec.Name]
	r := results.ArmReport{Name: spec.Name, Variant: spec.Variant, Provider: spec.Provider, Batch: spec.Batch, IntraOpThreads: spec.IntraOpThreads,
		Load: spec.Load, Rate: spec.Rate, Baseline: spec.Baseline, Against: spec.Against, Trials: len(d.trials), TrialsFailed: len(d.failed),
		Metrics: map[string]results.Metric{}, NotMeasured: map[string]string{}}
	for _, l := range a.spec.Loads {
		if l.Name == spec.Load {
			r.Scenario, r.Profile = l.Scenario, l.Profile
		}
	}
	for _, t := range d.failed {
		r.Failures = append(r.Failures, fmt.Sprintf("b%03d: %s: %s", t.Block, t.Status, t.Reason))
	}
	for _, t := range d.trials {
		r.Requests += t.Counts.Scheduled
		r.Failed += t.Counts.Failed
		r.Dropped += t.Counts.Dropped
		r.Timeout += t.Counts.Timeout
		r.NodesByProvider = t.NodesByProvider
	}
	d.latencies(r.Metrics, r.NotMeasured)
	r.Steady, _ = d.steadiness()
	r.Notes = d.notes()
	r.Certificate = d.certificate()
	tell(r.Certificate, r.Metrics)
	for name, m := range perTrial {
		values, reason := d.values(m)
		if reason != "" {
			r.NotMeasured[name] = reason
			continue
		}
		metric := metricOf(stats.PerTrial(values, alpha), m.unit)
		metric.Kind = m.kind
		r.Metrics[name] = m.annotate(metric, d)
	}
	if v := a.variant(spec.Variant); v != nil && v.Bytes > 0 {
		bytes := float64(v.Bytes)
		r.Metrics["size.bytes"] = results.Metric{Value: bytes, Unit: "B", Low: &bytes, High: &bytes, Confidence: 1, Method: "size of the model file and its external data", N: 1}
	}
	q.metrics(spec, r.Metrics, r.NotMeasured)
	a.judgeObjectives(&r)
	a.replaceOverloaded(&r)
	return r
}

func (a *analyzer) variant(name string) *results.Variant {
	for i := range a.spec.Variants {
		if a.spec.Variants[i].Name == name {
			return &a.spec.Variants[i]
		}
	}
	return nil
}

// unmeasured is why an arm has no request to take figures from.
func (d *armData) unmeasured() string {
	if len(d.trials) == 0 {
		return errNoTrials.Error()
	}
	return "no request ended well"
}

// latencies adds the quantiles and means of latency, service time and queue wait.
func (d *armData) latencies(metrics map[string]results.Metric, not map[string]string) {
	for kind, of := range map[string]func(*trialData) []float64{
		"latency":    func(t *trialData) []float64 { return t.latency },
		"service":    func(t *trialData) []float64 { return t.service },
		"queue_wait": func(t *trialData) []float64 { return t.wait },
	} {
		samples := make([][]float64, 0, len(d.trials))
		total := 0
		means := make([]float64, 0, len(d.trials))
		for _, t := range d.trials {
			v := of(t)
			samples = append(samples, v)
			total += len(v)
			if len(v) > 0 {
				means = append(means, mean(v))
			}
		}
		if total == 0 {
			for _, q := range quantiles {
				not[kind+"."+q.name] = d.unmeasured()
			}
			not[kind+".mean"] = d.unmeasured()
			continue
		}
		for _, q := range quantiles {
			if q.level < 1 && !supports(total, q.level) {
				not[kind+"."+q.name] = fmt.Sprintf("%s of %d requests would be their largest; it needs %.0f", q.name, total, 1/(1-q.level))
				continue
			}
			metrics[kind+"."+q.name] = metricOf(stats.PooledQuantile(samples, q.level, alpha), "s")
		}
		m := metricOf(stats.PerTrial(means, alpha), "s")
		m.N = total
		metrics[kind+".mean"] = m
	}
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// figure is a metric of which each trial has one value.
type figure struct {
	unit, kind string
	missing    string // why it is not there, where the trial does not say
	key        string // of a trial's not_measured
	of         func(t *trialData) (float64, bool)
}

// perTrial are the figures of which each trial has one.
var perTrial = map[string]figure{
	"throughput": {unit: "1/s", missing: "no inference ended within measure", of: func(t *trialData) (float64, bool) {
		return float64(t.inferences()) / t.seconds(), t.done > 0
	}},
	"throughput.requests": {unit: "1/s", missing: "no request ended within measure", of: func(t *trialData) (float64, bool) {
		return float64(t.done) / t.seconds(), t.done > 0
	}},
	"cpu.per_inference": {unit: "s", missing: "no inference ended within measure", of: func(t *trialData) (float64, bool) {
		p, _ := t.Phase("measure")
		return p.CPUSeconds / float64(t.inferences()), t.done > 0 && p.CPUSeconds > 0
	}},
	"memory.host.peak": {unit: "B", missing: "the kernel does not tell VmHWM", of: func(t *trialData) (float64, bool) {
		return float64(t.Process.PeakRSS), t.Process.PeakRSS > 0
	}},
	"memory.host.before_session": {unit: "B", missing: "the kernel does not tell VmHWM", of: func(t *trialData) (float64, bool) {
		return float64(t.Process.RSSBeforeSession), t.Process.RSSBeforeSession > 0
	}},
	"load.session_create":  {unit: "s", missing: "no session was created", of: phaseSeconds("session")},
	"load.first_inference": {unit: "s", missing: "no inference was made", of: phaseSeconds("first")},
	"energy.per_inference": {unit: "J", kind: "measured", key: "energy.per_inference", missing: "no sensor of energy was read", of: func(t *trialData) (float64, bool) {
		joules, ok := t.sensors("gpu.", ".energy", func(s results.SensorSummary) float64 { return s.Value })
		return joules / float64(t.inferences()), ok && t.done > 0
	}},
	"memory.gpu.peak": {unit: "B", key: "memory.gpu.peak", missing: "no GPU sensor was read", of: func(t *trialData) (float64, bool) {
		return t.sensors("gpu.", ".memory.used", func(s results.SensorSummary) float64 { return s.Max })
	}},
	"energy.cpu_package.per_inference": {unit: "J", kind: "measured", key: "energy.cpu_package.per_inference", missing: "no CPU energy counter was read",
		of: func(t *trialData) (float64, bool) {
			joules, ok := t.sensors("cpu.", ".energy", func(s results.SensorSummary) float64 { return s.Value })
			return joules / float64(t.inferences()), ok && t.done > 0
		}},
}

func phaseSeconds(name string) func(t *trialData) (float64, bool) {
	return func(t *trialData) (float64, bool) {
		p, ok := t.Phase(name)
		return p.Seconds(), ok
	}
}

// sensors adds up what a kind of sensor measured.
func (t *trialData) sensors(prefix, suffix string, value func(results.SensorSummary) float64) (sum float64, found bool) {
	for _, s := range t.Sensors {
		if strings.HasPrefix(s.Sensor, prefix) && strings.HasSuffix(s.Sensor, suffix) {
			sum += value(s)
			found = true
		}
	}
	return sum, found
}

// values gives the figure of each trial, or why it is not there. A figure that only some trials have is not given: the rest would bias it.
func (d *armData) values(f figure) (values []float64, reason string) {
	if len(d.trials) == 0 {
		return nil, errNoTrials.Error()
	}
	for _, t := range d.trials {
		v, ok := f.of(t)
		if !ok {
			if why := t.NotMeasured[f.key]; f.key != "" && why != "" {
				return nil, why
			}
			return nil, f.missing
		}
		values = append(values, v)
	}
	return values, ""
}

// annotate adds how an energy figure came about, and its sensors' warnings.
func (f figure) annotate(m results.Metric, d *armData) results.Metric {
	if f.unit != "J" {
		return m
	}
	seen := map[string]bool{}
	for _, t := range d.trials {
		for _, s := range t.Sensors {
			if !strings.HasSuffix(s.Sensor, ".energy") {
				continue
			}
			if !seen[s.Method] {
				seen[s.Method] = true
				m.Method = s.Method + "; " + m.Method
			}
			for _, w := range s.Warnings {
				if !seen[w] {
					seen[w] = true
					m.Warnings = append(m.Warnings, w)
				}
			}
		}
	}
	return m
}
