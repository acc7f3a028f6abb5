package capacity

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/loadgen"
	"assay/results"
)

func long() bool { return os.Getenv("ASSAY_LONG") != "" }

// queue is a Prober on virtual time: a first-come first-served queue whose services are exponential, or what service says.
type queue struct {
	mu      float64 // services a second, of one server
	seed    uint64
	service func(rng *rand.Rand, busy int) float64 // seconds; nil for exponential
	kept    map[int]Samples
	killAt  int // the probe that is killed, counted from 1; 0 for none
	probes  int
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

func (q *queue) closed(rng *rand.Rand, r Request) Samples {
	free := make([]int64, r.Servers)
	s := Samples{To: int64(r.Length), Validity: "valid"}
	for {
		first := 0
		for i, f := range free {
			if f < free[first] {
				first = i
			}
		}
		at := free[first]
		if at >= s.To {
			return s
		}
		free[first] += q.draw(rng, r.Servers-1)
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
		first, busy := 0, 0
		for i, f := range free {
			if f < free[first] {
				first = i
			}
			if f > at {
				busy++
			}
		}
		start := max(at, free[first])
		free[first] = start + q.draw(rng, min(busy, r.Servers-1))
		if at >= s.From {
			s.Rows = append(s.Rows, results.Request{DueNS: at, IssuedNS: at, StartedNS: start, DoneNS: free[first]})
		}
	}
	return s
}

func p99(limit time.Duration) results.SLO { return results.SLO{Metric: "latency.p99", AtMost: limit} }

// TestBandHoldsTheClosedForm searches queues whose highest rate is known: the band must hold it in at least 19 of 20 seeds and be at most
// 7 % wide.
func TestBandHoldsTheClosedForm(t *testing.T) {
	for _, c := range []struct {
		name    string
		servers int
		mu      float64
		limit   time.Duration
		want    float64
		budget  time.Duration
		short   int
	}{
		{"M/M/1 of a millisecond", 1, 1000, 20 * time.Millisecond, 769.74, 0, 3},
		{"M/M/1 of ten milliseconds", 1, 100, 200 * time.Millisecond, 76.974, 0, 1},
		{"M/M/4", 4, 50, 100 * time.Millisecond, 121.246, time.Hour, 1},
	} {
		seeds := c.short
		if long() {
			seeds = 20
		}
		missed := 0
		for seed := range uint64(seeds) {
			plan := Plan{Objectives: []results.SLO{p99(c.limit)}, Servers: c.servers, Seed: seed + 1, Budget: c.budget}
			q := &queue{mu: c.mu, seed: seed + 100}
			begun := time.Now()
			got, err := Search(t.Context(), plan, "m", q, Journal(filepath.Join(t.TempDir(), "j")), nil)
			if err != nil {
				t.Fatal(err)
			}
			width, ok := got.Band.Width()
			if !ok {
				t.Fatalf("%s: no band: %s", c.name, got.Reason)
			}
			t.Logf("%s: [%v, %v] %.1f %%, %s: %s; %d probes, %.0f s of load, z %.1f; took %v", c.name, *got.Band.Passes, *got.Band.Fails, 100*width, got.Verdict, got.Reason, len(got.Probes), got.Seconds, *got.Agreement, time.Since(begun).Round(time.Millisecond))
			if c.want < *got.Band.Passes || c.want > *got.Band.Fails {
				missed++
			}
			if width > 0.07 {
				t.Errorf("%s, seed %d: the band is %.1f %% wide", c.name, seed, 100*width)
			}
		}
		if missed > 1 || seeds < 20 && missed > 0 {
			t.Errorf("%s: the band misses %v in %d of %d seeds", c.name, c.want, missed, seeds)
		}
	}
}
