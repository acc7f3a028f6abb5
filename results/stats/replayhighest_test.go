package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// rareSlow is the replay of one server's calls of 1 ms of which a share takes 50 ms.
func rareSlow(n int, share float64) *Replay {
	rng := rand.New(rand.NewPCG(4, 4))
	calls, unit, draws := make([]Call, n), make([]float64, 1<<18), make([]float32, 1<<18)
	for i := range calls {
		calls[i].Seconds = 0.001
		if rng.Float64() < share {
			calls[i].Seconds = 0.050
		}
	}
	sum := 0.0
	for i := range unit {
		sum += rng.ExpFloat64()
		unit[i], draws[i] = sum, rng.Float32()
	}
	return NewReplay(1, calls, unit, draws)
}

// TestBoundsAreWhereTheShareIsSure: at the lower bound the share may just be what is allowed, at the upper one it just must be, whatever
// the share does between them; calls that are slow by themselves make it flat below and steep above.
func TestBoundsAreWhereTheShareIsSure(t *testing.T) {
	const limit, allowed = 0.02, 0.01
	r := rareSlow(20_000, 0.006)
	h := r.Highest(limit, allowed, 1, 900)
	if !(1 < h.Low && h.Low < h.Rate && h.Rate < h.High && h.High < 900) {
		t.Fatalf("%+v", h)
	}
	for rate, side := range map[float64]float64{h.Low: 1, h.Rate: 0, h.High: -1} {
		late := r.Late(rate, []float64{limit}, 0)
		if sure := late.Share[0] + side*r.half(BoundLevel, rate, []float64{limit}, 1<<18, late.Noise[0]); math.Abs(sure/allowed-1) > 0.01 {
			t.Errorf("at %.1f/s of %+v the share is %.3f %% at the worst, want %.3g %%", rate, h, 100*sure, 100*allowed)
		}
	}
	if below, above := math.Log(h.Rate/h.Low), math.Log(h.High/h.Rate); below < 1.2*above {
		t.Errorf("%+v: the share is flat below and steep above, and the bounds are as far off on both sides", h)
	}
}

// TestBoundsThatLieNowhere: of calls that may all by themselves be late too often no rate is sure to be low enough, and some are sure to be too high.
func TestBoundsThatLieNowhere(t *testing.T) {
	if h := rareSlow(2000, 0.008).Highest(0.02, 0.01, 1, 900); h.Low != 1 || h.High > 500 || h.High < h.Rate {
		t.Errorf("%+v: want a lower bound at the end of the range, and an upper one within", h)
	}
	if h := rareSlow(2000, 0.5).Highest(0.02, 0.01, 1, 900); h != (Highest{1, 1, 1}) {
		t.Errorf("%+v: every rate is too high", h)
	}
	if h := rareSlow(2000, 0).Highest(0.02, 0.01, 1, 500); h != (Highest{500, 500, 500}) {
		t.Errorf("%+v: no rate of these is too high", h)
	}
}
