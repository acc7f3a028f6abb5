package loadgen

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"assay/results"
)

// served is a BatchTarget whose calls take a time that depends on what they hold, on the test's virtual clock.
type served struct {
	service func(size int) time.Duration
	mu      sync.Mutex
	inputs  [][]int32
}

func (s *served) Do(_ int, input int32) error { return s.DoBatch(0, []int32{input}) }

func (s *served) DoBatch(_ int, inputs []int32) error {
	s.mu.Lock()
	s.inputs = append(s.inputs, append([]int32(nil), inputs...))
	s.mu.Unlock()
	time.Sleep(s.service(len(inputs)))
	return nil
}

// runBatched runs an open load with batching on a virtual clock.
func runBatched(t *testing.T, cfg Config, target *served) (Outcome, []results.Request) {
	t.Helper()
	records := must(NewRecords(t.TempDir(), 1<<19))
	defer records.Close()
	cfg.Clock = NewSleepClock()
	o, err := Run(t.Context(), cfg, target, records)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]results.Request, records.Len())
	read := records.Reader(1)
	for n := 0; n < len(rows); {
		k, err := read(rows[n:])
		if err != nil || k == 0 {
			t.Fatal(n, err)
		}
		n += k
	}
	return o, rows
}

// batchesOf splits rows into the batches that they were sent in.
func batchesOf(t *testing.T, rows []results.Request) (batches [][]results.Request) {
	for len(rows) > 0 {
		n := int(rows[0].Batch)
		if n < 1 || n > len(rows) {
			t.Fatalf("%d rows are left, and the next says that its batch held %d: %+v", len(rows), n, rows[0])
		}
		for _, r := range rows[:n] {
			if r.Batch != int32(n) || r.StartedNS != rows[0].StartedNS || r.DoneNS != rows[0].DoneNS {
				t.Fatalf("%+v stands among the %d of %+v", r, n, rows[0])
			}
		}
		batches = append(batches, rows[:n])
		rows = rows[n:]
	}
	return batches
}

// TestBatchesAtALowRate holds the batcher against the closed form of a queue without service times: a batch takes the 1 + Poisson(rate
// times delay) requests that come within the delay of its first; the first waits for all of the delay, the others on average for half.
func TestBatchesAtALowRate(t *testing.T) {
	const delay, length = 10 * time.Millisecond, 2000 * time.Second
	for _, rate := range []float64{1, 20, 100} {
		synctest.Test(t, func(t *testing.T) {
			target := &served{service: func(int) time.Duration { return 1 }}
			_, rows := runBatched(t, Config{Workers: 1, Schedule: must(Poisson(11, rate, length)), Duration: length,
				Batching: Batching{Max: 1000, Delay: delay}}, target)
			batches := batchesOf(t, rows)
			sum := 0.0
			for _, r := range rows {
				sum += float64(r.StartedNS - r.DueNS)
			}
			x := rate * delay.Seconds()
			n := float64(len(rows))
			if size := n / float64(len(batches)); math.Abs(size-(1+x)) > 5*math.Sqrt(x/float64(len(batches))) {
				t.Errorf("rate %v: batches of %.4f on average, closed form %.4f", rate, size, 1+x)
			}
			want := delay.Seconds() * (1 + x/2) / (1 + x)
			if wait := sum / n / 1e9; math.Abs(wait-want) > 5*delay.Seconds()/math.Sqrt(n) {
				t.Errorf("rate %v: a wait of %.6f s on average, closed form %.6f", rate, wait, want)
			}
		})
	}
}

// TestBatchesStartWhenTheOracleSays replays the batches of a busy batcher: each starts when it is full or its first member has waited
// enough, and a server is free.
func TestBatchesStartWhenTheOracleSays(t *testing.T) {
	for _, servers := range []int{1, 3} {
		for _, rate := range []float64{500, 4000 * float64(servers)} {
			synctest.Test(t, func(t *testing.T) {
				b := Batching{Max: 8, Delay: 2 * time.Millisecond}
				target := &served{service: func(size int) time.Duration { return time.Duration(500+150*size) * time.Microsecond }}
				_, rows := runBatched(t, Config{Workers: servers, Schedule: must(Poisson(5, rate, 10*time.Second)), Duration: 10 * time.Second, Batching: b}, target)
				oracle := NewBatchOracle(b, make([]int64, servers)...)
				full := 0
				for i, batch := range batchesOf(t, rows) {
					first, last := batch[0], batch[len(batch)-1]
					if len(batch) == b.Max {
						full++
					}
					want := oracle.Start(first.DueNS, last.DueNS, len(batch), first.DoneNS-first.StartedNS)
					if first.StartedNS != want {
						t.Fatalf("servers %d rate %v: batch %d of %d started at %d, oracle %d", servers, rate, i, len(batch), first.StartedNS, want)
					}
					for _, r := range batch {
						if r.IssuedNS != r.DueNS {
							t.Fatalf("on a perfect clock nothing is late: %+v", r)
						}
					}
				}
				if busy := rate > 1000; busy != (full > 100) {
					t.Errorf("servers %d rate %v: %d batches were full", servers, rate, full)
				}
			})
		}
	}
}

func TestBatchesTakeTheInputsOfTheirMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := &served{service: func(int) time.Duration { return time.Millisecond }}
		_, rows := runBatched(t, Config{Workers: 1, Schedule: must(Constant(1000, time.Second)), Duration: time.Second, Inputs: 3,
			Batching: Batching{Max: 4, Delay: 10 * time.Millisecond}}, target)
		at := 0
		for _, inputs := range target.inputs {
			for _, input := range inputs {
				if rows[at].Input != input || input != int32(at%3) {
					t.Fatalf("request %d took input %d and says %d", at, input, rows[at].Input)
				}
				at++
			}
		}
		if at != len(rows) {
			t.Errorf("%d members for %d rows", at, len(rows))
		}
	})
}
