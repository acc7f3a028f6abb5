package analysis

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"assay/results"
	"assay/results/quality"
	"assay/results/stats"
)

// primary metrics are judged together, Holm over arms and metrics; the others are exploratory.
var primary = []string{"latency.p50", "latency.p99", "throughput"}

// exploratory metrics are compared on their raw p-values and say so.
var exploratory = []string{"service.p50", "cpu.per_inference", "memory.host.peak", "load.session_create", "load.first_inference",
	"energy.per_inference", "energy.cpu_package.per_inference", "memory.gpu.peak"}

// higherIsBetter are the metrics of which more is better; of all others less is.
func higherIsBetter(metric string) bool {
	return strings.HasPrefix(metric, "throughput") || metric == "quality.accuracy" || metric == "quality.agreement"
}

// compareArms compares each arm with its baseline, block by block.
func (a *analyzer) compareArms() {
	var family []int // indices of primary comparisons
	for i := range a.spec.Arms {
		arm := &a.spec.Arms[i]
		if arm.Against == "" || arm.Against == arm.Name {
			continue
		}
		for _, metric := range primary {
			if c, ok := a.compare(arm, metric); ok {
				family = append(family, len(a.report.Comparisons))
				a.report.Comparisons = append(a.report.Comparisons, c)
			}
		}
		for _, metric := range exploratory {
			if c, ok := a.compare(arm, metric); ok {
				c.Warnings = append(c.Warnings, "exploratory")
				a.word(&c, c.P)
				a.report.Comparisons = append(a.report.Comparisons, c)
			}
		}
	}
	p := make([]float64, len(family))
	for k, i := range family {
		p[k] = math.NaN()
		if v := a.report.Comparisons[i].P; v != nil {
			p[k] = *v
		}
	}
	for k, adjusted := range stats.Holm(p) {
		c := &a.report.Comparisons[family[k]]
		if !math.IsNaN(adjusted) {
			c.PAdjusted = &adjusted
		}
		a.word(c, c.PAdjusted)
	}
}

// word gives a comparison its verdict from the p-value that counts for it.
func (a *analyzer) word(c *results.Comparison, p *float64) {
	c.Verdict = results.Unclear
	if p == nil || c.Ratio == nil || c.Low == nil || c.High == nil {
		return
	}
	c.Verdict = stats.Verdict(*c.Low, *c.High, *c.Ratio, *p, !higherIsBetter(c.Metric))
}

func (a *analyzer) compare(arm *results.Arm, metric string) (results.Comparison, bool) {
	base, variant := a.pairs(arm, metric)
	if len(variant) == 0 {
		return results.Comparison{}, false
	}
	e := stats.Paired(base, variant, alpha)
	c := results.Comparison{Baseline: arm.Against, Arm: arm.Name, Metric: metric, Scale: e.Scale, Method: e.Method, N: e.N, Warnings: e.Warnings, Verdict: results.Unclear}
	if strings.HasPrefix(metric, "latency.p") || strings.HasPrefix(metric, "service.p") {
		c.Method = strings.Replace(c.Method, "per-trial values", "per-trial quantiles", 1)
	}
	estimate := e.Estimate
	if e.Scale == "ratio" {
		c.Ratio = &estimate
	} else {
		c.Difference = &estimate
	}
	if e.Known() && !a.spec.Fast {
		low, high, p := e.Low, e.High, e.P
		c.Low, c.High, c.P, c.Confidence = &low, &high, &p, 1-alpha
	}
	if a.spec.Fast {
		c.Warnings = append(c.Warnings, "--fast: a look, not a verdict")
	}
	return c, true
}

// pairs gives the metric of an arm and of its baseline in every block that has both.
func (a *analyzer) pairs(arm *results.Arm, metric string) (base, variant []float64) {
	of := a.perTrialValue(metric)
	against := a.arms[arm.Against]
	if of == nil || against == nil {
		return nil, nil
	}
	baseline := map[int]float64{}
	for _, t := range against.trials {
		if v, ok := of(t); ok {
			baseline[t.Block] = v
		}
	}
	for _, t := range a.arms[arm.Name].trials {
		v, ok := of(t)
		if b, both := baseline[t.Block]; ok && both {
			base, variant = append(base, b), append(variant, v)
		}
	}
	return base, variant
}

// perTrialValue gives how a trial is reduced to one value of the metric; nil for metrics that trials do not have.
func (a *analyzer) perTrialValue(metric string) func(*trialData) (float64, bool) {
	if f, ok := perTrial[metric]; ok {
		return f.of
	}
	kind, name, ok := strings.Cut(metric, ".")
	if !ok {
		return nil
	}
	var samples func(*trialData) []float64
	switch kind {
	case "latency":
		samples = func(t *trialData) []float64 { return t.latency }
	case "service":
		samples = func(t *trialData) []float64 { return t.service }
	case "queue_wait":
		samples = func(t *trialData) []float64 { return t.wait }
	default:
		return nil
	}
	if name == "mean" {
		return func(t *trialData) (float64, bool) { return mean(samples(t)), len(samples(t)) > 0 }
	}
	for _, q := range quantiles {
		if q.name == name {
			return func(t *trialData) (float64, bool) { return stats.Quantile(samples(t), q.level), len(samples(t)) > 0 }
		}
	}
	return nil
}

// compareQuality compares task metrics of variants, once for each variant: they do not depend on the load. Comparisons name the
// first arm of each.
func (a *analyzer) compareQuality(q *qualityData) {
	seen := map[string]bool{}
	for i := range a.spec.Arms {
		arm := &a.spec.Arms[i]
		base, variant := q.of(a.spec.Baseline), q.of(arm.Variant)
		if arm.Against == "" || arm.Variant == a.spec.Baseline || base == nil || variant == nil || seen[arm.Variant] {
			continue
		}
		seen[arm.Variant] = true
		if q.wants("accuracy") {
			f := quality.Compare(base, variant)
			loss, low, high, p := quality.Loss(f, alpha)
			a.addQuality(arm, "quality.accuracy", -loss, -high, -low, p, f.N(), "Tango score interval, McNemar mid-p, paired by example")
		}
		if q.wants("ece") {
			if e, p, ok := quality.ECEDifference(base, variant, a.spec.Seed); ok {
				a.addQuality(arm, "quality.ece", e.Value, e.Low, e.High, p, e.N, e.Method)
			}
		}
	}
}

func (a *analyzer) addQuality(arm *results.Arm, metric string, difference, low, high, p float64, n int, method string) {
	c := results.Comparison{Baseline: arm.Against, Arm: arm.Name, Metric: metric, Scale: "difference", Unit: "ratio", Difference: &difference, Low: &low, High: &high,
		Confidence: 1 - alpha, P: &p, Method: method, N: n, Verdict: results.Unclear, Warnings: []string{"exploratory"}}
	if p < 0.05 {
		c.Verdict = results.Worse
		if (difference > 0) == higherIsBetter(metric) {
			c.Verdict = results.Better
		}
	}
	a.report.Comparisons = append(a.report.Comparisons, c)
}

// comparison finds one in the report.
func (a *analyzer) comparison(arm, metric string) *results.Comparison {
	i := slices.IndexFunc(a.report.Comparisons, func(c results.Comparison) bool {
		return cmp.Or(cmp.Compare(c.Arm, arm), cmp.Compare(c.Metric, metric)) == 0
	})
	if i < 0 {
		return nil
	}
	return &a.report.Comparisons[i]
}
