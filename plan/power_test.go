package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestDetectableRatio(t *testing.T) {
	for _, c := range []struct {
		spread float64
		blocks int
		want   float64
	}{
		{0.02, 10, 1.0286}, // the printed example of a paired design: 2.9 %
		{0.01, 5, 1.0237},
		{0.04, 20, 1.0382},
		{0.005, 2, 1.0730},
	} {
		if got := DetectableRatio(c.spread, c.blocks, 0.05); math.Abs(got-c.want) > 0.0005 {
			t.Errorf("DetectableRatio(%v, %d) = %.4f, want %.4f", c.spread, c.blocks, got, c.want)
		}
	}
	if got := DetectableRatio(0.01, 1, 0.05); !math.IsInf(got, 1) {
		t.Errorf("one block can see %v", got)
	}
}

// TestDetectableRatioBySimulation: a paired t-test sees an effect of the detectable size about four times in five.
func TestDetectableRatioBySimulation(t *testing.T) {
	const spread, rounds = 0.02, 4000
	rng := rand.New(rand.NewPCG(1, 2))
	for _, blocks := range []int{5, 10, 20} {
		effect := math.Log(DetectableRatio(spread, blocks, 0.05))
		critical := distuv.StudentsT{Sigma: 1, Nu: float64(blocks - 1)}.Quantile(0.975)
		seen := 0
		for range rounds {
			var sum, squares float64
			for range blocks {
				d := effect + spread*(rng.NormFloat64()-rng.NormFloat64())
				sum += d
				squares += d * d
			}
			n := float64(blocks)
			mean := sum / n
			if sd := math.Sqrt((squares - n*mean*mean) / (n - 1)); math.Abs(mean)/(sd/math.Sqrt(n)) > critical {
				seen++
			}
		}
		if share := float64(seen) / rounds; share < 0.76 || share > 0.84 {
			t.Errorf("%d blocks: seen in %.1f %% of rounds, want about 80", blocks, 100*share)
		}
	}
}

func TestExamplesFor(t *testing.T) {
	if got := ExamplesFor(0.01, 0.04); got != 4203 && got != 4204 {
		t.Errorf("1 pp at 4 %% discordance needs %d examples, want 4203", got)
	}
	if got := ResolvableLoss(4203, 0.04); math.Abs(got-0.01) > 1e-5 {
		t.Errorf("4203 examples resolve %v", got)
	}
}
