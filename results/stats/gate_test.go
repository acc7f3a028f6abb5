package stats

import (
	"math"
	"testing"
)

func TestParseBound(t *testing.T) {
	for text, want := range map[string]Bound{
		"0.8x": {Value: 0.8, Relative: true}, "20ms": {Value: 0.02}, "1pp": {Value: 0.01, Points: true}, "97%": {Value: 0.97},
		"10MiB": {Value: 10 << 20}, "5mJ": {Value: 0.005}, "200/s": {Value: 200}, "1m30s": {Value: 90}, "0.5": {Value: 0.5},
	} {
		got, err := ParseBound(text)
		if err != nil || math.Abs(got.Value-want.Value) > 1e-12 || got.Relative != want.Relative || got.Points != want.Points {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "fast", "NaN", "Infx", "3 parsecs", "ms"} {
		if got, err := ParseBound(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func TestJudge(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		low, high, limit float64
		atMost           bool
		want             string
	}{
		{0.5, 0.8, 0.8, true, "pass"}, {0.81, 0.9, 0.8, true, "fail"}, {0.7, 0.9, 0.8, true, "inconclusive"}, {nan, nan, 0.8, true, "inconclusive"},
		{0.95, 0.99, 0.9, false, "pass"}, {0.7, 0.8, 0.9, false, "fail"}, {0.85, 0.95, 0.9, false, "inconclusive"},
	} {
		if got := Judge(c.low, c.high, c.limit, c.atMost); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestMoreBlocks(t *testing.T) {
	more := MoreBlocks(math.Log(1.02), 0.03, 5, 0.05)
	k := float64(5 + more)
	if half := StudentT(0.975, k-1) * 0.03 / math.Sqrt(k); half >= math.Log(1.02) || more < 2 || more > 20 {
		t.Errorf("%d more blocks leave a half-width of %v", more, half)
	}
	if MoreBlocks(0, 0.03, 5, 0.05) != maxMoreBlocks {
		t.Error("a gate exactly at its limit is never settled")
	}
}
