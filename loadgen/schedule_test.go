package loadgen

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestConstantDoesNotDrift(t *testing.T) {
	s := must(Constant(3, time.Hour))
	if len(s) != 3*3600 || s[len(s)-3] != 3599e9 {
		t.Errorf("%d instants, one second before the end: %d", len(s), s[len(s)-3])
	}
}

func TestPoissonHasExponentialGaps(t *testing.T) {
	const rate = 1000.0
	s := must(Poisson(1, rate, 100*time.Second))
	n := float64(len(s))
	if math.Abs(n-1e5) > 5*math.Sqrt(1e5) {
		t.Errorf("%v arrivals, want about 1e5", n)
	}
	gaps := make([]float64, 0, len(s))
	last := int64(0)
	var sum, squares float64
	for _, due := range s {
		gap := float64(due-last) / 1e9 * rate
		last = due
		gaps = append(gaps, gap)
		sum += gap
		squares += gap * gap
	}
	mean := sum / n
	if variance := squares/n - mean*mean; math.Abs(mean-1) > 5/math.Sqrt(n) || math.Abs(variance-1) > 5*math.Sqrt(8/n) {
		t.Errorf("gaps have mean %v and variance %v, want 1 and 1", mean, variance)
	}
	slices.Sort(gaps)
	worst := 0.0
	for i, gap := range gaps { // Kolmogorov and Smirnov's distance to the exponential law
		f := 1 - math.Exp(-gap)
		worst = max(worst, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	if limit := 1.63 / math.Sqrt(n); worst > limit {
		t.Errorf("distance to the exponential law %v, limit %v", worst, limit)
	}
}

func TestPoissonIsAPureFunctionOfItsSeed(t *testing.T) {
	a, b := must(Poisson(5, 100, time.Minute)), must(Poisson(5, 100, time.Minute))
	if !slices.Equal(a, b) {
		t.Error("one seed, two schedules")
	}
	if slices.Equal(a, must(Poisson(6, 100, time.Minute))) {
		t.Error("two seeds, one schedule")
	}
	for i, due := range must(Poisson(5, 200, 30*time.Second)) { // twice the rate: the same pattern, twice as fast
		if math.Abs(float64(2*due-a[i])) > 2 {
			t.Fatalf("arrival %d: %d at twice the rate, %d at once", i, due, a[i])
		}
	}
}

func TestAbsurdRatesAreRefused(t *testing.T) {
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1), 1e12} {
		if _, err := Constant(rate, time.Minute); err == nil {
			t.Errorf("constant %v was accepted", rate)
		}
		if _, err := Poisson(1, rate, time.Minute); err == nil {
			t.Errorf("poisson %v was accepted", rate)
		}
	}
}
