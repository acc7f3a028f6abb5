package loadgen

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"assay/results"
)

// service is a Target that takes planted times, on the test's virtual clock.
type service func(n int64) (time.Duration, error)

type planted struct {
	service service
	n       atomic.Int64
}

func (p *planted) Do(int, int32) error {
	d, err := p.service(p.n.Add(1) - 1)
	time.Sleep(d)
	return err
}

func constant(d time.Duration) service {
	return func(int64) (time.Duration, error) { return d, nil }
}

// runVirtual runs a load on a virtual clock and returns its rows.
func runVirtual(t *testing.T, ctx context.Context, cfg Config, s service) (Outcome, []results.Request) {
	t.Helper()
	records, err := NewRecords(t.TempDir(), 1<<21)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	cfg.Clock = NewSleepClock()
	o, err := Run(ctx, cfg, &planted{service: s}, records)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Counts.OK + o.Counts.Failed + o.Counts.Dropped + o.Counts.Timeout; got != o.Counts.Scheduled {
		t.Errorf("scheduled %d, ended %d", o.Counts.Scheduled, got)
	}
	rows := make([]results.Request, records.Len())
	read := records.Reader(1)
	for n := 0; n < len(rows); {
		k, err := read(rows[n:])
		if err != nil || k == 0 {
			t.Fatalf("read stopped at %d of %d: %v", n, len(rows), err)
		}
		n += k
	}
	return o, rows
}

func TestClosedLoopLatencyIsServiceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, rows := runVirtual(t, t.Context(), Config{Warmup: 20 * time.Millisecond, Duration: 100 * time.Millisecond}, constant(time.Millisecond))
		if len(rows) != 100 || o.Counts.OK != 100 || o.Counts.Warmup != 20 {
			t.Fatalf("%d rows, counts %+v", len(rows), o.Counts)
		}
		for _, r := range rows {
			if r.DoneNS-r.DueNS != 1e6 || r.DueNS != r.IssuedNS || r.IssuedNS != r.StartedNS {
				t.Fatalf("row %+v", r)
			}
		}
		if got := o.MeasureEnd - o.MeasureStart; got != 100e6 {
			t.Errorf("measure took %d ns", got)
		}
	})
}

func TestMeasureOpensWhenTheWarmupRequestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, rows := runVirtual(t, t.Context(), Config{Warmup: 10 * time.Millisecond, Duration: 100 * time.Millisecond}, constant(800*time.Millisecond))
		if len(rows) != 1 || o.MeasureStart-o.WarmupStart != 800e6 || o.MeasureEnd-o.MeasureStart != 800e6 {
			t.Errorf("%d rows; %+v", len(rows), o)
		}
	})
}

func TestRequestLimitEndsMeasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, rows := runVirtual(t, t.Context(), Config{Duration: time.Hour, Requests: 7}, constant(time.Millisecond))
		if len(rows) != 7 || o.MeasureEnd-o.MeasureStart != 7e6 || o.Interrupted {
			t.Errorf("%d rows; %+v", len(rows), o)
		}
	})
}

func TestOfflineIsDueAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, rows := runVirtual(t, t.Context(), Config{Duration: 50 * time.Millisecond, AtOnce: true}, constant(10*time.Millisecond))
		for i, r := range rows {
			if want := int64(i+1) * 10e6; r.DoneNS-r.DueNS != want {
				t.Errorf("request %d: latency %d, want %d", i, r.DoneNS-r.DueNS, want)
			}
		}
		if len(rows) != 5 || rows[0].DueNS != o.MeasureStart-o.WarmupStart {
			t.Errorf("%d rows, first due at %d", len(rows), rows[0].DueNS)
		}
	})
}

func TestConcurrencyKeepsThatManyOutstanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, rows := runVirtual(t, t.Context(), Config{Workers: 4, Duration: 100 * time.Millisecond}, constant(10*time.Millisecond))
		if len(rows) != 40 {
			t.Errorf("%d rows, want 40", len(rows))
		}
	})
}

// waits gives the waits of a first-come first-served queue by the recursion of Kiefer and Wolfowitz (of Lindley with one server).
func waits(due []int64, services []time.Duration, servers int) []int64 {
	free := make([]int64, servers)
	out := make([]int64, len(due))
	for i := range due {
		slices.Sort(free)
		started := max(due[i], free[0])
		out[i] = started - due[i]
		free[0] = started + int64(services[i])
	}
	return out
}

func TestOpenLoopWaitsEqualTheQueueOracle(t *testing.T) {
	n := 20_000.0
	if os.Getenv("ASSAY_LONG") != "" {
		n = 1e6
	}
	for _, servers := range []int{1, 4} {
		for _, rho := range []float64{0.3, 0.5, 0.8, 0.95} {
			synctest.Test(t, func(t *testing.T) {
				rate := 1000 * rho * float64(servers)
				schedule, err := Poisson(7, rate, time.Duration(n/rate*1e9))
				if err != nil {
					t.Fatal(err)
				}
				rng := rand.New(rand.NewPCG(3, uint64(servers)))
				services := make([]time.Duration, len(schedule))
				for i := range services {
					services[i] = time.Duration(rng.ExpFloat64()*1e6) + 1
				}
				_, rows := runVirtual(t, t.Context(), Config{Workers: servers, Schedule: schedule, Duration: time.Duration(n / rate * 1e9)},
					func(i int64) (time.Duration, error) { return services[i], nil })
				if len(rows) != len(schedule) {
					t.Fatalf("%d rows for %d requests", len(rows), len(schedule))
				}
				for i, want := range waits(schedule, services, servers) {
					if got := rows[i].StartedNS - rows[i].DueNS; got != want {
						t.Fatalf("servers %d rho %v request %d: wait %d, oracle %d", servers, rho, i, got, want)
					}
				}
			})
		}
	}
}

func TestPlantedStallShowsInLatencyAndNotInService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		schedule, err := Constant(200, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, rows := runVirtual(t, t.Context(), Config{Schedule: schedule, Duration: 10 * time.Second}, func(n int64) (time.Duration, error) {
			if n == 1000 {
				return 501 * time.Millisecond, nil
			}
			return time.Millisecond, nil
		})
		var late, longService int
		for _, r := range rows {
			if r.DoneNS-r.DueNS > 2e6 {
				late++
			}
			if r.DoneNS-r.StartedNS > 2e6 {
				longService++
			}
			if r.IssuedNS != r.DueNS {
				t.Fatalf("request %d was issued %d ns late on a perfect clock", r.Seq, r.IssuedNS-r.DueNS)
			}
		}
		// A backlog of 0.5 s drains at 1 ms each while arrivals come every 5 ms: 501 ms / (5 - 1) ms = 125 requests are late.
		if late < 121 || late > 129 || longService != 1 {
			t.Errorf("%d late, %d long in service", late, longService)
		}
	})
}

func TestWarmupRequestsAreSentAndNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		schedule, _ := Constant(100, 3*time.Second)
		o, rows := runVirtual(t, t.Context(), Config{Schedule: schedule, Warmup: time.Second, Duration: 2 * time.Second}, constant(time.Millisecond))
		if o.Counts.Warmup != 100 || len(rows) != 200 || rows[0].DueNS != 1e9 {
			t.Errorf("warm-up %d, %d rows, first due %d", o.Counts.Warmup, len(rows), rows[0].DueNS)
		}
	})
}

func TestInterruptEndsMeasureAndDrains(t *testing.T) {
	for name, schedule := range map[string]Schedule{"closed": nil, "open": must(Constant(0.5, time.Hour))} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begun := time.Now()
			o, rows := runVirtual(t, ctx, Config{Schedule: schedule, Duration: time.Hour}, constant(1500*time.Millisecond))
			if !o.Interrupted || len(rows) < 3 || len(rows) > 4 || o.Counts.OK != len(rows) {
				t.Errorf("%s: %d rows, %+v", name, len(rows), o)
			}
			if took := time.Since(begun); took > 7*time.Second {
				t.Errorf("%s: drained for %v", name, took-5*time.Second)
			}
		})
	}
}

func TestFailuresAreRecordedAndNotFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		o, rows := runVirtual(t, t.Context(), Config{Duration: 100 * time.Millisecond}, func(n int64) (time.Duration, error) {
			if n%10 == 3 {
				return time.Millisecond, broken
			}
			return time.Millisecond, nil
		})
		if o.Counts.Failed != 10 || o.Counts.OK != 90 || !errors.Is(o.FirstError, broken) {
			t.Errorf("%+v", o)
		}
		if rows[3].Status != results.RequestFailed || rows[4].Status != results.RequestOK {
			t.Errorf("statuses %v %v", rows[3].Status, rows[4].Status)
		}
	})
}

func TestDrainLimitDropsTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		schedule, _ := Constant(1000, time.Second)
		o, rows := runVirtual(t, t.Context(), Config{Schedule: schedule, Duration: time.Second, DrainLimit: time.Second}, constant(10*time.Millisecond))
		if o.Counts.Scheduled != 1000 || o.Counts.OK < 199 || o.Counts.OK > 202 {
			t.Errorf("%+v", o.Counts)
		}
		last := rows[len(rows)-1]
		if last.Status != results.RequestDropped || last.StartedNS != results.Absent {
			t.Errorf("last row %+v", last)
		}
	})
}

func TestEdgesComeInOrderAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var phases []string
		var at []int64
		schedule, _ := Constant(1000, 3*time.Second)
		runVirtual(t, t.Context(), Config{Schedule: schedule, Warmup: time.Second, Duration: 2 * time.Second,
			Edge: func(p string, t int64) { phases, at = append(phases, p), append(at, t) }}, constant(100*time.Microsecond))
		if !slices.Equal(phases, []string{"warmup", "measure", "drain", "end"}) || !slices.IsSorted(at) {
			t.Fatalf("%v at %v", phases, at)
		}
		if at[1]-at[0] != 1e9 || at[2]-at[1] != 2e9 {
			t.Errorf("edges at %v", at)
		}
	})
}

// TestLiveQuantilesHaveTwoDigits: of a stall of half a second in a load of 200/s the p99 is 0.42 s, and half of the requests take their 1 ms.
func TestLiveQuantilesHaveTwoDigits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last Progress
		cfg := Config{Schedule: must(Constant(200, 10*time.Second)), Duration: 10 * time.Second, Tick: func(p Progress) { last = p }}
		_, rows := runVirtual(t, t.Context(), cfg, func(n int64) (time.Duration, error) {
			if n == 1000 {
				return 500 * time.Millisecond, nil
			}
			return time.Millisecond, nil
		})
		latencies := make([]float64, len(rows))
		for i, r := range rows {
			latencies[i] = float64(r.DoneNS-r.DueNS) / 1e9
		}
		slices.Sort(latencies)
		for name, c := range map[string]struct{ got, want float64 }{"p50": {last.P50, latencies[999]}, "p99": {last.P99, latencies[1979]}} {
			if math.Abs(c.got/c.want-1) > 0.005 {
				t.Errorf("%s %v, want %v", name, c.got, c.want)
			}
		}
		if last.LateP99 != 0 {
			t.Errorf("late by %v on a clock that wakes in time", last.LateP99)
		}
	})
}

func TestProgressAddsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last Progress
		ticks := 0
		o, _ := runVirtual(t, t.Context(), Config{Duration: 10*time.Second + 100*time.Millisecond, Tick: func(p Progress) { last = p; ticks++ }}, constant(10*time.Millisecond))
		if ticks < 20 || ticks > 21 {
			t.Errorf("%d ticks in 10 s", ticks)
		}
		if last.OK != uint64(o.Counts.OK) || last.Buckets[bucketOf(10e6)] != last.OK {
			t.Errorf("%+v of %+v", last, o.Counts)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestSpinningWorkersAreNeverEarly spins on the real clock over a window longer than the gaps.
func TestSpinningWorkersAreNeverEarly(t *testing.T) {
	records, err := NewRecords(t.TempDir(), 1<<12)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	schedule := must(Constant(5000, 50*time.Millisecond))
	if _, err := Run(t.Context(), Config{Workers: 1, Schedule: schedule, Duration: 50 * time.Millisecond, Clock: NewThreadClock(), LockThreads: true, Spin: 300e3}, nothing{}, records); err != nil {
		t.Fatal(err)
	}
	rows := make([]results.Request, len(schedule))
	n, err := records.Reader(1)(rows)
	if err != nil || n != len(schedule) {
		t.Fatalf("%d rows of %d, %v", n, len(schedule), err)
	}
	for _, r := range rows {
		if r.IssuedNS < r.DueNS || r.StartedNS < r.IssuedNS || r.DoneNS < r.StartedNS {
			t.Fatalf("out of order: %+v", r)
		}
	}
}

func TestChoosePacing(t *testing.T) {
	clock := NewThreadClock()
	for name, c := range map[string]struct {
		cores, busy int
		rate        float64
		spins       bool
	}{
		"few cores":   {2, 1, 1000, false},
		"busy model":  {8, 8, 1000, false},
		"rare":        {8, 2, 1, false},
		"room enough": {8, 2, 1000, true},
	} {
		if p := ChoosePacing(clock, c.cores, c.busy, c.rate); (p.Spin > 0) != c.spins || p.Why == "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
