// Package analysis turns a run's directory into its report. Every number is computed from the stored samples and records, never from
// numbers kept on the way, so a report can be made again a year later on another machine.
package analysis

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"assay/results"
	"assay/results/stats"
)

// alpha is the two-sided level of every printed interval.
const alpha = 0.05

// analyzer holds what is read of a run, once.
type analyzer struct {
	dir    results.Dir
	run    *results.Run
	spec   *results.Spec
	trials []trialData
	report *results.Report
	arms   map[string]*armData
}

// Analyze computes the report of the run in dir. It reads one trial's samples at a time and keeps its latencies.
func Analyze(dir string) (*results.Report, error) {
	a := &analyzer{dir: results.Dir(dir), arms: map[string]*armData{}}
	var err error
	if a.run, err = a.dir.ReadRun(); err != nil {
		return nil, err
	}
	a.spec = &a.run.Resolved
	if err := a.readTrials(); err != nil {
		return nil, err
	}
	a.report = &results.Report{Schema: results.ReportSchema, Environment: a.run.Environment, Run: a.summary(), Reasons: []string{},
		Comparisons: []results.Comparison{}, Gates: []results.GateResult{}}
	for _, v := range a.spec.Variants {
		a.report.Variants = append(a.report.Variants, variantInfo(v))
	}
	quality, err := a.readQuality()
	if err != nil {
		return nil, err
	}
	for i := range a.spec.Arms {
		a.report.Arms = append(a.report.Arms, a.armReport(&a.spec.Arms[i], quality))
	}
	a.report.Trials = a.trialPoints()
	a.report.Precision = a.reached()
	a.stopRules()
	a.idleGaps()
	a.report.Quality = quality.infos(a.run)
	a.judgeRun()
	if err := a.judgeCapacity(); err != nil {
		return nil, err
	}
	a.compareArms()
	a.compareQuality(quality)
	if a.report.Gates, err = a.judgeGates(a.spec.Gates, quality); err != nil {
		return nil, err
	}
	a.report.Gates = append(a.report.Gates, a.objectiveGates()...)
	if c := a.report.Capacity; c != nil {
		a.report.Decision.Why = c.Verdict + ": " + c.Reason
	} else {
		a.decide(quality)
	}
	return a.report, nil
}

// Gates judges other gates than the run's own.
func Gates(dir string, gates []results.Gate) (*results.Report, error) {
	a := &analyzer{dir: results.Dir(dir), arms: map[string]*armData{}}
	rep, err := Analyze(dir)
	if err != nil || gates == nil {
		return rep, err
	}
	if a.run, err = a.dir.ReadRun(); err != nil {
		return nil, err
	}
	a.spec, a.report = &a.run.Resolved, rep
	if err := a.readTrials(); err != nil {
		return nil, err
	}
	quality, err := a.readQuality()
	if err != nil {
		return nil, err
	}
	rep.Gates, err = a.judgeGates(gates, quality)
	return rep, err
}

func (a *analyzer) summary() results.RunSummary {
	s := results.RunSummary{ID: a.run.ID, Name: a.run.Name, Hypothesis: a.spec.Hypothesis, Started: a.run.Started, Command: a.run.Command,
		Seed: a.spec.Seed, Assay: a.run.Assay, Status: a.run.Status, Planned: a.spec.Blocks, Blocks: a.completeBlocks()}
	if a.run.Ended != nil {
		s.Seconds, s.Ended = a.run.Seconds(*a.run.Ended), a.run.Ended
	}
	return s
}

// completeBlocks counts the blocks of which every arm has a trial, whatever became of it.
func (a *analyzer) completeBlocks() int {
	count := map[int]int{}
	for _, t := range a.trials {
		if t.Status != results.TrialInterrupted {
			count[t.Block]++
		}
	}
	n := 0
	for _, k := range count {
		if k == len(a.spec.Arms) {
			n++
		}
	}
	return n
}

func variantInfo(v results.Variant) results.VariantInfo {
	info := results.VariantInfo{Name: v.Name, SHA256: v.SHA256, Bytes: v.Bytes, DistilledFrom: v.DistilledFrom, Lineage: v.Lineage}
	if v.Quantize != nil {
		info.Quantize, info.From = v.Quantize.Scheme, v.Quantize.From
	}
	return info
}

// judgeRun merges the trials' verdicts: invalid when more than a fifth of an arm's trials are, suspect when any trial is either.
func (a *analyzer) judgeRun() {
	verdict := "valid"
	raise := func(to string) {
		if verdict != "invalid" {
			verdict = to
		}
	}
	codes, texts := []string{}, map[string][]string{}
	say := func(code, text string) {
		if texts[code] == nil {
			codes = append(codes, code)
		}
		texts[code] = append(texts[code], text)
	}
	invalid, count := map[string]int{}, map[string]int{}
	for _, t := range a.trials {
		count[t.Arm]++
		switch {
		case t.Status != results.TrialOK:
			raise("suspect")
			say("trial."+t.Status, fmt.Sprintf("%s: %s", results.TrialName(t.Block, t.Arm), t.Reason))
		case t.Verdict == "invalid":
			invalid[t.Arm]++
			raise("suspect")
		case t.Verdict == "suspect":
			raise("suspect")
		}
		for _, r := range t.Reasons {
			code, text, _ := strings.Cut(r, ": ")
			say(code, fmt.Sprintf("%s: %s", results.TrialName(t.Block, t.Arm), text))
		}
	}
	for arm, n := range invalid {
		if 5*n > count[arm] {
			verdict = "invalid"
		}
	}
	a.judgeSteadiness(raise, say)
	if a.measured() == 0 {
		verdict = "invalid"
		say("run.empty", "nothing was measured")
	}
	if missing := len(a.spec.Arms)*a.spec.Blocks - len(a.trials); missing > 0 && a.run.Status != "complete" && len(a.trials) > 0 {
		raise("suspect")
		say("run.partial", fmt.Sprintf("%d of %d planned trials are missing", missing, len(a.spec.Arms)*a.spec.Blocks))
	}
	slices.Sort(codes)
	for _, code := range codes {
		text := texts[code][0]
		if n := len(texts[code]); n > 1 {
			text = fmt.Sprintf("%d trials of %d, the first %s", n, len(a.trials), text)
		}
		a.report.Reasons = append(a.report.Reasons, code+": "+text)
	}
	a.report.Verdict = verdict
}

// measured counts the trials that gave figures.
func (a *analyzer) measured() (n int) {
	for _, d := range a.arms {
		n += len(d.trials)
	}
	return n
}

// metricOf turns an interval into its place in the report.
func metricOf(i stats.Interval, unit string) results.Metric {
	m := results.Metric{Value: i.Value, Unit: unit, Method: i.Method, N: i.N, Trials: i.Trials, Warnings: i.Warnings}
	if i.Known() {
		low, high := i.Low, i.High
		m.Low, m.High, m.Confidence = &low, &high, i.Confidence
	}
	return m
}

var errNoTrials = errors.New("no trial of this arm gave figures")
