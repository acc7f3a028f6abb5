package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"assay/results"
	"assay/results/stats"
)

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
	if c.Estimate != nil {
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
	if lowest := a.closed() * lowestShare; e.High <= lowest*1.01 {
		late := a.replayed().Late(lowest, []float64{a.limit(e.binding)}, 1<<19)
		c.Verdict, c.Reason = stats.VerdictFail, fmt.Sprintf("%s is missed without any load to speak of: %.3g %% of the calls take longer by themselves", e.binding, 100*late.Share[0])
		c.Band.Fails = lowestRate(open)
		return
	}
	a.band(c, e)
	order := ""
	if a.replayed().InOrder() {
		order = ", in pieces of their order because they depend on one another"
	}
	c.Method = fmt.Sprintf("replay of %d measured calls through the queue%s, one-sided %g %% bounds by jackknife over %d parts; held against measured latencies", a.replayed().N(), order, 100*stats.BoundLevel, a.replayed().Parts())
	width, ok := c.Band.Width()
	below, above := a.confirmed(e)
	switch against := a.against(c.Band); {
	case e.High >= a.closed()*fastest:
		c.Reason = fmt.Sprintf("by the calls that were measured since, more can be done than the closed loop did, so the machine's speed changed; measure again%s", a.steadier())
	case !ok:
		c.Reason = "no rate is shown to meet the objectives; " + a.more(width)
	case width > widest:
		c.Reason = fmt.Sprintf("the band is %.1f %% wide; %s", 100*width, a.more(width))
	case below < freshSeeds || above < freshSeeds:
		c.Reason = "its ends were not probed under fresh arrivals"
	case against != "":
		c.Reason = against
	case failing == stats.VerdictInconclusive:
		c.Reason = failures + ", which are too few to tell"
	default:
		c.Verdict, c.Reason = stats.VerdictPass, fmt.Sprintf("held against measured latencies under %d fresh arrivals below the band and %d above", below, above)
	}
}

// band fills in the estimate and its bounds, each as far as there is one within the rates that are looked at.
func (a *assessor) band(c *results.Capacity, e estimate) {
	rate, low, high := e.Rate, results.RoundRate(e.Low), results.RoundRate(e.High)
	lowest, highest := a.closed()*lowestShare, a.closed()*fastest
	rates := a.tries()
	passes, fails := bandOf(rates)
	if e.High < highest {
		c.Band.Fails = &high
	}
	switch {
	case e.Low >= highest:
		if passes >= 0 {
			c.Band.Passes = &rates[passes].rate
		}
	case e.Low > lowest: // else no rate is shown to meet them
		c.Estimate, c.Band.Passes = &rate, &low
	case fails >= 0 && rates[fails].fresh >= freshSeeds && (c.Band.Fails == nil || rates[fails].rate < *c.Band.Fails):
		c.Band.Fails = &rates[fails].rate // measured latencies alone show that it fails
	}
}

// against says which measured latencies speak against the band; "" where none do.
func (a *assessor) against(b results.Band) string {
	for _, t := range a.tries() {
		if b.Passes != nil && t.rate <= *b.Passes && t.verdict == stats.VerdictFail || b.Fails != nil && t.rate >= *b.Fails && t.verdict == stats.VerdictPass {
			return fmt.Sprintf("the measured latencies at %s/s say %s, against the band", results.RateLabel(t.rate), t.verdict)
		}
	}
	return ""
}

// more says how much load would narrow a band of so much width, 0 where it has none: uncertainty falls with the root of it.
func (a *assessor) more(width float64) string {
	seconds := 0.0
	for _, m := range a.probes {
		seconds += m.seconds()
	}
	minutes := math.Ceil(seconds * math.Pow(width/aimed, 2) / 60)
	if steadier := a.steadier(); steadier != "" || width == 0 || minutes > mostForeseen {
		return fmt.Sprintf("more load than these %.0f s (--budget, and --resume to go on with this search) may narrow it%s", seconds, steadier)
	}
	return fmt.Sprintf("about %.0f min of load in all would bring it below %.0f %% (--budget %.0fm, and --resume to go on with this search)", minutes, 100*widest, minutes)
}

// mostForeseen is how much load is said to be enough; of more, little is known.
const mostForeseen = 360 // minutes

// steadier says how far the calls' own speed changed while they were measured, where they depend on one another; "" else.
func (a *assessor) steadier() string {
	replay := a.replayed()
	if !replay.InOrder() {
		return ""
	}
	least, most := replay.Means()
	return fmt.Sprintf(", and so may a steadier machine: a call took %.3g ms on average in one twentieth of the search and %.3g ms in another", least*1e3, most*1e3)
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
	if verdict := a.settledVerdict(m, c.Band); verdict != m.Verdict {
		r.Verdict, r.Reason = verdict, "by what all probes of the search say together"
	}
	return r
}

// settledVerdict is a probe's at the end: that of its own latencies, or else what the band says of its rate.
func (a *assessor) settledVerdict(m *measured, b results.Band) string {
	switch v, _ := a.measuredVerdict(m); {
	case len(m.latencies) == 0:
		return stats.VerdictInconclusive
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
