package capacity

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/loadgen"
	"assay/results"
	"assay/results/stats"
)

func long() bool { return os.Getenv("ASSAY_LONG") != "" }

// queue is a Prober on virtual time: a first-come first-served queue whose services are exponential, or what service says.
type queue struct {
	mu       float64 // services a second, of one server
	seed     uint64
	service  func(rng *rand.Rand, busy int) float64 // seconds; nil for exponential
	kept     map[int]Samples
	fail     int                                     // every such request fails; 0 for none
	validity string                                  // of its probes; valid where ""
	disturb  int                                     // every such probe takes a hundred times as long and says that the host disturbed it; 0 for none
	drift    func(index int, at, wait int64) float64 // by how much longer services take at an instant of a probe, after a wait; nil for 1
	killAt   int                                     // the probe that is killed, counted from 1; 0 for none
	probes   int
}

var errKilled = errors.New("killed")

func (q *queue) Probe(_ context.Context, r Request) (Samples, string, error) {
	if q.probes++; q.probes == q.killAt {
		return Samples{}, "", errKilled
	}
	rng := rand.New(rand.NewPCG(q.seed, uint64(r.Index)))
	var s Samples
	if r.Kind == results.ProbeClosed {
		s = q.closed(rng, r)
	} else {
		s = q.open(rng, r)
	}
	for i := range s.Rows {
		if q.fail > 0 && i%q.fail == 0 {
			s.Rows[i].Status = results.RequestFailed
		}
	}
	if q.validity != "" {
		s.Validity, s.Reasons = q.validity, []string{"host.late: by far"}
	}
	if q.disturb > 0 && q.probes%q.disturb == 0 {
		for i := range s.Rows {
			s.Rows[i].DoneNS += 99 * (s.Rows[i].DoneNS - s.Rows[i].DueNS)
		}
		s.Validity, s.Reasons = "invalid", []string{"host.stopped: for long"}
	}
	if q.kept == nil {
		q.kept = map[int]Samples{}
	}
	q.kept[r.Index] = s
	return s, "arm", nil
}

func (q *queue) Load(p results.Probe) (Samples, error) { return q.kept[p.Index], nil }

func (q *queue) draw(rng *rand.Rand, busy int) int64 {
	if q.service != nil {
		return int64(q.service(rng, busy) * 1e9)
	}
	return int64(rng.ExpFloat64() / q.mu * 1e9)
}

// at is a service as it is at an instant of a probe.
func (q *queue) at(r Request, at, wait, service int64) int64 {
	if q.drift == nil {
		return service
	}
	return int64(float64(service) * q.drift(r.Index, at, wait))
}

// freest is the server that is free first, and how many are busy at an instant.
func freest(free []int64, at int64) (first, busy int) {
	for i, f := range free {
		if f < free[first] {
			first = i
		}
		if f > at {
			busy++
		}
	}
	return first, busy
}

func (q *queue) closed(rng *rand.Rand, r Request) Samples {
	free := make([]int64, r.Servers)
	s := Samples{To: int64(r.Length), Validity: "valid"}
	for {
		first, _ := freest(free, 0)
		at := free[first]
		if at >= s.To {
			return s
		}
		free[first] += q.at(r, at, 0, q.draw(rng, r.Servers-1))
		s.Rows = append(s.Rows, results.Request{DueNS: at, IssuedNS: at, StartedNS: at, DoneNS: free[first]})
	}
}

func (q *queue) open(rng *rand.Rand, r Request) Samples {
	due, err := loadgen.Arrivals{Rate: r.Rate, Seed: r.Seed}.Schedule(r.Warmup, r.Length)
	if err != nil {
		panic(err)
	}
	free := make([]int64, r.Servers)
	s := Samples{From: int64(r.Warmup), To: int64(r.Warmup + r.Length), Validity: "valid", Lateness: new(float64)}
	for _, at := range due {
		first, busy := freest(free, at)
		start := max(at, free[first])
		row := results.Request{DueNS: at, IssuedNS: results.Absent, StartedNS: results.Absent, DoneNS: results.Absent, Status: results.RequestTimeout}
		if !late(start-at, r.Timeout) {
			free[first] = start + q.at(r, start, start-at, q.draw(rng, min(busy, r.Servers-1)))
			row.IssuedNS, row.StartedNS, row.DoneNS = at, start, free[first]
			if !late(free[first]-at, r.Timeout) {
				row.Status = results.RequestOK
			}
		}
		if at >= s.From {
			s.Rows = append(s.Rows, row)
		}
	}
	return s
}

// late reports whether a request that has waited, or taken, so long has timed out.
func late(ns int64, timeout time.Duration) bool { return timeout > 0 && ns > int64(timeout) }

func p99(limit time.Duration) results.SLO { return results.SLO{Metric: "latency.p99", AtMost: limit} }

// closedForm is a queue whose highest rate is known.
type closedForm struct {
	name    string
	servers int
	mu      float64 // services a second, of one server
	limit   time.Duration
	want    float64       // requests a second
	budget  time.Duration // of load
	short   int           // seeds in a short test
}

// TestBandHoldsTheClosedForm searches queues whose highest rate is known: the band must hold it in at least 19 of 20 seeds and be at most
// 7 % wide.
func TestBandHoldsTheClosedForm(t *testing.T) {
	for _, c := range []closedForm{
		{"one server of 1 ms", 1, 1000, 20 * time.Millisecond, 769.74, 0, 1},
		{"one server of 10 ms", 1, 100, 200 * time.Millisecond, 76.974, 0, 0},
		{"four servers of 20 ms", 4, 50, 100 * time.Millisecond, 121.246, 90 * time.Minute, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			seeds := c.short
			if long() {
				seeds = 20
			} else {
				replays(t, 1<<18)
			}
			missed := 0
			for seed := range uint64(seeds) {
				if !c.held(t, seed) {
					missed++
				}
			}
			if missed > 1 || seeds < 20 && missed > 0 {
				t.Errorf("the band misses %v in %d of %d seeds", c.want, missed, seeds)
			}
		})
	}
}

// held reports whether the band of a search holds the closed form.
func (c closedForm) held(t *testing.T, seed uint64) bool {
	plan := Plan{Objectives: []results.SLO{p99(c.limit)}, Servers: c.servers, Seed: seed + 1, Budget: c.budget}
	q := &queue{mu: c.mu, seed: seed + 100}
	begun := time.Now()
	got, err := Search(t.Context(), plan, "m", q, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil {
		t.Fatal(err)
	}
	width, ok := got.Band.Width()
	if !ok {
		t.Errorf("seed %d: no band: %s", seed, got.Reason)
		return false
	}
	t.Logf("seed %d: [%v, %v] %.1f %%, %s: %s; %d probes, %.0f s of load, z %.1f; took %v", seed, *got.Band.Passes, *got.Band.Fails, 100*width, got.Verdict, got.Reason,
		len(got.Probes), got.Seconds, *got.Agreement, time.Since(begun).Round(time.Millisecond))
	if width > 0.07 {
		t.Errorf("seed %d: the band is %.1f %% wide", seed, 100*width)
	}
	return *got.Band.Passes <= c.want && c.want <= *got.Band.Fails
}

// replays sets how many arrivals are replayed while a test lasts.
func replays(t *testing.T, n int) {
	before := replayLength
	replayLength = n
	t.Cleanup(func() { replayLength = before })
}

// brisk is a plan whose probes are short, for tests of the search's shape.
func brisk(objectives ...results.SLO) Plan {
	return Plan{Objectives: objectives, Servers: 1, Seed: 7, Length: time.Second, Budget: time.Second}
}

// TestSearchGoesOnAfterAKill kills the search at each of its probes, and takes it up: it must end with the answer of a search that was left
// alone, without sending a probe twice.
func TestSearchGoesOnAfterAKill(t *testing.T) {
	replays(t, 1<<16)
	plan := brisk(p99(20 * time.Millisecond))
	whole := &queue{mu: 1000, seed: 5}
	want, err := Search(t.Context(), plan, "m", whole, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil {
		t.Fatal(err)
	}
	journal := Journal(filepath.Join(t.TempDir(), "j"))
	q := &queue{mu: 1000, seed: 5, killAt: 1}
	var got *results.Capacity
	for range 3 {
		if _, err := Search(t.Context(), plan, "m", q, journal, nil); !errors.Is(err, errKilled) {
			t.Fatalf("error %v", err)
		}
		q.killAt += 1 + whole.probes/3 // the killed one counts as a probe here
	}
	f, err := os.OpenFile(string(journal), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"index": 99, "ki`); err != nil { // a record that was cut off
		t.Fatal(err)
	}
	f.Close()
	q.killAt = 0
	if got, err = Search(t.Context(), plan, "m", q, journal, nil); err != nil {
		t.Fatal(err)
	}
	if *got.Band.Passes != *want.Band.Passes || *got.Band.Fails != *want.Band.Fails || len(got.Probes) != len(want.Probes) || got.Reason != want.Reason {
		t.Errorf("[%v, %v] after %d probes, want [%v, %v] after %d", *got.Band.Passes, *got.Band.Fails, len(got.Probes), *want.Band.Passes, *want.Band.Fails, len(want.Probes))
	}
	if q.probes != whole.probes+3 {
		t.Errorf("%d probes were sent, want %d and the three killed ones", q.probes, whole.probes)
	}
	again, err := Assess(plan, "m", mustRead(t, journal), q.Load)
	if err != nil || *again.Band.Passes != *want.Band.Passes || *again.Band.Fails != *want.Band.Fails {
		t.Errorf("assessed again: %+v, %v", again, err)
	}
	plan.Seed++
	if _, err := Search(t.Context(), plan, "m", q, journal, nil); err == nil {
		t.Error("another plan took up the journal")
	}
}

func mustRead(t *testing.T, j Journal) []results.Probe {
	t.Helper()
	probes, err := j.Read()
	if err != nil {
		t.Fatal(err)
	}
	return probes
}

// TestSearchesThatFindNoRate: a model that alone takes longer than the objective, one that fails too often, and one that answers nothing.
func TestSearchesThatFindNoRate(t *testing.T) {
	replays(t, 1<<16)
	slow := &queue{service: func(*rand.Rand, int) float64 { return 0.01 }}
	got, err := Search(t.Context(), brisk(p99(5*time.Millisecond)), "m", slow, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Verdict != "fail" || got.Band.Passes != nil || got.Band.Fails == nil {
		t.Errorf("too slow: %+v, %v", got, err)
	}
	for _, p := range got.Probes {
		if p.Rate < got.Closed/20 {
			t.Errorf("a probe at %v/s, where hardly a call comes, of a model that does %v/s and takes too long for each", p.Rate, got.Closed)
		}
	}
	failing := &queue{mu: 1000, fail: 10}
	got, err = Search(t.Context(), brisk(p99(50*time.Millisecond), results.SLO{Metric: "error", Share: 0.01}), "m", failing, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Verdict != "fail" || got.Band.Passes != nil || got.Binding != "error" {
		t.Errorf("failing: %+v, %v", got, err)
	}
	failing.fail = 1
	if _, err = Search(t.Context(), brisk(p99(50*time.Millisecond)), "m", failing, Journal(filepath.Join(t.TempDir(), "j")), nil); !errors.Is(err, ErrNothing) {
		t.Errorf("error %v of a model that answers nothing", err)
	}
}

// TestBandOfAModelThatDependsOnTheLoad plants what a replay of independent calls could miss: a first call after a gap that takes three times as
// long, so that the band must be that of the queue as it is. Its truth is found by brute force.
func TestBandOfAModelThatDependsOnTheLoad(t *testing.T) {
	replays(t, 1<<17)
	service := func(rng *rand.Rand, busy int) float64 {
		if busy == 0 {
			return 0.003
		}
		return 0.001 * (0.9 + 0.2*rng.Float64())
	}
	plan := Plan{Objectives: []results.SLO{p99(8 * time.Millisecond)}, Servers: 2, Seed: 3}
	q := &queue{seed: 9, service: service}
	got, err := Search(t.Context(), plan, "m", q, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Verdict != "pass" {
		t.Fatalf("%+v, %v", got, err)
	}
	q.mustBound(t, plan, got.Band)
}

// TestARareSlowCallLeavesNoRate: calls that take too long by themselves, half as often as is allowed, leave no rate that is shown to be low enough until
// there are many of them; the upper end is then that of measured latencies where these show a lower one.
func TestARareSlowCallLeavesNoRate(t *testing.T) {
	replays(t, 1<<16)
	rare := &queue{seed: 4, service: func(rng *rand.Rand, _ int) float64 {
		if rng.Float64() < 0.0055 {
			return 0.050
		}
		return 0.001
	}}
	got, err := Search(t.Context(), brisk(p99(20*time.Millisecond)), "m", rare, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Verdict != "inconclusive" || got.Band.Passes != nil || got.Band.Fails == nil || !strings.HasPrefix(got.Reason, "no rate is shown") {
		t.Errorf("%+v, %v", got, err)
	}
	lowest := math.Inf(1)
	settled := settledWith(t, brisk(p99(20*time.Millisecond)), got, rare, func(known tried) string {
		if known.fresh < freshSeeds {
			return stats.VerdictInconclusive
		}
		lowest = min(lowest, known.rate)
		return stats.VerdictFail
	})
	if settled.Band.Fails == nil || *settled.Band.Fails != lowest || lowest >= *got.Band.Fails {
		t.Errorf("fails %v, before %v, where measured latencies show that %v/s does", *settled.Band.Fails, *got.Band.Fails, lowest)
	}
	// The lowest rate was probed under the search's own arrivals alone, which are one chance.
	if settled = settledWith(t, brisk(p99(20*time.Millisecond)), got, rare, func(tried) string { return stats.VerdictFail }); *settled.Band.Fails != *got.Band.Fails {
		t.Errorf("fails %v by a rate without fresh arrivals, before %v", *settled.Band.Fails, *got.Band.Fails)
	}
}

// settledWith settles a search again, with other verdicts of measured latencies.
func settledWith(t *testing.T, p Plan, was *results.Capacity, q *queue, verdict func(tried) string) *results.Capacity {
	t.Helper()
	a, err := newAssessor(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, probe := range was.Probes {
		samples, err := q.Load(probe.Probe)
		if err != nil {
			t.Fatal(err)
		}
		a.add(newMeasured(probe.Probe, samples))
	}
	for _, known := range a.tries() {
		known.verdict = verdict(known)
		a.known[known.rate] = known
	}
	c := &results.Capacity{}
	a.settle(c, a.estimate())
	return c
}

// TestAMachineThatBecameFaster: where calls are twice as fast as in the closed loop, the rates that are looked at end below what can be done, and
// nothing is said of where the objective is missed.
func TestAMachineThatBecameFaster(t *testing.T) {
	replays(t, 1<<16)
	calls := 0
	faster := &queue{seed: 4, service: func(*rand.Rand, int) float64 {
		if calls++; calls < 400 {
			return 0.010
		}
		return 0.005
	}}
	got, err := Search(t.Context(), brisk(p99(2*time.Second)), "m", faster, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Verdict != "inconclusive" || got.Band.Fails != nil || got.Estimate != nil || len(got.Curve) > 0 || !strings.Contains(got.Reason, "speed changed") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestMeasuredLatenciesAgainstTheBand: a rate below a band whose measured latencies fail, or one above it whose pass, is named; and a probe without
// requests has no verdict.
func TestMeasuredLatenciesAgainstTheBand(t *testing.T) {
	probe := func(rate float64, latency time.Duration, n int) *measured {
		rows := make([]results.Request, n)
		for i := range rows {
			due := int64(float64(i) / rate * 1e9)
			rows[i] = results.Request{DueNS: due, IssuedNS: due, StartedNS: due, DoneNS: due + int64(latency)*int64(90+i*7919%20)/100}
		}
		return newMeasured(results.Probe{Kind: results.ProbeConfirm, Rate: rate, Block: 1}, Samples{To: int64(float64(n) / rate * 1e9), Rows: rows})
	}
	a, err := newAssessor(brisk(p99(20 * time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	a.add(probe(100, 30*time.Millisecond, 5000))
	a.add(probe(900, 10*time.Millisecond, 5000))
	low, high, lower, higher := 200.0, 220.0, 50.0, 1000.0
	for _, c := range []struct {
		band results.Band
		want string
	}{
		{results.Band{Passes: &low, Fails: &higher}, "100/s say fail"}, {results.Band{Passes: &lower, Fails: &high}, "900/s say pass"}, {results.Band{Passes: &lower, Fails: &higher}, ""},
	} {
		if got := a.against(c.band); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%v to %v: %q, want %q", *c.band.Passes, *c.band.Fails, got, c.want)
		}
	}
	if got := a.settledVerdict(probe(40, 0, 0), results.Band{Passes: &lower}); got != "inconclusive" {
		t.Errorf("a probe without requests: %s", got)
	}
}

// TestMoreLoadIsForeseen ends a search early, and goes on with as much load as its answer asks for: that must settle it.
func TestMoreLoadIsForeseen(t *testing.T) {
	replays(t, 1<<18)
	plan := Plan{Objectives: []results.SLO{{Metric: "latency.p50", AtMost: 2 * time.Millisecond}}, Servers: 1, Seed: 5, Length: 300 * time.Millisecond, Budget: time.Second}
	q, journal := &queue{mu: 1000, seed: 105}, Journal(filepath.Join(t.TempDir(), "j"))
	var left []time.Duration // of the first round, in lengths of its probes
	tell := func(e Event) {
		if e.Probe.Kind == results.ProbeConfirm && len(left) < 4*freshSeeds {
			left = append(left, e.Left/e.Probe.Length)
		}
	}
	first, err := Search(t.Context(), plan, "m", q, journal, tell)
	if err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0}; !slices.Equal(left, want) {
		t.Errorf("probes left before and after each of a round: %v, want %v", left, want)
	}
	_, asked, _ := strings.Cut(first.Reason, "--budget ")
	asked, _, _ = strings.Cut(asked, ",")
	if plan.Budget, err = time.ParseDuration(asked); err != nil || first.Verdict != "inconclusive" {
		t.Fatalf("%s: %s; %v", first.Verdict, first.Reason, err)
	}
	second, err := Search(t.Context(), plan, "m", q, journal, nil)
	if err != nil || second.Verdict != "pass" || len(second.Probes) <= len(first.Probes) || second.Seconds > 1.5*plan.Budget.Seconds() {
		t.Errorf("after %.0f s, %v were asked for, and after %.0f s: %s: %s, %v", first.Seconds, plan.Budget, second.Seconds, second.Verdict, second.Reason, err)
	}
	doubted := settledWith(t, plan, second, q, func(known tried) string {
		if known.rate < *second.Band.Passes {
			return stats.VerdictFail
		}
		return known.verdict
	})
	if doubted.Verdict == stats.VerdictPass || !strings.Contains(doubted.Reason, "against the band") {
		t.Errorf("rates below the band fail, and it is called %s: %s", doubted.Verdict, doubted.Reason)
	}
	plan.Budget = time.Second
	if less, err := Search(t.Context(), plan, "m", q, journal, nil); err != nil || less.Reason != second.Reason || len(less.Probes) != len(second.Probes) {
		t.Errorf("with less load than there was already: %+v, %v", less, err)
	}
	t.Logf("%.0f s: %s; %.0f s: %s", first.Seconds, first.Reason, second.Seconds, second.Reason)
}

// TestInvalidProbesSettleNothing: a host that was too busy gives no band to rely on.
func TestInvalidProbesSettleNothing(t *testing.T) {
	replays(t, 1<<16)
	q := &queue{mu: 1000, seed: 5, validity: "invalid"}
	got, err := Search(t.Context(), brisk(p99(20*time.Millisecond)), "m", q, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Verdict != "inconclusive" || got.Validity != "invalid" || len(got.Reasons) != 1 {
		t.Errorf("%s, %s, %v, %v", got.Verdict, got.Validity, got.Reasons, err)
	}
}

// TestFewSlowCallsDoNotEndTheSearch: of this queue's calls two in three hundred take longer than the objective by themselves, and by chance more
// than one in a hundred of the first few. The search must go where calls are many, not where it is safe and there are none.
func TestFewSlowCallsDoNotEndTheSearch(t *testing.T) {
	replays(t, 1<<17)
	plan := Plan{Objectives: []results.SLO{p99(100 * time.Millisecond)}, Servers: 4, Seed: 2, Budget: 10 * time.Minute}
	got, err := Search(t.Context(), plan, "m", &queue{mu: 50, seed: 101}, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Band.Passes == nil || *got.Band.Passes < 90 || *got.Band.Passes > 121.2 || *got.Band.Fails < 121.3 {
		t.Fatalf("%s: %s: %+v, %v", got.Verdict, got.Reason, got.Band, err)
	}
	t.Logf("%s [%v, %v] %.0f s", got.Verdict, *got.Band.Passes, *got.Band.Fails, got.Seconds)
}

// TestEndsGoWhereCallsAreMany: of a band of which nothing is known, rates of a few requests a second teach nothing.
func TestEndsGoWhereCallsAreMany(t *testing.T) {
	vagueBand := estimate{Highest: stats.Highest{Rate: 13.6, Low: 0.2, High: 400}}
	if low, high := ends(vagueBand, 188); low != 23.5 || high != 94 {
		t.Errorf("probes at %v and %v, want a quarter of and half of the closed loop's rate", low, high)
	}
	known := estimate{Highest: stats.Highest{Rate: 100, Low: 96, High: 104}}
	if low, high := ends(known, 188); low != 96 || high != 104 {
		t.Errorf("probes at %v and %v, want the band's ends", low, high)
	}
}

// TestDisturbedProbesAreSentAgain: every third probe falls on a moment at which the host stops the process. The band must be that of the others,
// and a resumed search must take the journal up with the disturbed ones in it.
func TestDisturbedProbesAreSentAgain(t *testing.T) {
	replays(t, 1<<16)
	calm := &queue{mu: 1000, seed: 5}
	want, err := Search(t.Context(), brisk(p99(20*time.Millisecond)), "m", calm, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil {
		t.Fatal(err)
	}
	q, journal := &queue{mu: 1000, seed: 5, disturb: 3}, Journal(filepath.Join(t.TempDir(), "j"))
	got, err := Search(t.Context(), brisk(p99(20*time.Millisecond)), "m", q, journal, nil)
	if err != nil || got.Band.Passes == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if got.SetAside == 0 || got.Validity != "valid" || *got.Band.Fails < *want.Band.Passes || *got.Band.Passes > *want.Band.Fails {
		t.Errorf("%d set aside, %s: [%v, %v], undisturbed [%v, %v]", got.SetAside, got.Validity, *got.Band.Passes, *got.Band.Fails, *want.Band.Passes, *want.Band.Fails)
	}
	sent := q.probes
	again, err := Search(t.Context(), brisk(p99(20*time.Millisecond)), "m", q, journal, nil)
	if err != nil || q.probes != sent || *again.Band.Passes != *got.Band.Passes || again.SetAside != got.SetAside {
		t.Errorf("taken up: %d more probes, %+v, %v", q.probes-sent, again, err)
	}
}

// shifting is a machine whose speed changes every second: a quarter of the time it takes twice as long.
func shifting(index int, at, _ int64) float64 {
	rng := rand.New(rand.NewPCG(uint64(index), uint64(at/1e9)))
	if rng.IntN(4) == 0 {
		return 2
	}
	return 1
}

// TestBandOfAMachineWhoseSpeedChanges: independent calls would predict a rate that such a machine does not keep, because slow calls come a second
// at a time. The calls are replayed in their order, so that the band holds the rate that brute force finds.
func TestBandOfAMachineWhoseSpeedChanges(t *testing.T) {
	replays(t, 1<<17)
	plan := Plan{Objectives: []results.SLO{p99(100 * time.Millisecond)}, Servers: 1, Seed: 3, Budget: 5 * time.Minute, Length: 20 * time.Second}
	q := &queue{seed: 9, drift: shifting, service: func(rng *rand.Rand, _ int) float64 { return 0.001 * (0.9 + 0.2*rng.Float64()) }}
	got, err := Search(t.Context(), plan, "m", q, Journal(filepath.Join(t.TempDir(), "j")), nil)
	if err != nil || got.Band.Passes == nil || got.Band.Fails == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	t.Logf("%s: [%v, %v], z %.1f: %s", got.Verdict, *got.Band.Passes, *got.Band.Fails, *got.Agreement, got.Method)
	if !strings.Contains(got.Reason, "steadier machine") {
		t.Errorf("the reason does not say what widens the band: %s", got.Reason)
	}
	q.mustBound(t, plan, got.Band)
}

// mustBound finds out by brute force whether the objective is met at the lower end of a band and missed at its upper.
func (q *queue) mustBound(t *testing.T, plan Plan, band results.Band) {
	t.Helper()
	below, above := q.missed(plan, *band.Passes), q.missed(plan, *band.Fails)
	t.Logf("%.3f %% miss at the band's lower end and %.3f %% at its upper", 100*below, 100*above)
	if allowed := plan.Objectives[0].Allowed(); below > allowed || above < allowed {
		t.Errorf("band [%v, %v]: %.3f %% miss at its lower end and %.3f %% at its upper", *band.Passes, *band.Fails, 100*below, 100*above)
	}
}

// missed is the share of ten million Poisson arrivals that miss the first objective.
func (q *queue) missed(plan Plan, rate float64) float64 {
	const n = 10_000_000
	rng := rand.New(rand.NewPCG(1, 1))
	free, limit := make([]int64, plan.Servers), int64(plan.Objectives[0].AtMost)
	missed, due := 0, 0.0
	for range n {
		due += rng.ExpFloat64() / rate * 1e9
		at := int64(due)
		first, busy := freest(free, at)
		start := max(at, free[first])
		if late(start-at, plan.Timeout) {
			missed++
			continue
		}
		free[first] = start + q.at(Request{Probe: results.Probe{Index: 1000}}, start, start-at, q.draw(rng, min(busy, plan.Servers-1)))
		if free[first]-at > limit || late(free[first]-at, plan.Timeout) {
			missed++
		}
	}
	return float64(missed) / n
}

// TestBandByMeasuredVerdicts searches a queue as if the calls did not predict it: measured verdicts alone must make a band that holds the
// closed form and is confirmed.
func TestBandByMeasuredVerdicts(t *testing.T) {
	replays(t, 1<<16)
	before := disagree
	disagree = 0
	t.Cleanup(func() { disagree = before })
	plan := Plan{Objectives: []results.SLO{p99(20 * time.Millisecond)}, Servers: 1, Seed: 3, Budget: 3 * time.Minute, Length: 10 * time.Second}
	q := &queue{mu: 1000, seed: 9}
	journal := Journal(filepath.Join(t.TempDir(), "j"))
	got, err := Search(t.Context(), plan, "m", q, journal, nil)
	if err != nil || got.Band.Passes == nil || got.Band.Fails == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	t.Logf("%s: [%v, %v], %d probes, %.0f s: %s", got.Verdict, *got.Band.Passes, *got.Band.Fails, len(got.Probes), got.Seconds, got.Reason)
	if width, _ := got.Band.Width(); !strings.HasPrefix(got.Method, "verdicts") || *got.Band.Passes > 769.7 || *got.Band.Fails < 769.8 || width > 0.3 {
		t.Errorf("[%v, %v] by %s, want it to hold 769.74", *got.Band.Passes, *got.Band.Fails, got.Method)
	}
	sent := q.probes
	if again, err := Search(t.Context(), plan, "m", q, journal, nil); err != nil || q.probes != sent || *again.Band.Passes != *got.Band.Passes {
		t.Errorf("taken up: %d more probes, %v", q.probes-sent, err)
	}
}

// TestBandOfVerdicts: contradictions lie within the band, and the next rate splits its widest part.
func TestBandOfVerdicts(t *testing.T) {
	for _, c := range []struct {
		verdicts      string // of 100/s, 200/s, ...: p, f, ? open, - cannot tell
		passes, fails int
		next          float64
	}{
		{"pff", 0, 1, 141.4},
		{"ppf", 1, 2, 244.9},
		{"pfpf", 0, 3, 141.4},
		{"p-f", 0, 2, 141.4},
		{"fff", -1, 0, 75},
		{"ff?f", -1, 0, 75},
		{"pp", 1, -1, 266.7},
		{"-", -1, -1, 75},
		{"?", -1, -1, 100},
	} {
		var rates []tried
		for i, v := range c.verdicts {
			r := tried{rate: float64(100 * (i + 1)), verdict: map[rune]string{'p': "pass", 'f': "fail", '?': "inconclusive", '-': "inconclusive"}[v]}
			if v == '-' {
				r.fresh = mostTrials
			}
			rates = append(rates, r)
		}
		if passes, fails := bandOf(rates); passes != c.passes || fails != c.fails {
			t.Errorf("%s: %d, %d, want %d, %d", c.verdicts, passes, fails, c.passes, c.fails)
		}
		if next := nextRate(rates, 1000); next != c.next {
			t.Errorf("%s: next %v, want %v", c.verdicts, next, c.next)
		}
	}
}
