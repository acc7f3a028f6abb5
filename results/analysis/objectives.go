package analysis

import (
	"fmt"
	"math"
	"slices"

	"assay/results"
	"assay/results/stats"
)

// objectivesOf are those of an arm's load.
func (a *analyzer) objectivesOf(arm string) []results.SLO {
	var out []results.SLO
	d := a.arms[arm]
	for _, o := range a.spec.SLOs {
		if d != nil && (o.Load == "" || o.Load == d.spec.Load) {
			out = append(out, o)
		}
	}
	return out
}

// keepsAll reports whether a latency in nanoseconds keeps every objective on latency.
func keepsAll(objectives []results.SLO, ns int64) bool {
	for _, o := range objectives {
		if o.Metric != results.ErrorShare && ns > int64(o.AtMost) {
			return false
		}
	}
	return true
}

// judgeObjectives judges each objective of an arm, and adds its goodput: the requests a second that keep them all.
func (a *analyzer) judgeObjectives(r *results.ArmReport) {
	objectives := a.objectivesOf(r.Name)
	trials := a.arms[r.Name].trials
	if len(objectives) == 0 || len(trials) == 0 {
		return
	}
	for _, o := range objectives {
		r.Objectives = append(r.Objectives, a.judgeObjective(o, trials))
	}
	goodput := make([]float64, len(trials))
	for i, t := range trials {
		goodput[i] = float64(t.good) / t.seconds()
	}
	m := metricOf(stats.PerTrial(goodput, alpha), "1/s")
	m.Method = "requests done within measure that keep every objective on latency; " + m.Method
	r.Metrics["goodput"] = m
}

func (a *analyzer) judgeObjective(o results.SLO, trials []*trialData) results.ObjectiveResult {
	byTrial, all := make([][]float64, len(trials)), make(stats.Pooled, len(trials), len(trials)+1)
	missing := 0
	for i, t := range trials {
		byTrial[i], all[i] = t.due, t.latency
		missing += len(t.due) - len(t.latency)
	}
	all = append(all, slices.Repeat([]float64{math.Inf(1)}, missing))
	r := results.ObjectiveResult{Objective: o.String(), Allowed: o.Allowed(), N: all.Len()}
	if o.Metric == results.ErrorShare {
		judgeFailures(&r, o, missing)
	} else {
		judgeLatency(&r, o, byTrial, all)
	}
	if a.spec.Fast && r.Verdict != stats.VerdictInconclusive {
		r.Verdict, r.Why = stats.VerdictInconclusive, "--fast is a look, never a verdict; "+r.Why
	}
	return r
}

// judgeFailures takes requests for independent; failed is how many did not end well.
func judgeFailures(r *results.ObjectiveResult, o results.SLO, failed int) {
	share := float64(failed) / max(1, float64(r.N))
	margin := 1 - share/o.Share
	r.Value, r.Limit, r.Margin, r.Missed, r.NEff, r.Memory = &share, o.Share, &margin, share, float64(r.N), 1
	r.Verdict, r.Low, r.High = stats.ShareVerdict(failed, r.N, o.Share)
	r.Method = "Clopper and Pearson's one-sided 99 % bounds of the share that failed, for independent requests"
	r.Why = fmt.Sprintf("%d of %d requests failed", failed, r.N)
	if r.Verdict == stats.VerdictInconclusive {
		r.Why += ", which leaves the share between " + fmt.Sprintf("%.3g and %.3g %%", 100*r.Low, 100*r.High)
	}
}

// judgeLatency judges a quantile by null-scaled batch means, with MLPerf's test beside it.
func judgeLatency(r *results.ObjectiveResult, o results.SLO, byTrial [][]float64, all stats.Pooled) {
	limit := o.AtMost.Seconds()
	v := stats.BatchMeansOfTrials(byTrial, o.Quantile(), limit)
	r.Limit, r.Verdict, r.Why, r.Missed, r.Low, r.High = limit, v.Verdict, v.Why, v.Over, v.Lower, v.Upper
	r.NEff, r.Memory, r.Lag1 = v.Effective, v.Memory, v.Lag1
	r.Method = "null-scaled batch means of the requests above the limit, in the order in which they were due; one-sided 99 % bounds"
	if supports(r.N, o.Quantile()) {
		if value := all.Quantile(o.Quantile()); !math.IsInf(value, 1) && !math.IsNaN(value) {
			margin := 1 - value/limit
			r.Value, r.Margin = &value, &margin
		}
	}
	over := r.N - all.CountUpTo(limit)
	early := stats.MLPerf(o.Quantile())
	pass, more := early.Judge(r.N, over)
	e := &results.EarlyStopping{Verdict: stats.VerdictInconclusive, More: more, Assumes: "that requests are independent, which queued ones are not"}
	if pass {
		e.Verdict = stats.VerdictPass
	}
	if bound, _, ok := early.Bound(all); ok && !math.IsInf(bound, 1) {
		e.Bound = &bound
	}
	r.EarlyStopping = e
}

// supports reports whether n values say more of a quantile than that it is their largest.
func supports(n int, level float64) bool { return float64(n)*(1-level) >= 1-1e-9 }

// objectiveGates are the arms' objectives as gates. In an invalid run neither is judged, but of an arm that asked for more than was served while
// nothing disturbed it: it misses them.
func (a *analyzer) objectiveGates() []results.GateResult {
	var out []results.GateResult
	for i := range a.report.Arms {
		arm := &a.report.Arms[i]
		for k, o := range a.objectivesOf(arm.Name) {
			g := results.GateResult{Rule: o.Metric + " at_most " + limitText(o), Arm: arm.Name, Metric: o.Metric, Verdict: results.GateNothing, Unit: "s", Bound: o.AtMost.Seconds(),
				Why: "no trial of this arm gave figures"}
			if o.Metric == results.ErrorShare {
				g.Unit, g.Bound = "ratio", o.Share
			}
			if k < len(arm.Objectives) {
				r := &arm.Objectives[k]
				if a.report.Verdict == results.Invalid && !a.overloadAlone(arm.Name) {
					r.Verdict, r.Why = results.GateInconclusive, "the run is invalid, so no objective can be judged; "+r.Why
				}
				g.Verdict, g.Why, g.Value = r.Verdict, objectiveWhy(r), r.Value
				if m, ok := arm.Metrics[o.Metric]; ok {
					g.Low, g.High = m.Low, m.High
				}
			}
			out = append(out, g)
		}
	}
	return out
}

// objectiveWhy is an objective's reason with the figures that weigh it.
func objectiveWhy(r *results.ObjectiveResult) string {
	why := r.Why + fmt.Sprintf("; %.3g %% missed it and %.3g %% may", 100*r.Missed, 100*r.Allowed)
	switch {
	case r.Margin != nil && *r.Margin < -1:
		why += fmt.Sprintf("; %.3g times the limit", 1-*r.Margin)
	case r.Margin != nil:
		why += fmt.Sprintf("; margin %+.0f %%", 100**r.Margin)
	}
	if e := r.EarlyStopping; e != nil {
		why += fmt.Sprintf("; %d requests say as much as %.0f independent ones; MLPerf's early stopping, which takes them for independent: %s", r.N, r.NEff, e.Verdict)
	}
	return why
}

func limitText(o results.SLO) string {
	if o.Metric == results.ErrorShare {
		return fmt.Sprintf("%g%%", 100*o.Share)
	}
	return o.AtMost.String()
}

// overloaded reports whether more than a fifth of an arm's trials asked for more than was served.
func (a *analyzer) overloaded(arm string) bool {
	n := 0
	for _, t := range a.arms[arm].trials {
		if t.Certificate != nil && t.Certificate.Overload != nil {
			n++
		}
	}
	return 5*n > len(a.arms[arm].trials)
}

// overloadAlone reports whether an arm was overloaded and neither the host nor the generator disturbed it.
func (a *analyzer) overloadAlone(arm string) bool {
	return a.overloaded(arm) && !slices.ContainsFunc(a.arms[arm].trials, func(t *trialData) bool { return results.Disturbance(t.Reasons) != "" })
}

// replaceOverloaded takes away the latencies of an arm that was overloaded, because they measure the run's length, and gives what could be served in
// their place.
func (a *analyzer) replaceOverloaded(r *results.ArmReport) {
	if !a.overloaded(r.Name) {
		return
	}
	var rates []float64
	for _, t := range a.arms[r.Name].trials {
		if t.Certificate != nil && t.Certificate.Overload != nil && t.Certificate.Overload.PerSecond > 0 {
			rates = append(rates, t.Certificate.Overload.PerSecond)
		}
	}
	why := "the load asked for more than was served: latencies measure the run's length; "
	if len(rates) > 0 {
		m := metricOf(stats.PerTrial(rates, alpha), "1/s")
		m.Method = "requests done a second in the last two thirds of an overloaded window, a backlog of warm-up included; " + m.Method
		r.Metrics["capacity"] = m
		why += fmt.Sprintf("about %s requests/s can be served", results.RateLabel(m.Value))
	} else {
		why += "none ended in the last two thirds of a window, so what can be served cannot be told"
		r.NotMeasured["capacity"] = why
	}
	for _, kind := range []string{"latency.", "queue_wait."} {
		for _, name := range append([]string{"mean"}, quantileNames()...) {
			if _, ok := r.Metrics[kind+name]; ok {
				delete(r.Metrics, kind+name)
				r.NotMeasured[kind+name] = why
			}
		}
	}
}

func quantileNames() []string {
	var names []string
	for _, q := range quantiles {
		names = append(names, q.name)
	}
	return names
}
