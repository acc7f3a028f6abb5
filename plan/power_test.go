package plan

import (
	"math"
	"testing"
)

func TestDetectable(t *testing.T) {
	for _, c := range []struct {
		spread float64
		blocks int
		want   float64
	}{
		{0.02, 10, 1.0286}, // "with 10 blocks you can see 2.9 %"
		{0.01, 5, 1.0237},
		{0.04, 20, 1.0382},
		{0.005, 2, 1.0730},
	} {
		if got := Detectable(c.spread, c.blocks); math.Abs(got-c.want) > 0.0005 {
			t.Errorf("Detectable(%v, %d) = %.4f, want %.4f", c.spread, c.blocks, got, c.want)
		}
	}
	if got := Detectable(0.01, 1); !math.IsInf(got, 1) {
		t.Errorf("one block can see %v", got)
	}
}

func TestExamplesFor(t *testing.T) {
	if got := ExamplesFor(0.01, 0.04); got != 4203 {
		t.Errorf("1 pp at 4 %% discordance needs %d examples, want 4203", got)
	}
	if got := ResolvableLoss(4203, 0.04); math.Abs(got-0.01) > 1e-5 {
		t.Errorf("4203 examples resolve %v", got)
	}
}
