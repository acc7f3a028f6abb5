package analysis

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"assay/results"
	"assay/results/quality"
	"assay/results/stats"
)

// ErrGate is a gate that cannot be judged because it is written wrongly: it names no arm, no known metric or no bound.
var ErrGate = errors.New("gate")

// judgeGates judges every rule on every arm that it matches. All mistakes are reported together, wrapping ErrGate.
func (a *analyzer) judgeGates(gates []results.Gate, q *qualityData) ([]results.GateResult, error) {
	out := []results.GateResult{}
	var problems []error
	for _, g := range gates {
		text, side := g.AtMost, "at_most"
		switch {
		case g.AtLeast != "":
			text, side = g.AtLeast, "at_least"
		case g.LossAtMost != "":
			text, side = g.LossAtMost, "loss_at_most"
		}
		bound, err := stats.ParseBound(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%w %q: %w", ErrGate, g.Rule(), err))
			continue
		}
		if !strings.HasPrefix(g.Metric, "quality.") && g.Metric != "size.bytes" && a.perTrialValue(g.Metric) == nil {
			problems = append(problems, fmt.Errorf("%w %q: metric %s is not known", ErrGate, g.Rule(), g.Metric))
			continue
		}
		matched := false
		for i := range a.spec.Arms {
			arm := &a.spec.Arms[i]
			if g.Arm != arm.Name && g.Arm != arm.Variant {
				continue
			}
			matched = true
			j := judgement{analyzer: a, gate: g, side: side, bound: bound, arm: arm, alpha: a.gateAlpha(g), quality: q}
			out = append(out, j.result())
		}
		if !matched {
			problems = append(problems, fmt.Errorf("%w %q: %q is no variant and no arm of this run; it has %s", ErrGate, g.Rule(), g.Arm, a.variantNames()))
		}
	}
	return out, errors.Join(problems...)
}

func (a *analyzer) variantNames() string {
	var names []string
	for _, v := range a.spec.Variants {
		names = append(names, v.Name)
	}
	return strings.Join(names, ", ")
}

// gateAlpha spreads a gate's level over the planned looks.
func (a *analyzer) gateAlpha(g results.Gate) float64 {
	level := g.Alpha
	if level == 0 {
		level = alpha
	}
	return level / float64(max(1, len(a.spec.Looks)))
}

// judgement is one rule on one arm.
type judgement struct {
	*analyzer
	gate    results.Gate
	side    string
	bound   stats.Bound
	arm     *results.Arm
	alpha   float64
	quality *qualityData
}

func (j *judgement) result() results.GateResult {
	r := results.GateResult{Rule: j.gate.Rule(), Arm: j.arm.Name, Metric: j.gate.Metric, Bound: j.bound.Value, Verdict: results.GateNothing}
	switch {
	case strings.HasPrefix(j.gate.Metric, "quality."):
		j.judgeQuality(&r)
	case j.bound.Relative || j.side == "loss_at_most":
		j.judgeRatio(&r)
	default:
		j.judgeAbsolute(&r)
	}
	if r.Verdict != results.GateNothing && j.report.Verdict == "invalid" {
		r.Verdict = results.GateInconclusive
		r.Why = "the run is invalid, so no gate can be judged; " + r.Why
	}
	j.doubt(&r)
	return r
}

// settle fills in figures and verdict from an interval on the gate's own scale.
func (j *judgement) settle(r *results.GateResult, value, low, high, limit float64, atMost bool, unit string) {
	r.Value, r.Unit = &value, unit
	if !math.IsNaN(low) && !math.IsNaN(high) {
		r.Low, r.High = &low, &high
	}
	r.Verdict = stats.Judge(low, high, limit, atMost)
	keeps := map[bool]string{true: "at most", false: "at least"}[atMost]
	switch r.Verdict {
	case results.GatePass:
		r.Why = fmt.Sprintf("the whole interval is %s the bound", keeps)
	case results.GateFail:
		r.Why = "the whole interval is beyond the bound"
	default:
		r.Why = "the interval contains the bound"
		if r.Low == nil {
			r.Why = "there is no interval: too few trials"
		}
	}
}

// judgeRatio judges the ratio to the baseline's arm over blocks.
func (j *judgement) judgeRatio(r *results.GateResult) {
	if j.arm.Against == "" || j.arm.Against == j.arm.Name {
		r.Why = "this arm has no baseline to be compared with"
		return
	}
	base, variant := j.pairs(j.arm, j.gate.Metric)
	e := stats.Paired(base, variant, j.alpha)
	if e.N == 0 || e.Scale != "ratio" {
		r.Why = j.whyMissing()
		return
	}
	limit, atMost := j.bound.Value, j.side == "at_most"
	if j.side == "loss_at_most" { // 2% worse, whichever way worse is
		atMost = !higherIsBetter(j.gate.Metric)
		if limit = 1 + j.bound.Value; !atMost {
			limit = 1 - j.bound.Value
		}
		r.Bound = limit
	}
	j.settle(r, e.Estimate, e.Low, e.High, limit, atMost, "ratio")
	if r.Verdict == results.GateInconclusive {
		r.MoreBlocks = stats.MoreBlocks(math.Log(limit)-math.Log(e.Estimate), e.SD, e.N, j.alpha)
	}
}

// judgeAbsolute judges the arm's own figure against a bound in its unit.
func (j *judgement) judgeAbsolute(r *results.GateResult) {
	for _, arm := range j.report.Arms {
		if arm.Name != j.arm.Name {
			continue
		}
		m, ok := arm.Metrics[j.gate.Metric]
		if !ok {
			r.Why = j.whyMissing()
			return
		}
		low, high := math.NaN(), math.NaN()
		if m.Low != nil && m.High != nil {
			low, high = *m.Low, *m.High
		}
		j.settle(r, m.Value, low, high, j.bound.Value, j.side == "at_most", m.Unit)
		if r.Verdict == results.GateInconclusive {
			r.MoreBlocks = j.moreForAbsolute(m)
		}
	}
}

// moreForAbsolute takes the spread back out of the interval's width on the log scale.
func (j *judgement) moreForAbsolute(m results.Metric) int {
	if m.Low == nil || m.Trials < 2 || *m.Low <= 0 || m.Value <= 0 || j.bound.Value <= 0 {
		return max(0, 5-m.Trials)
	}
	k := float64(m.Trials)
	sd := (math.Log(*m.High) - math.Log(*m.Low)) / 2 * math.Sqrt(k) / stats.StudentT(1-j.alpha/2, k-1)
	return stats.MoreBlocks(math.Log(j.bound.Value)-math.Log(m.Value), sd, m.Trials, j.alpha)
}

// judgeQuality judges a task metric: its loss against the baseline, or its own value.
func (j *judgement) judgeQuality(r *results.GateResult) {
	variant := j.quality.of(j.arm.Variant)
	if variant == nil {
		r.Why = "no predictions were made; give the experiment a quality data set"
		return
	}
	if j.side != "loss_at_most" {
		j.judgeAbsolute(r)
		r.MoreBlocks = 0
		return
	}
	base := j.quality.of(j.spec.Baseline)
	if j.gate.Metric != "quality.accuracy" || base == nil {
		r.Why = "loss_at_most is defined for quality.accuracy against a baseline with predictions"
		return
	}
	f := quality.Compare(base, variant)
	limit := j.bound.Value
	if !j.bound.Points { // 2% of the baseline's accuracy
		limit *= quality.Accuracy(base).Value
		r.Bound = limit
	}
	loss, low, high, _ := quality.Loss(f, j.alpha)
	j.settle(r, loss, low, high, limit, true, "ratio")
	r.Why += fmt.Sprintf(" (loss of accuracy over %d paired examples)", f.N())
	if r.Verdict == results.GateInconclusive {
		r.MoreExamples = quality.MoreExamples(f, limit, j.alpha)
	}
}

func (j *judgement) whyMissing() string {
	for _, arm := range j.report.Arms {
		if arm.Name == j.arm.Name && arm.NotMeasured[j.gate.Metric] != "" {
			return "not measured: " + arm.NotMeasured[j.gate.Metric]
		}
	}
	return "not measured in both arms of any block"
}
