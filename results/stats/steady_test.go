package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// times draws 4,000 service times around a level that depends on the place in the series, with 10 % spread and a few outliers.
func times(seed uint64, level func(part float64) float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 9))
	v := make([]float64, 4000)
	for i := range v {
		v[i] = level(float64(i)/float64(len(v))) * (1 + 0.1*rng.NormFloat64())
		if rng.IntN(100) == 0 {
			v[i] *= 5
		}
	}
	return v
}

func TestSteadyClasses(t *testing.T) {
	step := func(at, before, after float64) func(float64) float64 {
		return func(part float64) float64 {
			if part < at {
				return before
			}
			return after
		}
	}
	for name, c := range map[string]struct {
		level func(float64) float64
		want  string
	}{
		"one level":              {func(float64) float64 { return 1 }, Flat},
		"2 % slower at once":     {step(0.5, 1, 1.02), Flat},
		"slow start":             {step(0.2, 1.5, 1), Warming},
		"decaying start":         {func(p float64) float64 { return 1 + 0.5*math.Exp(-p*20) }, Warming},
		"faster all the time":    {func(p float64) float64 { return 2 - p }, Warming},
		"slower from the middle": {step(0.5, 1, 1.2), Slowing},
		"slower all the time":    {func(p float64) float64 { return 1 + p }, Slowing},
		"slower, with bumps":     {func(p float64) float64 { return 1 + p + 0.15*math.Sin(60*p) }, Slowing},
		"up and down":            {func(p float64) float64 { return 1 + 0.3*math.Sin(20*p) }, Unsteady},
		"a bump at the end":      {func(p float64) float64 { return map[bool]float64{true: 1.5, false: 1}[p > 0.8 && p < 0.9] }, Unsteady},
	} {
		for seed := range uint64(3) {
			if got, levels := Steady(times(seed, c.level)); got != c.want {
				t.Errorf("%s: %s, want %s; levels %v", name, got, c.want, levels)
			}
		}
	}
}

func TestSteadySeriesAreSeldomCalledOtherwise(t *testing.T) {
	wrong := 0
	for seed := range uint64(300) {
		if class, _ := Steady(times(seed+100, func(float64) float64 { return 1 })); class != Flat {
			wrong++
		}
	}
	if wrong > 3 {
		t.Errorf("%d of 300 flat series are not called flat", wrong)
	}
}

func TestSteadyOfShortOrEqualSeries(t *testing.T) {
	if class, _ := Steady(make([]float64, 20)); class != "" {
		t.Errorf("20 values are %q", class)
	}
	if class, _ := Steady(make([]float64, 100)); class != Flat {
		t.Errorf("zeros are %q", class)
	}
}
