package capacity

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"assay/results"
	"assay/results/stats"
)

// The limits of a settled band.
const (
	widest = 0.07 // of a band that is settled
	aimed  = 0.06 // at which the search stops
)

// disagree is how many standard errors between measured and predicted misses are too many; a test of the search without predictions takes fewer.
var disagree = 3.3

// assessor holds what was measured so far.
type assessor struct {
	plan     Plan
	schedule schedule
	probes   []*measured
	replay   *stats.Replay // of all open probes; nil until there is one, or after another was added
	placed   *estimate     // likewise
	known    map[float64]tried
}

func newAssessor(p Plan) (*assessor, error) {
	s, err := newSchedule(p, replayLength)
	return &assessor{plan: p, schedule: s, known: map[float64]tried{}}, err
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
		}
	}
	return a.replay
}

// judge gives a probe's verdict as far as it can be told now: the measured latencies alone where they suffice, else the replay of all calls.
func (a *assessor) judge(m *measured) (verdict, reason string) {
	if m.Kind == results.ProbeMeasure {
		return a.judgeTogether(m.Rate)
	}
	if o := m.overload(); o.Overloaded {
		return stats.VerdictFail, fmt.Sprintf("load.overloaded: %.3g of the requests were served; about %s/s can be", o.Served, results.RateLabel(o.Capacity))
	}
	verdict, reason = stats.VerdictPass, ""
	for _, o := range a.plan.Objectives {
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
	if replay == nil || float64(replay.N())*o.Allowed() < 5 {
		return stats.VerdictInconclusive, fmt.Sprintf("%s: %d requests are too few to tell", o, len(m.latencies))
	}
	share, low, high := replay.Bounds(m.Rate, o.AtMost.Seconds(), 1<<18)
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
	for _, o := range a.plan.Objectives {
		if o.Metric == results.ErrorShare {
			continue
		}
		h := replay.Highest(o.AtMost.Seconds(), o.Allowed(), closed*lowestShare, closed*1.05)
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
		mean, sd := meanSD(replay.Repeat(a.arrivals(m), leadCalls, o.AtMost.Seconds(), repeats, rng))
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

// report is the answer as it stands.
func (a *assessor) report(arm string) *results.Capacity {
	c := &results.Capacity{SLO: results.ObjectivesText(a.plan.Objectives), Arm: arm, Closed: a.closed(), Servers: a.plan.Servers, Validity: "valid",
		Reasons: []string{}, Verdict: stats.VerdictInconclusive, Probes: []results.ProbeReport{}}
	e := a.estimate()
	a.settle(c, e)
	c.SetAside = a.setAside()
	for _, m := range a.probes {
		c.Seconds += m.seconds()
		c.Probes = append(c.Probes, a.probeReport(m, e, c))
	}
	a.validate(c)
	if e.ok {
		c.Curve, c.Knee = a.curve(e)
	}
	return c
}

// settle fills in the band and its verdict.
func (a *assessor) settle(c *results.Capacity, e estimate) {
	open := a.open()
	failing, failures := a.failing()
	switch {
	case len(open) == 0:
		c.Reason = "no rate was tried yet"
		return
	case failing == stats.VerdictFail:
		c.Verdict, c.Reason, c.Binding = stats.VerdictFail, failures, results.ErrorShare
		c.Band.Fails = lowestRate(open)
		return
	case !e.ok:
		c.Reason = "no objective on latency"
		return
	}
	c.Binding, c.Agreement = e.binding.String(), &e.agreement
	if a.contradicted(e) {
		a.settleMeasured(c, e)
		return
	}
	if lowest := a.closed() * lowestShare; e.Rate <= lowest*1.01 {
		late := a.replayed().Late(lowest, []float64{e.binding.AtMost.Seconds()}, 1<<19)
		c.Verdict, c.Reason = stats.VerdictFail, fmt.Sprintf("%s is missed without any load to speak of: %.3g %% of the calls take longer by themselves", e.binding, 100*late.Share[0])
		c.Band.Fails = lowestRate(open)
		return
	}
	rate, low, high := e.Rate, results.RoundRate(e.Low), results.RoundRate(e.High)
	c.Estimate, c.Band.Passes, c.Band.Fails = &rate, &low, &high
	order := ""
	if a.replayed().InOrder() {
		order = ", in pieces of their order because they depend on one another"
	}
	c.Method = fmt.Sprintf("replay of %d measured calls through the queue%s, one-sided %g %% bounds by jackknife over %d parts; held against measured latencies", a.replayed().N(), order, 100*stats.BoundLevel, 20)
	width, _ := c.Band.Width()
	switch below, above := a.confirmed(e); {
	case width > widest:
		c.Reason = fmt.Sprintf("the band is %.1f %% wide; more load (--budget) narrows it%s", 100*width, a.unsteady())
	case below < freshSeeds || above < freshSeeds:
		c.Reason = "its ends were not confirmed under fresh arrivals"
	case failing == stats.VerdictInconclusive:
		c.Reason = failures + ", which are too few to tell"
	default:
		c.Verdict, c.Reason = stats.VerdictPass, fmt.Sprintf("confirmed under %d fresh arrivals below the band and %d above", below, above)
	}
}

// unsteady says how far the calls' own speed changed while they were measured, where they depend on one another; "" else.
func (a *assessor) unsteady() string {
	replay := a.replayed()
	if !replay.InOrder() {
		return ""
	}
	least, most := replay.Means()
	return fmt.Sprintf(", and so does a steadier machine: a call took %.3g ms on average in one twentieth of the search and %.3g ms in another", least*1e3, most*1e3)
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
	for _, o := range a.plan.Objectives {
		if o.Metric != results.ErrorShare {
			continue
		}
		failed, n := a.allFailures()
		verdict, _, _ = stats.ShareVerdict(failed, n, o.Share)
		return verdict, fmt.Sprintf("%s: %d of %d requests failed, at all rates together", o, failed, n)
	}
	return "", ""
}

func lowestRate(open []*measured) *float64 {
	rate := slices.MinFunc(open, func(a, b *measured) int { return cmp.Compare(a.Rate, b.Rate) }).Rate
	return &rate
}

// confirmed counts the fresh seeds under which rates below the estimate were probed, and those above.
func (a *assessor) confirmed(e estimate) (below, above int) {
	seeds := map[bool]map[uint64]bool{true: {}, false: {}}
	for _, m := range a.open() {
		if m.Kind == results.ProbeConfirm {
			seeds[m.Rate > e.Rate][m.Seed] = true
		}
	}
	return len(seeds[false]), len(seeds[true])
}

// probeReport says what a probe's samples show, with the verdict as it stands at the end.
func (a *assessor) probeReport(m *measured, e estimate, c *results.Capacity) results.ProbeReport {
	r := results.ProbeReport{Probe: m.Probe, N: len(m.latencies), Lateness: m.Lateness, Validity: m.Validity, Reasons: m.Reasons}
	sorted := slices.Clone(m.latencies)
	slices.Sort(sorted)
	r.Median = quantileOf(sorted, 0.5)
	if m.SetAside {
		r.Rate = m.Rate
		if m.Kind == results.ProbeClosed {
			r.Rate = m.served()
		}
		return r
	}
	if m.Kind == results.ProbeClosed {
		r.Rate, r.NEff = m.served(), float64(len(m.latencies))
		return r
	}
	if !e.ok {
		return r
	}
	r.Missed = float64(m.missed(e.binding)) / max(1, float64(r.N))
	v := stats.BatchMeans(m.latencies, e.binding.Quantile(), e.binding.AtMost.Seconds())
	r.NEff = v.Effective
	if r.Latency = quantileOf(sorted, e.binding.Quantile()); r.Latency != nil {
		margin := 1 - *r.Latency/e.binding.AtMost.Seconds()
		r.Margin = &margin
	}
	r.Verdict = a.settledVerdict(m, c.Band)
	return r
}

// settledVerdict is a probe's at the end: that of its own latencies, or else what the band says of its rate.
func (a *assessor) settledVerdict(m *measured, b results.Band) string {
	switch v, _ := a.measuredVerdict(m); {
	case v != stats.VerdictInconclusive:
		return v
	case b.Passes != nil && m.Rate <= *b.Passes:
		return stats.VerdictPass
	case b.Fails != nil && m.Rate >= *b.Fails:
		return stats.VerdictFail
	}
	return stats.VerdictInconclusive
}

// quantileOf is nil where the sample cannot support the quantile: fewer than five values above it, or one that never ended.
func quantileOf(sorted []float64, p float64) *float64 {
	if float64(len(sorted))*(1-p) < 5 {
		return nil
	}
	if v := stats.Quantile(sorted, p); !math.IsInf(v, 0) && !math.IsNaN(v) {
		return &v
	}
	return nil
}

// validate gives the whole the verdict of its probes that count: invalid where more than a fifth of them are, suspect where any is not valid; and
// a band of probes that are not to be trusted is not settled.
func (a *assessor) validate(c *results.Capacity) {
	count := map[string]int{}
	first, total := map[string]string{}, map[string]int{}
	var codes []string
	used := 0
	for _, m := range a.probes {
		if m.SetAside {
			continue
		}
		used++
		count[m.Validity]++
		for _, r := range m.Reasons {
			code, text, _ := strings.Cut(r, ": ")
			if code == "load.overloaded" { // that is what a search looks for
				continue
			}
			if total[code]++; total[code] == 1 {
				codes = append(codes, code)
				first[code] = fmt.Sprintf("%s (at %s/s)", text, results.RateLabel(m.Rate))
			}
		}
	}
	slices.Sort(codes)
	for _, code := range codes {
		text := first[code]
		if total[code] > 1 {
			text = fmt.Sprintf("%d of %d probes, the first: %s", total[code], used, text)
		}
		c.Reasons = append(c.Reasons, code+": "+text)
	}
	switch {
	case 5*count["invalid"] > used:
		c.Validity = "invalid"
	case count["invalid"]+count["suspect"] > 0 && len(codes) > 0:
		c.Validity = "suspect"
	}
	if c.Validity == "invalid" {
		c.Verdict = stats.VerdictInconclusive
		c.Reason = fmt.Sprintf("%d of %d probes are invalid, so the band is not to be trusted; %s", count["invalid"], used, c.Reason)
	}
}

// curve predicts the latency at the binding quantile over rates, and from which rate on it is twice what it is without load.
func (a *assessor) curve(e estimate) (points []results.CurvePoint, knee *float64) {
	limits := make([]float64, 40)
	least, most := e.binding.AtMost.Seconds()/1000, e.binding.AtMost.Seconds()*20
	for i := range limits {
		limits[i] = least * math.Pow(most/least, float64(i)/float64(len(limits)-1))
	}
	idle := 0.0
	top := min(e.Rate*1.15, a.closed()*0.99)
	for i := range 24 {
		rate := top * (0.1 + 0.9*float64(i)/23)
		late := a.replayed().Late(rate, limits, 1<<17)
		k := slices.IndexFunc(late.Share, func(s float64) bool { return s <= e.binding.Allowed() })
		if k < 1 {
			continue
		}
		// Between two limits the share is taken for exponential in latency.
		latency := limits[k]
		if above, below := late.Share[k-1], late.Share[k]; below > 0 && above > below {
			latency = limits[k-1] + (limits[k]-limits[k-1])*math.Log(above/e.binding.Allowed())/math.Log(above/below)
		}
		if idle == 0 {
			idle = latency
		}
		if knee == nil && latency > 2*idle {
			knee = &rate
		}
		points = append(points, results.CurvePoint{Rate: rate, Latency: latency})
	}
	return points, knee
}
