package report

import (
	"math"
	"slices"
	"strings"

	"assay/results"
)

// heading is a metric's short title.
func heading(metric string) string {
	if q, ok := strings.CutPrefix(metric, "latency."); ok {
		return q
	}
	if q, ok := strings.CutPrefix(metric, "quality."); ok {
		return q
	}
	switch metric {
	case "cpu.per_inference":
		return "CPU/inf"
	case "energy.per_inference":
		return "energy/inf"
	case "memory.host.peak":
		return "memory"
	case "memory.gpu.peak":
		return "GPU memory"
	case "size.bytes":
		return "size"
	}
	return metric
}

// higherIsBetter says which way a metric improves.
func higherIsBetter(metric string) bool {
	switch metric {
	case "quality.ece", "quality.nll", "quality.brier":
		return false
	}
	return strings.HasPrefix(metric, "throughput") || strings.HasPrefix(metric, "quality.")
}

// unitOf is a metric's base unit as the report gives it, for metrics that no arm has too.
func unitOf(arms []results.ArmReport, metric string) string {
	for _, a := range arms {
		if m, ok := a.Metrics[metric]; ok {
			return m.Unit
		}
	}
	return ""
}

// keyMetrics are the columns of the summary: always latency, throughput, cost and energy; GPU memory and size where there are any;
// then every quality metric.
func keyMetrics(arms []results.ArmReport) []string {
	metrics := []string{"latency.p50", "latency.p99", "throughput", "cpu.per_inference", "memory.host.peak"}
	if slices.ContainsFunc(arms, usesGPU) {
		metrics = append(metrics, "memory.gpu.peak")
	}
	metrics = append(metrics, "energy.per_inference")
	metrics = append(metrics, qualityMetrics(arms)...)
	if unitOf(arms, "size.bytes") != "" {
		metrics = append(metrics, "size.bytes")
	}
	return metrics
}

// usesGPU reports whether an arm's GPU memory is worth a column: it was measured, or its provider is not the CPU's.
func usesGPU(a results.ArmReport) bool {
	_, measured := a.Metrics["memory.gpu.peak"]
	provider, _, _ := strings.Cut(a.Provider, "-")
	return measured || provider != "cpu" && provider != "null"
}

// qualityMetrics lists the quality metrics that any arm has, accuracy first, then by name.
func qualityMetrics(arms []results.ArmReport) []string {
	var names []string
	for _, a := range arms {
		for name := range a.Metrics {
			if strings.HasPrefix(name, "quality.") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		for name := range a.NotMeasured {
			if strings.HasPrefix(name, "quality.") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == "quality.accuracy") != (b == "quality.accuracy") {
			if a == "quality.accuracy" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return names
}

// loadsOf lists the loads in the order of their first arm.
func loadsOf(arms []results.ArmReport) []string {
	var loads []string
	for _, a := range arms {
		if !slices.Contains(loads, a.Load) {
			loads = append(loads, a.Load)
		}
	}
	return loads
}

// armsOf are the arms of one load.
func armsOf(arms []results.ArmReport, load string) []results.ArmReport {
	var out []results.ArmReport
	for _, a := range arms {
		if a.Load == load {
			out = append(out, a)
		}
	}
	return out
}

// shortArm is an arm's name within a table of its load.
func shortArm(a results.ArmReport) string {
	return strings.TrimSuffix(a.Name, "."+a.Load)
}

// mixedSpread is how many times the least value of a column its greatest may be before one unit serves them no more.
const mixedSpread = 1000

// columnScale chooses one scale for a metric over several arms. It is the zero scale where their values differ too much for one unit:
// then every figure carries its own.
func columnScale(arms []results.ArmReport, metric string) scale {
	var values []float64
	lo, hi := math.Inf(1), 0.0
	for _, a := range arms {
		if m, ok := a.Metrics[metric]; ok {
			values = append(values, m.Value)
			if v := math.Abs(m.Value); v > 0 {
				lo, hi = math.Min(lo, v), math.Max(hi, v)
			}
		}
	}
	unit := unitOf(arms, metric)
	if hi/lo > mixedSpread && len(scalesOf[unit]) > 1 {
		return scale{}
	}
	return scaleOf(unit, values)
}

// scaleOfMetric chooses one scale for a chart's axis, whatever the spread.
func scaleOfMetric(arms []results.ArmReport, metric string) scale {
	var values []float64
	for _, a := range arms {
		if m, ok := a.Metrics[metric]; ok {
			values = append(values, m.Value)
		}
	}
	return scaleOf(unitOf(arms, metric), values)
}

// own reports whether figures of a column with this scale carry their own units.
func (s scale) own() bool { return s.factor == 0 }

// within chooses the scale of one figure in a column.
func (s scale) within(m results.Metric) scale {
	if s.own() {
		return scaleFor(m.Unit, m.Value)
	}
	return s
}

// change is a comparison's effect with its scale: a factor, or a difference in points or base units.
func change(c results.Comparison) (estimate, scale, bool) {
	switch {
	case c.Ratio != nil:
		return estimate{*c.Ratio, c.Low, c.High}, scale{1, "x"}, true
	case c.Difference != nil && (c.Unit == "ratio" || c.Unit == "" && strings.HasPrefix(c.Metric, "quality.")):
		return estimate{*c.Difference, c.Low, c.High}, scale{0.01, "pp"}, true
	case c.Difference != nil:
		return estimate{*c.Difference, c.Low, c.High}, scaleFor(c.Unit, *c.Difference), true
	}
	return estimate{}, scale{}, false
}

// comparedMetrics lists the metrics that were compared, in the order of the comparisons.
func comparedMetrics(comparisons []results.Comparison) []string {
	var names []string
	for _, c := range comparisons {
		if !slices.Contains(names, c.Metric) {
			names = append(names, c.Metric)
		}
	}
	return names
}

// gateScale is the scale of the figure that a gate judged: a loss of quality in points, a ratio to the baseline, or the metric's own unit.
func gateScale(g results.GateResult) scale {
	switch loss := strings.Contains(g.Rule, " loss_at_most "); {
	case loss && strings.HasPrefix(g.Metric, "quality."):
		return scale{0.01, "pp"}
	case loss || strings.HasSuffix(g.Rule, "x"):
		return scale{1, "x"}
	}
	return scaleFor(g.Unit, g.Bound)
}

// wantsAtLeast reports which side of a gate's bound is allowed. A loss of speed makes a ratio smaller where higher is better.
func wantsAtLeast(g results.GateResult) bool {
	if strings.Contains(g.Rule, " loss_at_most ") {
		return !strings.HasPrefix(g.Metric, "quality.") && higherIsBetter(g.Metric)
	}
	return strings.Contains(g.Rule, " at_least ")
}

// comparisonOf finds an arm's comparison in a metric. Quality is compared once a variant, so any of its arms stands for the others.
func comparisonOf(r *results.Report, a results.ArmReport, metric string) (results.Comparison, bool) {
	for _, c := range r.Comparisons {
		if c.Arm == a.Name && c.Metric == metric {
			return c, true
		}
	}
	if !strings.HasPrefix(metric, "quality.") {
		return results.Comparison{}, false
	}
	for _, c := range r.Comparisons {
		if c.Metric == metric && slices.ContainsFunc(r.Arms, func(b results.ArmReport) bool { return b.Name == c.Arm && b.Variant == a.Variant }) {
			return c, true
		}
	}
	return results.Comparison{}, false
}

// gateFigure prints what a gate judged, or why there is nothing to print.
func gateFigure(g results.GateResult) string {
	if g.Value == nil {
		return "not measured"
	}
	return estimate{*g.Value, g.Low, g.High}.with(figureScale(g))
}

// figureScale is gateScale fitted to what was measured, which may be far from the bound.
func figureScale(g results.GateResult) scale {
	if s := gateScale(g); s.unit == "pp" || s.unit == "x" {
		return s
	}
	return scaleFor(g.Unit, *g.Value)
}
