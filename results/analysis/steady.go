package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"assay/results"
	"assay/results/stats"
)

// unsteadyShare is the part of an arm's trials from which those without one level make the run suspect, and those without a steady state its
// gates doubtful.
const unsteadyShare = 0.2

// steadiness counts an arm's trials by class, and names those that are not flat.
func (d *armData) steadiness() (classes map[string]int, others []string) {
	classes = map[string]int{}
	for _, t := range d.trials {
		if t.steady == "" {
			continue
		}
		classes[t.steady]++
		if t.steady != stats.Flat && !slices.Contains(others, t.steady) {
			others = append(others, t.steady)
		}
	}
	slices.Sort(others)
	if len(classes) == 0 {
		return nil, nil
	}
	return classes, others
}

// classify settles the trial's class, while its service times are in their order.
func (t *trialData) classify() {
	var levels []stats.Level
	t.steady, levels = stats.Steady(t.service)
	low, high := math.Inf(1), 0.0
	for _, l := range levels {
		low, high = min(low, l.Mean), max(high, l.Mean)
	}
	if t.swing = 1; low > 0 && high > low {
		t.swing = high / low
	}
}

// swing is by how much the level of an arm's service times changes within a trial, where more than a fifth of the trials reach no steady
// state; 1 for others. Figures of such an arm depend by as much on when they are measured.
func (d *armData) swing() float64 {
	classes, _ := d.steadiness()
	if float64(classes[stats.Unsteady]) <= unsteadyShare*float64(len(d.trials)) {
		return 1
	}
	swing := 1.0
	for _, t := range d.trials {
		if t.steady == stats.Unsteady {
			swing = max(swing, t.swing)
		}
	}
	return swing
}

// doubt says beside a gate's verdict that its bound lies within what the level of an arm without a steady state covers. The printed interval
// decides all the same: trials that differ widen it.
func (j *judgement) doubt(r *results.GateResult) {
	swing := j.arms[j.arm.Name].swing()
	if swing == 1 || !timed(j.gate.Metric) || r.Low == nil || r.High == nil || r.Verdict != results.GatePass && r.Verdict != results.GateFail {
		return
	}
	if j.side != "loss_at_most" && stats.Judge(*r.Low/swing, *r.High*swing, j.bound.Value, j.side == "at_most") == r.Verdict {
		return
	}
	r.Why += fmt.Sprintf("; but the arm has no steady state (%s): its level changes by up to %.3g times within a trial, and the bound lies within that",
		j.arms[j.arm.Name].drifts(), swing)
}

// timed reports whether a metric depends on how fast requests are.
func timed(metric string) bool {
	kind, _, _ := strings.Cut(metric, ".")
	return kind == "latency" || kind == "service" || kind == "queue_wait" || kind == "throughput"
}

// drifts says what keeps an arm from a steady state, "" where no more than a fifth of its trials are not flat.
func (d *armData) drifts() string {
	classes, others := d.steadiness()
	if len(d.trials) == 0 || float64(len(d.trials)-classes[stats.Flat]) <= unsteadyShare*float64(len(d.trials)) || len(others) == 0 {
		return ""
	}
	text := ""
	for _, class := range others {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", classes[class], class)
	}
	return fmt.Sprintf("of %d trials %s", len(d.trials), text)
}

// driftAdvice says what to do about each class.
var driftAdvice = map[string]string{
	stats.Warming:  "the window holds some of the warm-up; lengthen --warmup",
	stats.Slowing:  "the model or the machine slows down while it is measured; look at clocks and temperature, and measure for longer",
	stats.Unsteady: "the level changes within the window; look for what else runs on the machine, and measure for longer",
}

// judgeSteadiness adds a reason for every class of trials in which an arm has no steady state.
func (a *analyzer) judgeSteadiness(raise func(string), say func(code, text string)) {
	arms, first := map[string]int{}, map[string]string{}
	for i := range a.spec.Arms {
		name := a.spec.Arms[i].Name
		d := a.arms[name]
		text := d.drifts()
		if text == "" {
			continue
		}
		raise("suspect")
		_, others := d.steadiness()
		for _, class := range others {
			if arms[class]++; arms[class] == 1 {
				first[class] = name + ": " + text
			}
		}
	}
	for _, class := range slices.Sorted(maps.Keys(arms)) {
		text := first[class]
		if n := arms[class]; n > 1 {
			text = fmt.Sprintf("%d arms, the first %s", n, text)
		}
		say("load."+class, text+": "+driftAdvice[class])
	}
}
