package loadgen

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"assay/results"
)

// faulty is a Target that fails, is slow or hangs as planted, on the test's virtual clock.
type faulty struct {
	service   time.Duration
	spread    bool // services are drawn around service
	fail      int  // every such call; 0 for none
	hang      int  // this call; 0 for none
	slow      int  // this call takes slowly longer; 0 for none
	slowly    time.Duration
	abortable bool // a hanging call ends when it is asked to
	asked     chan struct{}
	release   chan struct{} // frees it when the test ends
	mu        sync.Mutex
	rng       *rand.Rand
	calls     int
	sent      int // requests in them
}

func newFaulty() *faulty {
	return &faulty{rng: rand.New(rand.NewPCG(1, 2)), release: make(chan struct{}), asked: make(chan struct{})}
}

var errPlanted = errors.New("planted")

func (f *faulty) Do(int, int32) error { return f.call(1) }

func (f *faulty) DoBatch(_ int, inputs []int32) error { return f.call(len(inputs)) }

func (f *faulty) call(n int) error {
	f.mu.Lock()
	f.calls++
	f.sent += n
	call, d := f.calls, f.service
	if f.spread {
		d = time.Duration(f.rng.ExpFloat64() * float64(d))
	}
	f.mu.Unlock()
	if call == f.slow {
		d += f.slowly
	}
	time.Sleep(d)
	if f.hang > 0 && call == f.hang {
		if f.abortable {
			<-f.asked
			return errPlanted
		}
		<-f.release
	}
	if f.fail > 0 && call%f.fail == 0 {
		return errPlanted
	}
	return nil
}

// runFaulty runs a load on a virtual clock and checks what holds for every load whatever goes wrong.
func runFaulty(t rapid.TB, dir string, ctx context.Context, cfg Config, f *faulty) (Outcome, []results.Request) {
	records, err := NewRecords(dir, 1<<15)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { records.kept = false; records.Close() }()
	cfg.Clock = NewSleepClock()
	cfg.Abort = sync.OnceFunc(func() { close(f.asked) })
	o, err := Run(ctx, cfg, f, records)
	if err != nil {
		t.Fatal(err)
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
	close(f.release)
	synctest.Wait()
	checkConservation(t, cfg, o, rows, f)
	return o, rows
}

func checkConservation(t rapid.TB, cfg Config, o Outcome, rows []results.Request, f *faulty) {
	c := o.Counts
	if c.Scheduled != c.OK+c.Failed+c.Dropped+c.Timeout || c.Scheduled != len(rows) {
		t.Fatalf("%d rows of %+v", len(rows), c)
	}
	var sent, unfinished int
	for i, r := range rows {
		switch {
		case r.Seq != int64(i) || i > 0 && cfg.Schedule != nil && r.DueNS < rows[i-1].DueNS:
			t.Fatalf("row %d out of order: %+v", i, r)
		case r.StartedNS == results.Absent && (r.Status == results.RequestOK || r.Status == results.RequestFailed || r.DoneNS != results.Absent):
			t.Fatalf("row %d ended without a start: %+v", i, r)
		case r.StartedNS == results.Absent:
			continue
		case r.IssuedNS < r.DueNS || r.StartedNS < r.IssuedNS:
			t.Fatalf("row %d goes back in time: %+v", i, r)
		}
		sent++
		if r.DoneNS == results.Absent {
			unfinished++
			continue
		}
		late := cfg.Timeout > 0 && r.DoneNS-r.DueNS > int64(cfg.Timeout)
		if r.DoneNS < r.StartedNS || late && r.Status != results.RequestTimeout || !late && r.Status == results.RequestTimeout && !o.Hung {
			t.Fatalf("row %d: %+v with a timeout of %v", i, r, cfg.Timeout)
		}
	}
	if unfinished != c.Hung || sent+c.Warmup != f.sent && !(o.Hung && c.Warmup == 0) {
		t.Fatalf("%d calls for %d requests were made; %d rows were sent, %d unfinished: %+v", f.calls, f.sent, sent, unfinished, c)
	}
	if cfg.Schedule == nil || o.Interrupted || o.Hung || o.GivenUp {
		return
	}
	due := 0
	for _, at := range cfg.Schedule {
		if at >= int64(cfg.Warmup) && (cfg.Requests == 0 || int64(due) < cfg.Requests) {
			due++
		}
	}
	if due != c.Scheduled {
		t.Fatalf("%d requests were due in measure and %d are recorded", due, c.Scheduled)
	}
}

// TestNoRequestIsLost draws loads and faults, and holds every outcome against what must be true of it.
func TestNoRequestIsLost(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		millis := func(name string, lo, hi int) time.Duration {
			return time.Duration(rapid.IntRange(lo, hi).Draw(r, name)) * time.Millisecond
		}
		cfg := Config{Workers: rapid.IntRange(1, 4).Draw(r, "workers"), Warmup: millis("warm-up", 0, 100), Duration: millis("duration", 1, 500),
			Inputs: int32(rapid.IntRange(1, 5).Draw(r, "inputs")), Requests: int64(rapid.IntRange(0, 100).Draw(r, "requests")),
			Timeout: millis("timeout", 0, 50), DrainLimit: millis("drain limit", 0, 200), HangLimit: 5 * time.Second}
		var plant faulty
		plant.service, plant.spread = time.Duration(rapid.IntRange(300, 30_000).Draw(r, "service us"))*time.Microsecond, rapid.Bool().Draw(r, "spread")
		plant.fail, plant.hang, plant.abortable = rapid.IntRange(0, 10).Draw(r, "fail"), rapid.IntRange(-200, 200).Draw(r, "hang"), rapid.Bool().Draw(r, "abortable")
		if rapid.Bool().Draw(r, "open") {
			rate := rapid.Float64Range(1, 1500).Draw(r, "rate")
			cfg.Schedule = must(Poisson(rapid.Uint64().Draw(r, "seed"), rate, cfg.Warmup+cfg.Duration))
			if rapid.Bool().Draw(r, "batching") {
				cfg.Batching = Batching{Max: rapid.IntRange(2, 9).Draw(r, "largest batch"), Delay: millis("delay", 0, 20)}
			}
			if at := millis("given up", 0, 1000); at < cfg.Warmup+cfg.Duration {
				cfg.Outlook = &giveUp{at: int64(at)}
			}
		} else if n := rapid.IntRange(0, 100).Draw(r, "at least"); n > 0 && cfg.Requests == 0 {
			cfg.MinRequests, cfg.Longest = int64(n), 10*time.Second
		}
		interrupt := millis("interrupt", 0, 1000)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if interrupt > 0 && interrupt < 500*time.Millisecond {
				time.AfterFunc(interrupt, cancel)
			}
			f := newFaulty() // its channels belong to the bubble of virtual time
			f.service, f.spread, f.fail, f.hang, f.abortable = plant.service, plant.spread, plant.fail, plant.hang, plant.abortable
			runFaulty(r, dir, ctx, cfg, f)
		})
	})
}

func TestTimeoutsKeepTheWorkersTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		f.service = 25 * time.Millisecond
		schedule := must(Constant(100, time.Second)) // due every 10 ms, served every 25: the third waits 30 ms
		o, rows := runFaulty(t, t.TempDir(), t.Context(), Config{Workers: 1, Schedule: schedule, Duration: time.Second, Timeout: 30 * time.Millisecond}, f)
		unsent, late := 0, 0
		for _, r := range rows {
			switch {
			case r.Status != results.RequestTimeout:
			case r.StartedNS == results.Absent:
				unsent++
			default:
				late++
				if r.DoneNS-r.StartedNS != 25e6 {
					t.Fatalf("a late call keeps its length: %+v", r)
				}
			}
		}
		if o.Counts.OK == 0 || unsent == 0 || late == 0 || o.Counts.OK+unsent+late != 100 {
			t.Errorf("%+v, %d unsent, %d late", o.Counts, unsent, late)
		}
	})
}

// TestWarmupRequestsTimeOut: a call of warm-up that takes half a second leaves no queue behind, because those who waited have gone. With batches too.
func TestWarmupRequestsTimeOut(t *testing.T) {
	for _, batching := range []Batching{{}, {Max: 2}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFaulty()
			f.service, f.slow, f.slowly = time.Millisecond, 40/max(1, batching.Max), 500*time.Millisecond
			schedule := must(Constant(100, 2*time.Second))
			cfg := Config{Workers: 1, Schedule: schedule, Warmup: time.Second, Duration: time.Second, Timeout: 50 * time.Millisecond, Batching: batching}
			o, rows := runFaulty(t, t.TempDir(), t.Context(), cfg, f)
			if o.Counts.OK != 100 || len(rows) != 100 || o.Counts.Warmup < 50 || o.Counts.Warmup > 65 || len(o.Carried) != 0 {
				t.Errorf("%+v: %+v, %d carried", batching, o.Counts, len(o.Carried))
			}
		})
	}
}

func TestAHangingCallEndsTheLoad(t *testing.T) {
	for name, schedule := range map[string]Schedule{"closed": nil, "open": must(Constant(100, time.Minute))} {
		for _, abortable := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				f := newFaulty()
				f.service, f.hang, f.abortable = time.Millisecond, 50, abortable
				o, rows := runFaulty(t, t.TempDir(), t.Context(), Config{Workers: 1, Schedule: schedule, Duration: time.Minute, HangLimit: 2 * time.Second}, f)
				last := rows[49]
				if !o.Hung || o.Counts.OK != 49 || last.Status != results.RequestTimeout || (last.DoneNS == results.Absent) != !abortable {
					t.Errorf("%s, abortable %v: %+v, the hanging request %+v", name, abortable, o, last)
				}
				if waiting := o.Counts.Dropped; schedule != nil && (waiting < 195 || waiting > 310) {
					t.Errorf("%s: %d requests were due while the call hung, and dropped", name, waiting)
				}
			})
		}
	}
}

func TestAHangInWarmupEndsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		f.service, f.hang = time.Millisecond, 5
		o, rows := runFaulty(t, t.TempDir(), t.Context(), Config{Workers: 1, Warmup: time.Second, Duration: time.Minute, HangLimit: 2 * time.Second}, f)
		if !o.Hung || len(rows) != 0 || o.End-o.WarmupStart > 4e9 {
			t.Errorf("%+v, %d rows", o, len(rows))
		}
	})
}

func TestMeasureGoesOnUntilEnoughRequests(t *testing.T) {
	for name, schedule := range map[string]Schedule{"closed": nil, "open": must(Constant(100, 20*time.Second))} {
		synctest.Test(t, func(t *testing.T) {
			f := newFaulty()
			f.service = 10 * time.Millisecond
			cfg := Config{Workers: 1, Schedule: schedule, Duration: time.Second, MinRequests: 500, Longest: 20 * time.Second}
			o, rows := runFaulty(t, t.TempDir(), t.Context(), withoutTail(cfg, 500), f)
			if length := o.MeasureEnd - o.MeasureStart; len(rows) != 500 || length < 4.98e9 || length > 5.01e9 {
				t.Errorf("%s: %d requests in %d ns", name, len(rows), length)
			}
		})
	}
}

// withoutTail cuts a schedule behind its n-th entry, which is what the load does.
func withoutTail(cfg Config, n int) Config {
	cfg.Schedule = cfg.Schedule[:min(n, len(cfg.Schedule))]
	return cfg
}
