package capacity

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"assay/results"
	"assay/results/stats"
)

// The search by measured verdicts alone.
const (
	fineMeasured   = 1.03 // ratio of neighbouring rates at which no other is tried between them
	narrowMeasured = 1.05 // ratio of the band's ends at which it is narrow enough
	stepMeasured   = 0.75 // from a rate that does not pass to the next below, while none passes
	nearEnough     = 1.02 // ratio of a rate that was tried to one that is wanted, at which it is taken in its place
	mostTrials     = 7    // of one rate; five that are long enough can be judged by their spread
	mostMeasured   = 60   // probes
)

// contradicted reports whether measured latencies are not those that the calls predict, so that the estimate is not to be used.
func (a *assessor) contradicted(e estimate) bool { return e.ok && math.Abs(e.agreement) > disagree }

// tried is what all probes of one rate say together by their latencies alone.
type tried struct {
	rate    float64
	verdict string
	probes  int
	fresh   int     // of them, those under arrivals other than the search's
	memory  float64 // of latencies, in requests
}

// done reports that no further probe of the rate is worth its time for a verdict.
func (t tried) done() bool { return t.verdict != stats.VerdictInconclusive || t.fresh >= mostTrials }

// judgeTogether is the verdict of all probes of a rate by their latencies alone.
func (a *assessor) judgeTogether(rate float64) (verdict, reason string) {
	t := a.tryOf(rate)
	return t.verdict, fmt.Sprintf("measured: the probes of this rate together, %d so far", t.probes)
}

// tries are the rates that were probed, ascending.
func (a *assessor) tries() (out []tried) {
	rates := map[float64]bool{}
	for _, m := range a.open() {
		rates[m.Rate] = true
	}
	for _, rate := range slices.Sorted(maps.Keys(rates)) {
		out = append(out, a.tryOf(rate))
	}
	return out
}

// tryOf is what the probes of a rate say; it is kept until there are more of them.
func (a *assessor) tryOf(rate float64) tried {
	var probes []*measured
	t := tried{rate: rate}
	for _, m := range a.open() {
		if m.Rate != rate {
			continue
		}
		probes = append(probes, m)
		if m.Block > 0 {
			t.fresh++
		}
	}
	t.probes = len(probes)
	if known, ok := a.known[rate]; ok && known.probes == t.probes {
		return known
	}
	t.verdict, t.memory = a.measuredVerdict(probes...)
	a.known[rate] = t
	return t
}

// bandOf is the band that measured verdicts allow: its lower end is the highest rate that passes with none below it that fails, its upper end the
// lowest that fails with none above it that passes. Verdicts that contradict each other lie within it. An index of -1 stands for an end that
// there is not.
func bandOf(rates []tried) (passes, fails int) {
	passes, fails = -1, -1
	for i, t := range rates {
		if t.verdict == stats.VerdictFail {
			break
		}
		if t.verdict == stats.VerdictPass {
			passes = i
		}
	}
	for i, t := range slices.Backward(rates) {
		if t.verdict == stats.VerdictPass {
			break
		}
		if t.verdict == stats.VerdictFail {
			fails = i
		}
	}
	return passes, fails
}

// nextRate is the rate whose verdict would narrow the band most; 0 where it is narrow enough, or no other rate can be tried.
func nextRate(all []tried, closed float64) float64 {
	rates := slices.DeleteFunc(slices.Clone(all), func(t tried) bool { return !t.done() })
	passes, fails := bandOf(rates)
	rate := 0.0
	switch {
	case passes < 0 && len(rates) == 0:
		rate = all[0].rate
	case passes < 0:
		if rate = rates[0].rate * stepMeasured; rate < closed*lowestShare {
			return 0
		}
	case fails < 0:
		if rates[len(rates)-1].rate >= closed {
			return 0
		}
		rate = min(closed, rates[len(rates)-1].rate/stepMeasured)
	case rates[fails].rate/rates[passes].rate <= narrowMeasured:
		return 0
	default:
		widest, ratio := passes, 0.0
		for i := passes; i < fails; i++ {
			if r := rates[i+1].rate / rates[i].rate; r > ratio {
				widest, ratio = i, r
			}
		}
		if ratio <= fineMeasured {
			return 0
		}
		rate = math.Sqrt(rates[widest].rate * rates[widest+1].rate)
	}
	for _, t := range all {
		if !t.done() && t.rate < rate*nearEnough && rate < t.rate*nearEnough {
			return t.rate
		}
	}
	return results.RoundRate(rate)
}

// unconfirmed is an end of the band that was not probed under enough fresh arrivals, the first of them; -1 for none.
func unconfirmed(rates []tried) int {
	passes, fails := bandOf(rates)
	for _, i := range []int{passes, fails} {
		if i >= 0 && rates[i].fresh < freshSeeds {
			return i
		}
	}
	return -1
}

// measure narrows the band by measured verdicts alone: each rate is probed under fresh arrivals until its probes can be judged together, then
// the next one between those that pass and those that fail, and both ends a few times at least. It may take as much load again as the search may.
func (s *searcher) measure(ctx context.Context) error {
	until := s.spent + s.plan.Budget
	for n := 0; n < mostMeasured && (s.spent < until || len(s.done) > 0); n++ {
		rates := s.tries()
		rate := nextRate(rates, s.closed())
		if rate == 0 {
			end := unconfirmed(rates)
			if end < 0 {
				return nil
			}
			rate = rates[end].rate
		}
		block := s.lastBlock() + 1
		p := results.Probe{Kind: results.ProbeMeasure, Rate: rate, Block: block, Seed: freshSeed(s.plan.Seed, block), Length: s.stepLength()}
		if i := slices.IndexFunc(rates, func(t tried) bool { return t.rate == rate }); i >= 0 { // as long as a batch must be
			long := 1.2 * stats.LeastMemories * rates[i].memory / rate
			p.Length = min(max(p.Length, time.Duration(long*1e9)), 10*p.Length).Round(time.Millisecond)
		}
		s.ahead = max(until-s.spent, p.Length)
		if _, err := s.probe(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// lastBlock is that of the last fresh arrivals.
func (a *assessor) lastBlock() (block int) {
	for _, m := range a.probes {
		block = max(block, m.Block)
	}
	return block
}

// settleMeasured fills in the band and its verdict from measured verdicts alone.
func (a *assessor) settleMeasured(c *results.Capacity, e estimate) {
	c.Method = "verdicts of measured latencies (null-scaled batch means, overload)"
	c.Reason = fmt.Sprintf("measured latencies are not those that the calls predict (%.1f standard errors), so the band is that of the measured verdicts alone", e.agreement)
	rates := a.tries()
	passes, fails := bandOf(rates)
	if passes >= 0 {
		c.Band.Passes = &rates[passes].rate
	}
	if fails >= 0 {
		c.Band.Fails = &rates[fails].rate
	}
	switch width, ok := c.Band.Width(); {
	case !ok && passes < 0 && nextRate(rates, a.closed()) == 0:
		c.Verdict = stats.VerdictFail
		c.Reason += "; no rate was seen to meet the objectives"
	case !ok:
		c.Reason += "; more load (--budget) may show its other end"
	case width > widest:
		c.Reason += fmt.Sprintf("; it is %.1f %% wide, and more load (--budget) narrows it if the machine is steady", 100*width)
	case unconfirmed(rates) >= 0:
		c.Reason += "; its ends were not confirmed under fresh arrivals"
	default:
		c.Verdict = stats.VerdictPass
		c.Reason += fmt.Sprintf("; confirmed under %d fresh arrivals at either end", freshSeeds)
	}
}

// measuredVerdict is that of the latencies of probes of one rate alone, and how many requests their latencies remember.
func (a *assessor) measuredVerdict(probes ...*measured) (verdict string, memory float64) {
	trials, overloaded := make([][]float64, len(probes)), 0
	for i, m := range probes {
		trials[i] = m.latencies
		if m.overload(a.plan.Timeout).Overloaded {
			overloaded++
		}
	}
	verdict = stats.VerdictPass
	for _, o := range a.objectives {
		v := ""
		if o.Metric == results.ErrorShare {
			v = a.failuresOf(probes, o)
		} else {
			judged := stats.BatchMeansOfTrials(trials, o.Quantile(), o.AtMost.Seconds())
			v, memory = judged.Verdict, max(memory, judged.Memory)
		}
		if v == stats.VerdictFail || verdict == stats.VerdictPass {
			verdict = v
		}
	}
	if 2*overloaded > len(probes) {
		verdict = stats.VerdictFail
	}
	return verdict, memory
}
