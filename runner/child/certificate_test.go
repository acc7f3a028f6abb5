package child

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"assay/loadgen"
	"assay/results"
)

// served is a Target that takes random times on the test's virtual clock.
type served struct {
	mu   sync.Mutex
	rng  *rand.Rand
	mean time.Duration
}

func (s *served) DoBatch(worker int, _ []int32) error { return s.Do(worker, 0) }

func (s *served) Do(int, int32) error {
	s.mu.Lock()
	d := time.Duration(s.rng.ExpFloat64() * float64(s.mean))
	s.mu.Unlock()
	time.Sleep(d)
	return nil
}

// lateClock sleeps too long by chance.
type lateClock struct {
	loadgen.Clock
	by time.Duration
}

func (c lateClock) WaitUntil(t int64) { c.Clock.WaitUntil(t + int64(c.by)) }

// sent are the records of a load of Poisson arrivals whose services are mean long on average. It is to be called on a virtual clock.
func sent(t *testing.T, cfg loadgen.Config, rate float64, mean time.Duration) (*loadgen.Records, loadgen.Outcome) {
	t.Helper()
	if cfg.Schedule == nil {
		var err error
		if cfg.Schedule, err = loadgen.Poisson(7, rate, cfg.Warmup+cfg.Duration); err != nil {
			t.Fatal(err)
		}
	}
	return sentTo(t, cfg, &served{rng: rand.New(rand.NewPCG(1, 2)), mean: mean})
}

// sentTo is what a load records of a target.
func sentTo(t *testing.T, cfg loadgen.Config, target loadgen.Target) (*loadgen.Records, loadgen.Outcome) {
	t.Helper()
	records, err := loadgen.NewRecords(t.TempDir(), 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	o, err := loadgen.Run(t.Context(), cfg, target, records)
	if err != nil {
		t.Fatal(err)
	}
	return records, o
}

// certificate of a load of Poisson arrivals on a virtual clock.
func certificate(t *testing.T, workers int, rate float64, mean, late time.Duration) (c *results.Certificate, p50 float64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		records, o := sent(t, loadgen.Config{Workers: workers, Warmup: time.Second, Duration: 10 * time.Second, Clock: lateClock{loadgen.NewSleepClock(), late}}, rate, mean)
		c, p50 = certify(records, o, rate, loadgen.Batching{}, 0)
	})
	return c, p50
}

// TestAnIdealQueueIsExplained: on a clock that is never late every wait is the queue's, also where warm-up leaves a backlog.
func TestAnIdealQueueIsExplained(t *testing.T) {
	for name, load := range map[string]struct {
		workers int
		rate    float64
	}{"one server": {1, 80}, "four servers": {4, 320}, "overloaded from the start": {1, 120}, "four, overloaded": {4, 450}} {
		c, p50 := certificate(t, load.workers, load.rate, 10*time.Millisecond, 0)
		if c.Unexplained["max"] != 0 || *c.GeneratorShare != 0 || c.Lateness["max"] != 0 {
			t.Errorf("%s: unexplained %v, late %v, share %v", name, c.Unexplained, c.Lateness, *c.GeneratorShare)
		}
		if p50 <= 0 || c.DuePerSecond < 0.9*load.rate || c.DuePerSecond > 1.1*load.rate || c.ScheduledPerSecond != load.rate {
			t.Errorf("%s: p50 %v, %+v", name, p50, c)
		}
		if most := float64(load.workers) * 110; c.AchievedPerSecond > most || c.AchievedPerSecond < min(0.9*load.rate, float64(load.workers)*90) {
			t.Errorf("%s: achieved %v/s", name, c.AchievedPerSecond)
		}
	}
}

// TestLateWakingIsTheGenerators: a clock that oversleeps by 2 ms makes requests that find the server free late by that much.
func TestLateWakingIsTheGenerators(t *testing.T) {
	c, _ := certificate(t, 1, 20, time.Millisecond, 2*time.Millisecond)
	if c.Lateness["p50"] < 1.99e-3 || c.Unexplained["p50"] < 1.99e-3 || *c.GeneratorShare < 0.5 || *c.GeneratorShare > 0.75 {
		t.Errorf("late %v, unexplained %v, share %v", c.Lateness, c.Unexplained, *c.GeneratorShare)
	}
}

// busyPeriods are the rows of a queue that is never empty: a call of 100 us, then a gap, then the next; of every thousandth the gap is a stop.
func busyPeriods(workers int, gap, stop time.Duration) *replay {
	p := newReplay(loadgen.Batching{}, make([]int64, workers))
	free := make([]int64, workers)
	for i := range 20_000 {
		w := i % workers
		start := free[w] + int64(gap)
		if i%1000 == 999 {
			start += int64(stop)
		}
		if i < workers {
			start = int64(i) * 30_000
		}
		free[w] = start + 100_000
		p.add(results.Request{DueNS: int64(i), IssuedNS: int64(i), StartedNS: start, DoneNS: free[w]})
	}
	return p
}

// TestAWorkersOwnWorkIsNoStop: half a microsecond between calls adds up to 10 ms over a queue of 20,000 and is explained; a tenth of a millisecond
// is not, nor is a stop of 5 ms now and then.
func TestAWorkersOwnWorkIsNoStop(t *testing.T) {
	for _, workers := range []int{1, 3} {
		if got := busyPeriods(workers, 500*time.Nanosecond, 0).unexplained.Max(); got > int64(100*time.Microsecond) { // of which 60 are the late start of the third worker
			t.Errorf("%d workers, 0.5 us between calls: %v unexplained", workers, time.Duration(got))
		}
		want := time.Duration(20_000/workers) * 99 * time.Microsecond
		if got := busyPeriods(workers, 100*time.Microsecond, 0).unexplained.Max(); got < int64(want)*9/10 {
			t.Errorf("%d workers, 100 us between calls: %v unexplained, want %v", workers, time.Duration(got), want)
		}
		if got := busyPeriods(workers, 500*time.Nanosecond, 5*time.Millisecond).unexplained.Max(); got < int64(5*time.Millisecond) {
			t.Errorf("%d workers, stops of 5 ms: %v unexplained", workers, time.Duration(got))
		}
	}
}

// TestALateBatchOwesEachMemberItsOwnWait: a batch that should have started after 2 ms starts after 10; what came in between has not waited 8 ms.
func TestALateBatchOwesEachMemberItsOwnWait(t *testing.T) {
	p := newReplay(loadgen.Batching{Max: 4, Delay: 2 * time.Millisecond}, []int64{0})
	for _, due := range []int64{0, 3e6, 6e6, 9e6} {
		p.add(results.Request{DueNS: due, StartedNS: 10e6, DoneNS: 11e6, Batch: 4})
	}
	p.flush()
	if got, want := p.unexplained.Sum(), 8e6+7e6+4e6+1e6; got != want || p.unexplained.N() != 4 {
		t.Errorf("%d members owe %v ns, want 4 and %v", p.unexplained.N(), got, want)
	}
}

// TestWhatATrialKnowsReachesItsCertificate: that its load was given up, what the clocks did, and the last batch of those that were late.
func TestWhatATrialKnowsReachesItsCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records, o := sent(t, loadgen.Config{Workers: 1, Duration: 2 * time.Second, Clock: loadgen.NewSleepClock()}, 20, time.Millisecond)
		o.GivenUp = true
		begun := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
		tr := &trial{records: records, asked: 20, out: &results.Trial{}, clocks: [2]clocks{{5e9, begun}, {7e9, begun.Add(4 * time.Second)}}}
		if tr.certify(o); tr.out.Certificate.Overload == nil || tr.out.Certificate.ClockRatio != 2 {
			t.Errorf("%+v", tr.out.Certificate)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		batching := loadgen.Batching{Max: 2, Delay: time.Second}
		records, o := sent(t, loadgen.Config{Workers: 1, Duration: time.Second, Schedule: loadgen.Schedule{1e6, 2e6}, Batching: batching,
			Clock: lateClock{loadgen.NewSleepClock(), 3 * time.Millisecond}}, 2, time.Millisecond)
		if c, _ := certify(records, o, 2, batching, 0); c.Unexplained["max"] < 2.9e-3 || c.Lateness["max"] < 2.9e-3 {
			t.Errorf("the only batch was 3 ms late: unexplained %v, late %v", c.Unexplained, c.Lateness)
		}
	})
}

// TestAProfilesMeanRateIsAskedFor: 200/s, three times as much in a third of the window.
func TestAProfilesMeanRateIsAskedFor(t *testing.T) {
	tr := &trial{config: Config{Rate: 200, Load: results.Load{Scenario: "server", Profile: "steps:1,3,1"}}, out: &results.Trial{}}
	cfg := loadgen.Config{Duration: 3 * time.Second}
	if err := tr.schedule(&cfg); err != nil || math.Abs(tr.asked-1000.0/3) > 1e-6 || tr.out.Rate != 200 {
		t.Errorf("%v: asked %v, rate %v", err, tr.asked, tr.out.Rate)
	}
}

// TestASteppedClockShows: the wall's clock is set forward by a second within ten, slewed by a thousandth, or keeps step.
func TestASteppedClockShows(t *testing.T) {
	begun := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	for wall, want := range map[time.Duration]float64{11 * time.Second: 1.1, 10010 * time.Millisecond: 1.001, 10 * time.Second: 1, 9 * time.Second: 0.9} {
		if got := (clocks{5e9, begun}).elapsedRatio(clocks{15e9, begun.Add(wall)}); math.Abs(got-want) > 1e-12 {
			t.Errorf("%v of wall time in 10 s: %v, want %v", wall, got, want)
		}
	}
	if got := (clocks{5e9, begun}).elapsedRatio(clocks{5e9, begun.Add(time.Hour)}); got != 1 {
		t.Errorf("no time between the readings: %v", got)
	}
}

// TestTimedOutRequestsHaveLeftTheQueue: a stall of 0.6 s in a load of 0.3, whose callers wait for 50 ms, is over when it is over.
func TestTimedOutRequestsHaveLeftTheQueue(t *testing.T) {
	const timeout = 50 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		records, o := stalled(t, loadgen.Config{Duration: 4 * time.Second, Timeout: timeout})
		if o.Counts.Timeout < 150 {
			t.Fatal(o.Counts)
		}
		if c, _ := certify(records, o, 300, loadgen.Batching{}, timeout); c.Overload != nil {
			t.Errorf("%+v", c.Overload)
		}
	})
}

// TestWarmupLeavesNoBacklogWhereRequestsTimeOut: a stall in warm-up, longer than what is left of it, whose callers wait for 50 ms.
func TestWarmupLeavesNoBacklogWhereRequestsTimeOut(t *testing.T) {
	const timeout = 50 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		records, o := stalled(t, loadgen.Config{Warmup: 2200 * time.Millisecond, Duration: 2 * time.Second, Timeout: timeout})
		if len(o.Carried) < 10 || len(o.Carried) > 20 { // those that had not gone when measure began
			t.Fatal(o.Counts, len(o.Carried))
		}
		o.GivenUp = true // so that what is judged is told
		if c, _ := certify(records, o, 300, loadgen.Batching{}, timeout); c.Overload.InFlight > 2 || c.Overload.Served < 0.98 {
			t.Errorf("%+v", c.Overload)
		}
	})
}

// stalled sends an even 300/s to a stalling target.
func stalled(t *testing.T, cfg loadgen.Config) (*loadgen.Records, loadgen.Outcome) {
	t.Helper()
	var err error
	if cfg.Schedule, err = loadgen.Constant(300, cfg.Warmup+cfg.Duration); err != nil {
		t.Fatal(err)
	}
	cfg.Workers, cfg.Clock = 1, loadgen.NewSleepClock()
	return sentTo(t, cfg, &stalling{})
}

// stalling is a Target of which the call after two seconds of a load of 300/s takes 600 ms, every other 1 ms.
type stalling struct{ calls int }

func (s *stalling) Do(int, int32) error {
	s.calls++
	if s.calls == 600 {
		time.Sleep(600 * time.Millisecond)
	}
	time.Sleep(time.Millisecond)
	return nil
}
