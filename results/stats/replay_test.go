package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// replayOf measures calls on a simulated queue of exponential services and returns their replay.
func replayOf(rng *rand.Rand, servers, n int, rate, mu float64, arrivals int) *Replay {
	free := make([]float64, servers)
	calls := make([]Call, n)
	at := 0.0
	for i := range calls {
		at += rng.ExpFloat64() / rate
		first, busy := 0, 0
		for s, f := range free {
			if f < free[first] {
				first = s
			}
			if f > at {
				busy++
			}
		}
		calls[i] = Call{Seconds: rng.ExpFloat64() / mu, Busy: busy, Waited: busy == servers}
		free[first] = max(at, free[first]) + calls[i].Seconds
	}
	unit, draws := make([]float64, arrivals), make([]float32, arrivals)
	sum := 0.0
	for i := range unit {
		sum += rng.ExpFloat64()
		unit[i], draws[i] = sum, rng.Float32()
	}
	return NewReplay(servers, calls, unit, draws)
}

// TestReplayFindsTheClosedForm measures calls at one rate and asks for the highest of M/M/1 and M/M/4 that keeps a p99: what it says must
// hold the closed form within its bounds nearly always, and its bounds must be of use.
func TestReplayFindsTheClosedForm(t *testing.T) {
	seeds := 1
	if long() {
		seeds = 50
	}
	for _, c := range []struct {
		name            string
		servers, calls  int
		mu, rate, limit float64
		want            float64
	}{
		{"M/M/1", 1, 40_000, 1000, 700, 0.02, 769.74},
		{"M/M/4", 4, 120_000, 50, 115, 0.1, 121.246},
	} {
		width := 0.0
		missed := share(seeds, 11, func(rng *rand.Rand) bool {
			h := replayOf(rng, c.servers, c.calls, c.rate, c.mu, 1<<20).Highest(c.limit, 0.01, c.want/8, c.want*1.3)
			width += (h.High/h.Low - 1) / float64(seeds)
			t.Logf("%s %.2f [%.2f, %.2f]", c.name, h.Rate, h.Low, h.High)
			return c.want < h.Low || c.want > h.High
		})
		if missed > 0.02 || width > 0.15 {
			t.Errorf("%s: the bounds missed %.1f in %.1f %% of runs; %.1f %% wide on average", c.name, c.want, 100*missed, 100*width)
		}
		t.Logf("%s: missed %.1f %%, %.1f %% wide on average", c.name, 100*missed, 100*width)
	}
}

func TestReplayBoundsFewCalls(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	r := replayOf(rng, 1, 300, 10, 1000, 1<<16)
	if share, low, high := r.Bounds(10, 0.1, 0); share > 0.001 || low != 0 || high < 0.0149 || high > 0.02 {
		t.Errorf("%v [%v, %v]: 300 calls none of which is late allow 1.5 %%", share, low, high)
	}
	if _, low, _ := r.Bounds(990, 0.005, 0); low < 0.1 {
		t.Errorf("at the edge of saturation at least %v are late", low)
	}
}

// TestReplayKeepsSituations plants calls that take longer after an idle gap, and contention between two servers.
func TestReplayKeepsSituations(t *testing.T) {
	unit, draws := make([]float64, 1<<16), make([]float32, 1<<16)
	rng := rand.New(rand.NewPCG(2, 2))
	sum := 0.0
	for i := range unit {
		sum += rng.ExpFloat64()
		unit[i], draws[i] = sum, rng.Float32()
	}
	var calls []Call
	for range 1000 {
		calls = append(calls, Call{Seconds: 0.003}, Call{Seconds: 0.001, Waited: true, Busy: 1})
	}
	late := NewReplay(1, calls, unit, draws).Late(1, []float64{0.002}, 0)
	if late.Share[0] < 0.99 {
		t.Errorf("at a low rate %v of requests are late, and each finds the server idle", late.Share[0])
	}
	calls = calls[:0]
	for range 1000 {
		calls = append(calls, Call{Seconds: 0.001}, Call{Seconds: 0.010, Busy: 1}, Call{Seconds: 0.010, Waited: true})
	}
	late = NewReplay(2, calls, unit, draws).Late(50, []float64{0.005}, 0)
	if got, want := late.Share[0], 0.07; math.Abs(got-want) > 0.05 {
		t.Errorf("%v of requests meet another one, want about %v", got, want)
	}
	calls[0].Failed = true
	if late := NewReplay(2, calls[:1], unit, draws).Late(1, []float64{1}, 0); late.Share[0] < 0.99 {
		t.Error("failed calls are not late")
	}
}

// TestOrderedCallsAreThoseNextInOrder: a request takes the call of its situation that was measured next to its place, and none of a part that is left
// out.
func TestOrderedCallsAreThoseNextInOrder(t *testing.T) {
	calls := make([]Call, 2000)
	for i := range calls {
		calls[i] = Call{Seconds: float64(i), Waited: i%10 == 3}
	}
	all, without := newOrderedTables(1, calls)
	for place, want := range map[int]float64{0: 3, 7: 3, 9: 13, 1000: 1003, 1999: 1993} {
		if got := all.take(1, 0, float32(place)/2000+1e-5, 0); got != want {
			t.Errorf("at place %d the call after a wait is %v, want %v", place, got, want)
		}
	}
	if got := all.take(1, 0, 0, 1007); got != 1003 {
		t.Errorf("1007 behind the first place: %v", got)
	}
	for part, table := range without {
		for i := range 1900 {
			if got := table.take(0, 0, 0, i); int(got) >= 100*part+10 && int(got) < 100*part+90 {
				t.Fatalf("without part %d a call of it is taken: %v", part, got)
			}
		}
	}
}

// TestTheCallsLeftOutAreAllThatDiffers: a piece that begins where nothing is left out takes the calls that it takes of the whole order.
func TestTheCallsLeftOutAreAllThatDiffers(t *testing.T) {
	calls := make([]Call, 2000)
	for i := range calls {
		calls[i].Seconds = float64(i)
	}
	all, without := newOrderedTables(1, calls)
	same := 0
	for part, table := range without {
		elsewhere := map[float64]bool{}
		for place := range 2000 {
			from := (float32(place) + 0.5) / 2000
			got, want := table.take(0, 0, from, 0), all.take(0, 0, from, 0)
			if place/100 != part && got != want {
				t.Fatalf("without part %d, place %d gives call %v, want %v", part, place, got, want)
			}
			if place/100 == part {
				elsewhere[got] = true
			}
			if got == want {
				same++
			}
		}
		if len(elsewhere) != 100 {
			t.Errorf("without part %d, pieces that begin in it begin at %d places instead, want 100", part, len(elsewhere))
		}
	}
	if same != 19*2000 {
		t.Errorf("%d places give the same call, want %d", same, 19*2000)
	}
}
