package capacity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"

	"assay/results"
	"assay/results/stats"
)

// The limits of a settled band.
const (
	widest  = 0.07  // of a band that is settled
	fastest = 1.05  // of the closed-loop rate: above, no rate is looked for
	aimed   = 0.065 // at which the search stops
)

// disagree is how many standard errors between measured and predicted misses are too many; a test of the search without predictions takes fewer.
var disagree = 3.3

// assessor holds what was measured so far.
type assessor struct {
	plan       Plan
	objectives []results.SLO // the plan's, and what its timeout adds to them
	schedule   schedule
	probes     []*measured
	replay     *stats.Replay     // of all open probes; nil until there is one, or after another was added
	placed     *estimate         // likewise
	known      map[float64]tried // what the probes of each rate say, as far as that was asked for
}

func newAssessor(p Plan) (*assessor, error) {
	s, err := newSchedule(p, replayLength)
	return &assessor{plan: p, objectives: objectivesOf(p), schedule: s, known: map[float64]tried{}}, err
}

// objectivesOf are a plan's objectives. Where requests time out an objective on failures is one on latency too: how many time out depends on the
// rate, unlike how many calls fail.
func objectivesOf(p Plan) []results.SLO {
	out := slices.Clone(p.Objectives)
	for _, o := range p.Objectives {
		if o.Metric == results.ErrorShare && o.Share > 0 && p.Timeout > 0 {
			out = append(out, o.Within(p.Timeout))
		}
	}
	return out
}

// limit is how many seconds a request may take by an objective on latency: none that times out meets it.
func (a *assessor) limit(o results.SLO) float64 {
	if t := a.plan.Timeout; t > 0 {
		return min(o.AtMost, t).Seconds()
	}
	return o.AtMost.Seconds()
}

func (a *assessor) add(m *measured) {
	a.probes = append(a.probes, m)
	a.replay, a.placed = nil, nil
	if slices.ContainsFunc(a.plan.Objectives, func(o results.SLO) bool { return o.Metric == results.ErrorShare }) {
		clear(a.known) // its verdict is of all probes together
	}
}

// closed is the rate of the closed loop; 0 before it was measured.
func (a *assessor) closed() float64 {
	rate := 0.0
	for _, m := range a.probes {
		if m.Kind == results.ProbeClosed && !m.SetAside {
			rate = m.served()
		}
	}
	return rate
}

// open is the probes in open loops that count.
func (a *assessor) open() []*measured {
	var open []*measured
	for _, m := range a.probes {
		if m.Kind != results.ProbeClosed && !m.SetAside {
			open = append(open, m)
		}
	}
	return open
}

// setAside is how many probes the host disturbed.
func (a *assessor) setAside() (n int) {
	for _, m := range a.probes {
		if m.SetAside {
			n++
		}
	}
	return n
}

// replayed is the replay of every call measured in open loops; nil where there is none.
func (a *assessor) replayed() *stats.Replay {
	if a.replay == nil {
		var calls []stats.Call
		for _, m := range a.open() {
			calls = append(calls, m.calls(a.plan.Servers)...)
		}
		if len(calls) > 0 {
			a.replay = stats.NewReplay(a.plan.Servers, calls, a.schedule.arrivals, a.schedule.draws)
			if a.plan.Timeout > 0 {
				a.replay.LeaveAfter(a.plan.Timeout.Seconds())
			}
		}
	}
	return a.replay
}

// judge gives a probe's verdict as far as it can be told now: the measured latencies alone where they suffice, else the replay of all calls.
func (a *assessor) judge(m *measured) (verdict, reason string) {
	if m.Kind == results.ProbeMeasure {
		return a.judgeTogether(m.Rate)
	}
	if o := m.overload(a.plan.Timeout); o.Overloaded {
		return stats.VerdictFail, fmt.Sprintf("load.overloaded: of the requests due in the last two thirds of the window %.3g as many ended in them", o.Served)
	}
	verdict, reason = stats.VerdictPass, ""
	for _, o := range a.objectives {
		v, why := a.judgeObjective(m, o)
		if v == stats.VerdictFail || v == stats.VerdictInconclusive && verdict == stats.VerdictPass || reason == "" {
			verdict, reason = v, why
		}
		if v == stats.VerdictFail {
			break
		}
	}
	return verdict, reason
}

func (a *assessor) judgeObjective(m *measured, o results.SLO) (verdict, reason string) {
	if o.Metric == results.ErrorShare {
		return a.failures(m, o), fmt.Sprintf("%s: %d of %d requests failed", o, m.failed(), len(m.latencies))
	}
	measured := stats.BatchMeans(m.latencies, o.Quantile(), o.AtMost.Seconds())
	if measured.Verdict != stats.VerdictInconclusive {
		return measured.Verdict, fmt.Sprintf("%s: measured: %s", o, measured.Why)
	}
	if m.Kind == results.ProbeConfirm { // the band will say: each confirmation alone is short
		return measured.Verdict, fmt.Sprintf("%s: measured: %s", o, measured.Why)
	}
	replay := a.replayed()
	if replay == nil || float64(replay.N())*o.Allowed() < 5 && m.missed(o) == 0 {
		return stats.VerdictInconclusive, fmt.Sprintf("%s: %d requests are too few to tell", o, len(m.latencies))
	}
	share, low, high := replay.Bounds(m.Rate, a.limit(o), 1<<18)
	text := fmt.Sprintf("%s: replayed: %.3g %% miss it (99 %%: %.3g to %.3g), %.3g %% may", o, 100*share, 100*low, 100*high, 100*o.Allowed())
	switch {
	case low > o.Allowed():
		return stats.VerdictFail, text
	case high < o.Allowed():
		return stats.VerdictPass, text
	}
	return stats.VerdictInconclusive, text
}

// estimate is where the highest rate lies.
type estimate struct {
	stats.Highest
	binding   results.SLO
	agreement float64 // z of measured misses against predicted ones
	ok        bool
}

func (e estimate) width() float64 { return e.High/e.Low - 1 }

// estimate places the highest rate that meets every objective, from all calls.
func (a *assessor) estimate() estimate {
	if a.placed == nil {
		e := a.place()
		a.placed = &e
	}
	return *a.placed
}

func (a *assessor) place() estimate {
	e := estimate{Highest: stats.Highest{Rate: math.Inf(1), Low: math.Inf(1), High: math.Inf(1)}}
	replay, closed := a.replayed(), a.closed()
	if replay == nil || closed == 0 {
		return e
	}
	for _, o := range a.objectives {
		if o.Metric == results.ErrorShare {
			continue
		}
		h := replay.Highest(a.limit(o), o.Allowed(), closed*lowestShare, closed*fastest)
		if h.Rate < e.Rate {
			e.Rate, e.binding, e.ok = h.Rate, o, true
		}
		e.Low, e.High = min(e.Low, h.Low), min(e.High, h.High)
	}
	if e.ok {
		e.agreement = a.agreement(e.binding)
	}
	return e
}

// The replays of each probe's own arrivals that show how many requests would have missed the objective, and the requests before them that fill
// the queue.
const (
	repeats   = 100
	leadCalls = 400
)

// agreement holds what was measured against what the calls predict for the same arrivals: the difference in requests that missed the objective,
// in standard errors. Probes count by how sure their prediction is, so that those near saturation, where one long queue decides, do not drown
// the others.
func (a *assessor) agreement(o results.SLO) float64 {
	replay, closed := a.replayed(), a.closed()
	rng := rand.New(rand.NewPCG(a.plan.Seed, 0x6167726565)) // "agree"
	difference, variance := 0.0, 0.0
	for _, m := range a.open() {
		if m.Rate > 0.95*closed || len(m.Rows) == 0 {
			continue // no steady state that short probes could show
		}
		mean, sd := meanSD(replay.Repeat(a.arrivals(m), leadCalls, a.limit(o), repeats, rng))
		known := sd*sd + 1
		difference += (float64(m.missed(o)) - mean) / known
		variance += 1 / known
	}
	if variance == 0 {
		return 0
	}
	return difference / math.Sqrt(variance)
}

// arrivals are when a probe's requests were due, in seconds, behind others at the same rate that stand for its warm-up.
func (a *assessor) arrivals(m *measured) []float64 {
	first := float64(m.Rows[0].DueNS) / 1e9
	due := make([]float64, 0, leadCalls+len(m.Rows))
	for _, at := range a.schedule.arrivals[:leadCalls] {
		due = append(due, first+(at-a.schedule.arrivals[leadCalls])/m.Rate)
	}
	for i := range m.Rows {
		due = append(due, float64(m.Rows[i].DueNS)/1e9)
	}
	return due
}

// meanSD is the mean of counts and their standard deviation.
func meanSD(counts []int) (mean, sd float64) {
	values := make([]float64, len(counts))
	for i, c := range counts {
		values[i] = float64(c)
	}
	return stat.MeanStdDev(values, nil)
}

// failures judges a probe by an objective on failures: it fails where its own requests say so, and else stands as all requests together do,
// since a few thousand cannot show that one in a thousand fails.
func (a *assessor) failures(m *measured, o results.SLO) string {
	if v, _, _ := stats.ShareVerdict(m.failed(), len(m.latencies), o.Share); v == stats.VerdictFail {
		return stats.VerdictFail
	}
	if failed, n := a.allFailures(); float64(failed) <= o.Share*float64(n) {
		return stats.VerdictPass
	}
	return stats.VerdictInconclusive
}

// failuresOf is the worst verdict of some probes by an objective on failures.
func (a *assessor) failuresOf(probes []*measured, o results.SLO) string {
	verdict := stats.VerdictPass
	for _, m := range probes {
		if v := a.failures(m, o); v == stats.VerdictFail || verdict == stats.VerdictPass {
			verdict = v
		}
	}
	return verdict
}

func (a *assessor) allFailures() (failed, n int) {
	for _, m := range a.open() {
		failed, n = failed+m.failed(), n+len(m.latencies)
	}
	return failed, n
}

// failing judges the objective on failures over all rates together; "" where there is none.
func (a *assessor) failing() (verdict, reason string) {
	for _, o := range a.objectives {
		if o.Metric != results.ErrorShare {
			continue
		}
		failed, n := a.allFailures()
		verdict, _, _ = stats.ShareVerdict(failed, n, o.Share)
		return verdict, fmt.Sprintf("%s: %d of %d requests failed, at all rates together", o, failed, n)
	}
	return "", ""
}
