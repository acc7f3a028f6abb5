package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"assay/results"
	"assay/results/stats"
)

// gapEdges split the gaps in front of requests, nanoseconds. Below the first, requests come back to back.
var gapEdges = []int64{50e3, 500e3, 5e6, 50e6, 500e6}

// The limits of what is said about gaps.
const (
	leastInGap   = 30  // requests that a class needs for a figure
	misledByGaps = 0.1 // relative difference that makes a closed loop's service time misleading
)

// gaps are service times by the gap in front of the request.
type gaps [6][]float32

func (g *gaps) add(gap, service int64) {
	i := 0
	for i < len(gapEdges) && gap >= gapEdges[i] {
		i++
	}
	g[i] = append(g[i], float32(service))
}

// middle is a median in seconds between bounds that independent values leave with a chance of 99.9 % (order statistics; the normal limit
// of the binomial distribution).
type middle struct {
	p50, low, high float64
	n              int
}

// boundsOfMiddle is how many standard deviations of the binomial distribution the bounds' ranks are from the middle: runs have many arms.
const boundsOfMiddle = 3.29

func (g *gaps) median(classes ...int) (m middle) {
	var all []float64
	for _, c := range classes {
		for _, v := range g[c] {
			all = append(all, float64(v)/1e9)
		}
	}
	if m.n = len(all); m.n == 0 {
		return m
	}
	slices.Sort(all)
	off := boundsOfMiddle * 0.5 / math.Sqrt(float64(m.n))
	m.p50, m.low, m.high = stats.Quantile(all, 0.5), stats.Quantile(all, max(0, 0.5-off)), stats.Quantile(all, min(1, 0.5+off))
	return m
}

// apart reports whether two medians differ by more than chance, and by so much that one misleads about the other.
func (m middle) apart(o middle) bool {
	ratio := m.p50 / o.p50
	return (m.low > o.high || m.high < o.low) && (ratio >= 1+misledByGaps || ratio <= 1/(1+misledByGaps))
}

// idleGaps adds service times by the gap before a request to the server loads' arms, and says where a closed loop would mislead about them.
func (a *analyzer) idleGaps() {
	for i := range a.report.Arms {
		r := &a.report.Arms[i]
		if r.Scenario != "server" {
			continue
		}
		var pooled gaps
		for _, t := range a.arms[r.Name].trials {
			for c := range pooled {
				pooled[c] = append(pooled[c], t.gaps[c]...)
			}
		}
		for c := range pooled {
			m := pooled.median(c)
			if m.n < leastInGap {
				continue
			}
			g := results.GapService{Requests: m.n, P50: m.p50}
			if c > 0 {
				g.FromSeconds = float64(gapEdges[c-1]) / 1e9
			}
			if c < len(gapEdges) {
				to := float64(gapEdges[c]) / 1e9
				g.ToSeconds = &to
			}
			r.IdleGap = append(r.IdleGap, g)
		}
		a.compareGaps(r, &pooled)
	}
}

// compareGaps holds requests that came after a gap against those that came back to back: of the same arm, else of the closed loop of the same
// variant, provider, batch and threads, else of the pilot.
func (a *analyzer) compareGaps(r *results.ArmReport, pooled *gaps) {
	paced := pooled.median(1, 2, 3, 4, 5)
	if paced.n < leastInGap {
		return
	}
	busy, against := pooled.median(0), "back to back"
	if busy.n < leastInGap {
		known, where := a.closedLoop(r)
		busy, against = middle{p50: known, low: known, high: known}, where
	}
	if busy.p50 == 0 || !paced.apart(busy) {
		return
	}
	text := fmt.Sprintf("service takes %.2f times as long after a gap as %s (median %.3g ms against %.3g ms): a closed loop's service time misleads about this load", paced.p50/busy.p50, against, paced.p50*1e3, busy.p50*1e3)
	a.report.Findings = append(a.report.Findings, "load.idle_gap: "+r.Name+": "+text)
	if m, ok := r.Metrics["service.p50"]; ok {
		m.Warnings = append(m.Warnings, text)
		r.Metrics["service.p50"] = m
	}
}

// closedLoop is the median service time of the closed loop with one request outstanding beside an arm.
func (a *analyzer) closedLoop(r *results.ArmReport) (p50 float64, against string) {
	for _, other := range a.report.Arms {
		if other.Variant != r.Variant || other.Provider != r.Provider || other.Batch != r.Batch || other.IntraOpThreads != r.IntraOpThreads || other.Scenario != "single-stream" ||
			!maps.Equal(a.arms[other.Name].spec.SessionConfig, a.arms[r.Name].spec.SessionConfig) {
			continue
		}
		if m, ok := other.Metrics["service.p50"]; ok {
			return m.Value, "in " + other.Load
		}
	}
	if r.Rate > 0 {
		for _, p := range a.run.Pilots {
			if p.Arm == fmt.Sprintf("%s.%s.b%d.t%d", r.Variant, r.Provider, r.Batch, r.IntraOpThreads) && a.outstanding(r.Load) == 1 && p.RequestsPerSecond > 0 {
				return 1 / p.RequestsPerSecond, "in the pilot's closed loop"
			}
		}
	}
	return 0, ""
}

func (a *analyzer) outstanding(load string) int {
	for _, l := range a.spec.Loads {
		if l.Name == load {
			return max(1, l.Concurrency)
		}
	}
	return 0
}
