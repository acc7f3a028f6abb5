package capacity

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"assay/results"
	"assay/results/stats"
)

// The shape of the search.
const (
	lowShare    = 1.0 / 8    // of the closed-loop rate: where the search begins
	lowestShare = 1.0 / 1024 // below, no rate is tried
	fineEnough  = 1.05       // ratio of the bracket's ends at which bisection stops
	freshSeeds  = 3          // arrivals under which each end of the band is confirmed, a round
	longer      = 3          // times the length of a probe that could not tell
	farthest    = 1.1        // ratio of a confirmed rate to the estimate at most
	mostRounds  = 12         // of confirmation
	vague       = 0.5        // width of a band of which little is known

	mostRepeats  = 2  // of a probe that the host disturbed
	mostSetAside = 10 // of such probes in a search
)

// lengthOf is how long a probe lasts that should see so many requests at the closed-loop rate.
func lengthOf(requests, closed float64, least, most time.Duration) time.Duration {
	return min(max(time.Duration(requests/closed*1e9), least), most).Round(time.Millisecond)
}

// Event is what a search tells while it goes on.
type Event struct {
	Probe   results.Probe // as it begins, or with its verdict
	Begins  bool
	Elapsed time.Duration // of load
	Left    time.Duration // of load, as far as can be told
}

// searcher carries a search out.
type searcher struct {
	*assessor
	prober  Prober
	journal Journal
	tell    func(Event)
	done    []results.Probe // from the journal, not taken up yet
	spent   time.Duration   // of load
	ahead   time.Duration   // of load, with the next probe's, where that is planned; 0 while the rate is narrowed down
}

// Search carries the plan out, or on where its journal ends, and returns the answer; beside an error, that of what was measured before.
// arm names what is measured in the answer. tell may be nil.
func Search(ctx context.Context, p Plan, arm string, prober Prober, journal Journal, tell func(Event)) (*results.Capacity, error) {
	a, err := newAssessor(p)
	if err != nil {
		return nil, err
	}
	s := &searcher{assessor: a, prober: prober, journal: journal, tell: tell}
	if s.tell == nil {
		s.tell = func(Event) {}
	}
	if s.done, err = journal.Read(); err != nil {
		return nil, err
	}
	err = s.search(ctx)
	if len(s.probes) == 0 {
		return nil, err
	}
	return s.report(arm), err
}

// Assess gives the answer of a search from its probes and their samples, without going on.
func Assess(p Plan, arm string, probes []results.Probe, load func(results.Probe) (Samples, error)) (*results.Capacity, error) {
	a, err := newAssessor(p)
	if err != nil {
		return nil, err
	}
	for _, probe := range probes {
		samples, err := load(probe)
		if err != nil {
			return nil, err
		}
		a.add(newMeasured(probe, samples))
	}
	return a.report(arm), nil
}

func (s *searcher) search(ctx context.Context) error {
	if err := s.closedLoop(ctx); err != nil {
		return err
	}
	if s.plan.Budget == 0 {
		s.plan.Budget = defaultBudget(s.closed())
	}
	settled, err := s.bisect(ctx)
	if err != nil {
		return err
	}
	if settled {
		if err := s.confirm(ctx); err != nil {
			return err
		}
	}
	if s.contradicted(s.estimate()) {
		return s.measure(ctx)
	}
	return nil
}

// defaultBudget is two minutes of load, more for slow models: what it takes to see rare slow calls; at most twenty minutes.
func defaultBudget(closed float64) time.Duration {
	return lengthOf(200_000, closed, 2*time.Minute, 20*time.Minute)
}

// closedLoop measures how much can be done, longer where it was too short to tell.
func (s *searcher) closedLoop(ctx context.Context) error {
	length := results.ClosedLength
	if s.plan.Length > 0 {
		length = s.plan.Length
	}
	for {
		m, err := s.probe(ctx, results.Probe{Kind: results.ProbeClosed, Length: length})
		if err != nil {
			return err
		}
		served := m.served()
		if served == 0 {
			return ErrNothing
		}
		again := false
		if length, again = results.LongerClosed(served, length); !again {
			return nil
		}
	}
}

// bisect narrows down where rates begin to miss the objectives, as far as verdicts go: a rate that cannot be judged even by a longer
// probe counts as one that misses them, and where it lies within the bounds of the estimate, no verdict on one rate will tell more, so that the
// bisection ends. false means that no rate meets the objectives.
func (s *searcher) bisect(ctx context.Context) (bool, error) {
	closed := s.closed()
	length := s.stepLength()
	high, low := closed, closed*lowShare
	for {
		verdict, err := s.verdict(ctx, low, length)
		if err != nil {
			return false, err
		}
		if verdict == stats.VerdictPass {
			break
		}
		if verdict == stats.VerdictInconclusive {
			return true, nil
		}
		if e := s.estimate(); e.ok && e.High <= closed*lowestShare { // calls take too long by themselves
			return false, nil
		}
		if high, low = low, low*lowShare; low < closed*lowestShare {
			return false, nil
		}
	}
	for high/low > fineEnough {
		mid := math.Sqrt(low * high)
		verdict, err := s.verdict(ctx, mid, length)
		if err != nil {
			return false, err
		}
		if verdict == stats.VerdictPass {
			low = mid
			continue
		}
		high = mid
		if e := s.estimate(); verdict == stats.VerdictInconclusive && e.ok && e.Low <= mid && mid <= e.High {
			break
		}
	}
	return true, nil
}

// verdict probes a rate under the search's arrivals, and once more and longer where that cannot tell.
func (s *searcher) verdict(ctx context.Context, rate float64, length time.Duration) (string, error) {
	p := results.Probe{Kind: results.ProbeSearch, Rate: results.RoundRate(rate), Seed: s.plan.Seed, Length: length}
	m, err := s.probe(ctx, p)
	if err != nil {
		return "", err
	}
	if m.Verdict == stats.VerdictInconclusive {
		p.Kind, p.Length = results.ProbeExtend, longer*length
		if m, err = s.probe(ctx, p); err != nil {
			return "", err
		}
	}
	return m.Verdict, nil
}

// stepLength is how long a step of the bisection lasts: as long as the plan says, or 1500 requests of the closed loop within bounds.
func (s *searcher) stepLength() time.Duration {
	if s.plan.Length > 0 {
		return s.plan.Length
	}
	return lengthOf(1500, s.closed(), 3*time.Second, 30*time.Second)
}

// confirm probes both ends of the band under fresh arrivals until it is narrow or the budget is spent.
func (s *searcher) confirm(ctx context.Context) error {
	closed := s.closed()
	least := 2 * s.stepLength()
	length := least
	for round := range mostRounds {
		e := s.estimate()
		if !e.ok || round > 0 && (e.width() <= aimed || s.spent >= s.plan.Budget && len(s.done) == 0 || s.contradicted(e)) {
			return nil
		}
		if round > 0 {
			// Uncertainty falls with the root of what was measured: as much more as takes it to the aim, within what is left.
			more := time.Duration(float64(s.spent) * (math.Pow(e.width()/(0.95*aimed), 2) - 1) / (2 * freshSeeds))
			length = max(least, min(more, 5*length, (s.plan.Budget-s.spent)/(2*freshSeeds))).Round(time.Millisecond)
		}
		low, high := ends(e, closed)
		if err := s.round(ctx, round, low, high, length); err != nil {
			return err
		}
	}
	return nil
}

// ends are the rates at which a band is probed. Where little is known yet, rates at which few requests come would teach little more: the model's
// calls are what is missing, and half of what the closed loop does gives many.
func ends(e estimate, closed float64) (low, high float64) {
	if e.High <= closed*lowestShare*1.01 { // calls take too long by themselves: where there are many of them, they show it
		return results.RoundRate(closed * lowShare / 2), results.RoundRate(closed * lowShare)
	}
	low, high = max(e.Low, e.Rate/farthest, closed*lowestShare), min(e.High, e.Rate*farthest, closed*0.995)
	if e.width() > vague {
		high = max(high, min(e.High, closed/2))
		low = max(low, high/4)
	}
	return results.RoundRate(low), results.RoundRate(high)
}

// round probes two rates under three fresh arrivals each, all in random order, so that a machine that warms up does not favour one.
func (s *searcher) round(ctx context.Context, round int, low, high float64, length time.Duration) error {
	var probes []results.Probe
	for i := range freshSeeds {
		block := 1 + round*freshSeeds + i
		for _, rate := range []float64{low, high} {
			probes = append(probes, results.Probe{Kind: results.ProbeConfirm, Rate: rate, Block: block, Seed: freshSeed(s.plan.Seed, block), Length: length})
		}
	}
	rng := rand.New(rand.NewPCG(s.plan.Seed, uint64(round)))
	rng.Shuffle(len(probes), func(i, j int) { probes[i], probes[j] = probes[j], probes[i] })
	for i, p := range probes {
		s.ahead = time.Duration(len(probes)-i) * length
		if _, err := s.probe(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// freshSeed is that of the arrivals of a block of confirmations.
func freshSeed(seed uint64, block int) uint64 {
	return rand.New(rand.NewPCG(seed, 0x6672657368+uint64(block))).Uint64() >> 1 // "fresh"
}

// probe measures, and again where the host disturbed it: what disturbed it is seen by its own marks (late threads, stops, a stepped clock),
// not by the latencies, so that leaving it out favours no verdict.
func (s *searcher) probe(ctx context.Context, p results.Probe) (*measured, error) {
	for {
		m, err := s.once(ctx, p)
		if err != nil || !m.SetAside {
			return m, err
		}
		p.Repeat++
	}
}

// once takes the next probe from the journal, or carries it out and keeps it there.
func (s *searcher) once(ctx context.Context, p results.Probe) (*measured, error) {
	p.Index = len(s.probes)
	if len(s.done) > 0 {
		return s.takeUp(p)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.tell(Event{Probe: p, Begins: true, Elapsed: s.spent, Left: s.left(p)})
	samples, arm, err := s.prober.Probe(ctx, Request{Probe: p, Servers: s.plan.Servers, Warmup: s.warmup(), Timeout: s.timeout(p)})
	if err != nil {
		return nil, err
	}
	p.Arm = arm
	code := disturbance(samples)
	p.SetAside = code != "" && p.Repeat < mostRepeats && s.setAside() < mostSetAside
	m := newMeasured(p, samples)
	s.keep(m)
	switch {
	case p.Kind == results.ProbeClosed:
		m.Rate = m.served()
	case m.SetAside:
		m.Reason = "set aside and sent again: " + code
	default:
		m.Verdict, m.Reason = s.judge(m)
	}
	if err := s.journal.Append(m.Probe); err != nil {
		return nil, err
	}
	s.tell(Event{Probe: m.Probe, Elapsed: s.spent, Left: s.left(results.Probe{})})
	return m, nil
}

// disturbance is the reason for which a probe is not to be trusted that lies in the host and not in the load; "" where there is none.
func disturbance(samples Samples) string {
	if samples.Validity != results.Invalid {
		return ""
	}
	return results.Disturbance(samples.Reasons)
}

// takeUp gives the journal's next probe, which must be the one that is asked for.
func (s *searcher) takeUp(p results.Probe) (*measured, error) {
	was := s.done[0]
	s.done = s.done[1:]
	if was.Index != p.Index || was.Kind != p.Kind || was.Seed != p.Seed || was.Block != p.Block || was.Repeat != p.Repeat || p.Kind != results.ProbeClosed && was.Rate != p.Rate {
		return nil, fmt.Errorf("the journal's probe %d is %s at %s/s, and the search would do %s at %s/s: it was begun otherwise; choose another --out",
			was.Index, was.Kind, results.RateLabel(was.Rate), p.Kind, results.RateLabel(p.Rate))
	}
	samples, err := s.prober.Load(was)
	if err != nil {
		return nil, fmt.Errorf("take up probe %d: %w", was.Index, err)
	}
	m := newMeasured(was, samples)
	s.keep(m)
	return m, nil
}

func (s *searcher) keep(m *measured) {
	s.add(m)
	s.spent += time.Duration(m.To - m.From)
}

// warmup lets the queue fill: four hundred requests at the closed-loop rate.
func (s *searcher) warmup() time.Duration {
	if closed := s.closed(); closed > 0 {
		return lengthOf(400, closed, s.plan.Warmup, max(s.plan.Warmup, 10*time.Second))
	}
	return s.plan.Warmup
}

// timeout is that of a probe's requests; none in a closed loop, which shows how much can be done.
func (s *searcher) timeout(p results.Probe) time.Duration {
	if p.Kind == results.ProbeClosed {
		return 0
	}
	return s.plan.Timeout
}

// left is how much load is still to come, as far as that is planned: what the bisection and one round of confirmation take at most, what is left of a
// round, or of the time for measured verdicts.
func (s *searcher) left(next results.Probe) time.Duration {
	switch closed := s.closed(); {
	case closed == 0:
		return 0
	case s.ahead > 0 && next.Kind == "":
		return max(0, s.ahead-s.probes[len(s.probes)-1].Length)
	case s.ahead > 0:
		return s.ahead
	}
	steps := 7
	for _, m := range s.probes {
		if m.Kind == results.ProbeSearch {
			steps--
		}
	}
	return time.Duration(max(steps, 0)+2*2*freshSeeds) * s.stepLength()
}

// Round is the round of confirmation that a block belongs to, counted from 1.
func Round(block int) int { return (block + freshSeeds - 1) / freshSeeds }
