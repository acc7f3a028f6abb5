package analysis

import (
	"fmt"
	"math"
	"strings"

	"assay/results"
	"assay/results/stats"
)

// reached says how far the run came under its rule of precision; nil where it has none.
func (a *analyzer) reached() *results.Reached {
	p := a.spec.Until
	if p == nil {
		return nil
	}
	level := alpha / float64(max(1, len(a.spec.Looks)))
	r := &results.Reached{Metric: p.Metric, HalfWidth: p.HalfWidth, Looks: a.spec.Looks, Confidence: 1 - level, Blocks: a.completeBlocks(), Reached: true}
	widest := 0.0
	for i := range a.spec.Arms {
		interval := a.arms[a.spec.Arms[i].Name].interval(p.Metric, level)
		arm := results.ReachedArm{Arm: a.spec.Arms[i].Name, Value: interval.Value}
		if interval.Known() && interval.Value > 0 {
			width := max(interval.High/interval.Value-1, 1-interval.Low/interval.Value)
			arm.HalfWidth = &width
			widest = max(widest, width)
			r.Reached = r.Reached && width <= p.HalfWidth
		} else {
			r.Reached, widest = false, math.Inf(1)
		}
		r.Arms = append(r.Arms, arm)
	}
	text := fmt.Sprintf("every arm's %s is known to %.2g%% after %d blocks; %.2g%% were asked for", p.Metric, 100*widest, r.Blocks, 100*p.HalfWidth)
	switch {
	case math.IsInf(widest, 1):
		text = fmt.Sprintf("not every arm has an interval of %s after %d blocks; %.2g%% were asked for", p.Metric, r.Blocks, 100*p.HalfWidth)
	case !r.Reached:
		text += ", and not reached: add blocks, or lengthen the window"
	}
	a.report.Findings = append(a.report.Findings, fmt.Sprintf("stop.precision: %s (intervals at %.4g%% over %d declared looks)", text, 100*r.Confidence, len(r.Looks)))
	return r
}

// interval is that of a metric over the arm's trials at another level than the printed one.
func (d *armData) interval(metric string, level float64) stats.Interval {
	if f, ok := perTrial[metric]; ok {
		values, _ := d.values(f)
		return stats.PerTrial(values, level)
	}
	kind, name, _ := strings.Cut(metric, ".")
	samples, means := d.samples(kind)
	if name == "mean" {
		return stats.PerTrial(means, level)
	}
	for _, q := range quantiles {
		if q.name == name && len(samples) > 0 {
			return stats.PooledQuantile(samples, q.level, level)
		}
	}
	return stats.Interval{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
}

// samples are the trials' sorted times of a kind, and the mean of each trial.
func (d *armData) samples(kind string) (samples [][]float64, means []float64) {
	for _, t := range d.trials {
		v := map[string][]float64{"latency": t.latency, "service": t.service, "queue_wait": t.wait}[kind]
		if len(v) > 0 {
			samples, means = append(samples, v), append(means, mean(v))
		}
	}
	return samples, means
}

// mlperf is the tail of a load that runs by MLPerf's rule; nil for others.
func (d *armData) mlperf(l results.Load) *results.MLPerf {
	p, ok := map[string]float64{"single-stream": 0.9, "multi-stream": 0.99, "server": 0.99}[l.Scenario]
	if l.Rule != "mlperf" || !ok {
		return nil
	}
	m := &results.MLPerf{Percentile: p, Note: "MLPerf's early stopping at 99 %, which assumes that requests are independent"}
	for _, t := range d.trials {
		if bound, _, ok := stats.MLPerf(p).Bound(stats.Pooled{t.latency}); ok {
			m.Bounds = append(m.Bounds, &bound)
		} else {
			m.Bounds = append(m.Bounds, nil)
		}
		if t.seconds() >= l.Duration.Seconds()*(1-1e-9) && t.Counts.Scheduled >= l.MinRequests {
			m.Met++
		}
	}
	return m
}

// stopRules says what the loads' rules came to.
func (a *analyzer) stopRules() {
	for i := range a.report.Arms {
		r := &a.report.Arms[i]
		for _, l := range a.spec.Loads {
			if l.Name != r.Load {
				continue
			}
			if r.MLPerf = a.arms[r.Name].mlperf(l); r.MLPerf == nil {
				continue
			}
			worst := 0.0
			for _, b := range r.MLPerf.Bounds {
				if b == nil {
					worst = math.Inf(1)
				} else {
					worst = max(worst, *b)
				}
			}
			bound := fmt.Sprintf("at most %.4g ms in the worst trial", worst*1e3)
			if math.IsInf(worst, 1) {
				bound = "not bounded: too few requests"
			}
			a.report.Findings = append(a.report.Findings, fmt.Sprintf("stop.mlperf: %s: p%g %s (early stopping, assumes independent requests); %v and %d requests were reached in %d of %d trials",
				r.Name, 100*r.MLPerf.Percentile, bound, l.Duration, l.MinRequests, r.MLPerf.Met, len(r.MLPerf.Bounds)))
		}
	}
}
