package report

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAxisPositions(t *testing.T) {
	linear, log := axis{min: 0, max: 10}, axis{min: 1, max: 100, log: true}
	for _, c := range []struct {
		a       axis
		v, want float64
	}{{linear, 5, 50}, {linear, -3, 0}, {linear, 12, 100}, {log, 10, 50}, {log, 0, 0}, {log, 1e9, 100}, {linear, math.NaN(), 0}} {
		if got := c.a.at(c.v); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v on %+v stands at %v, want %v", c.v, c.a, got, c.want)
		}
	}
}

func TestLogarithmicAxisKeepsToNumbersThatItCanWiden(t *testing.T) {
	for _, values := range [][]float64{{1e-300, 1e300}, {0, 1}, {-1, 1}} {
		if a := axisOver(values, true); a.log {
			t.Errorf("%v: %+v is logarithmic", values, a)
		}
	}
	if a := axisOver([]float64{1e-6, 10}, true); !a.log {
		t.Errorf("%+v is not logarithmic", a)
	}
}

func TestTicksReadWell(t *testing.T) {
	labels := func(a axis, n int) []string {
		ticks := a.ticks(n)
		out := make([]string, len(ticks))
		for i, v := range ticks {
			out[i] = tickLabel(v, ticks)
		}
		return out
	}
	for _, c := range []struct {
		a    axis
		want []string
	}{
		{axis{min: 0, max: 10}, []string{"0", "2", "4", "6", "8", "10"}},
		{axis{min: 0.95, max: 1.05}, []string{"0.96", "0.98", "1.00", "1.02", "1.04"}},
		{axis{min: 0.97, max: 1.1}, []string{"1.00", "1.05", "1.10"}},
		{axis{min: 0.97, max: 1.08}, []string{"0.975", "1.000", "1.025", "1.050", "1.075"}},
		{axis{min: 0.15, max: 1.2, log: true}, []string{"0.2", "0.5", "1"}},
		{axis{min: 1, max: 1e9, log: true}, []string{"1", "100", "10000", "1000000", "100000000"}},
		{axis{min: -2.1, max: 0.6}, []string{"-2", "-1", "0"}},
	} {
		if diff := cmp.Diff(c.want, labels(c.a, 5)); diff != "" {
			t.Errorf("%+v: %s", c.a, diff)
		}
	}
}

// Whatever the values, an axis has a few ticks, in order, on it.
func TestTicksStayOnTheAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exponent := rapid.Float64Range(-300, 300)
		values := []float64{math.Pow(10, exponent.Draw(t, "a")), math.Pow(10, exponent.Draw(t, "b"))}
		if rapid.Bool().Draw(t, "negative") {
			values[0] = -values[0]
		}
		a := axisOver(values, rapid.Bool().Draw(t, "log"))
		ticks := a.ticks(5)
		if len(ticks) > 11 {
			t.Errorf("%d ticks on %+v", len(ticks), a)
		}
		last := math.Inf(-1)
		for _, v := range ticks {
			if v <= last || a.outside(v) {
				t.Errorf("ticks %v on %+v", ticks, a)
			}
			last = v
		}
		for _, v := range values {
			if a.outside(v) {
				t.Errorf("%v is outside %+v", v, a)
			}
		}
	})
}
