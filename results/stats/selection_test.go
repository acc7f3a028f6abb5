package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// orders are samples on which selection could go wrong: ties, sorted and reversed ones, few values, signs and infinities.
func orders(rng *rand.Rand) map[string][]float64 {
	out := map[string][]float64{"one": {3}, "two": {2, 1}, "signs": {0, -1, 2, -3, 0, 1e-300, -1e300, 5}, "failures": {1, math.Inf(1), 2, math.Inf(1), 3}}
	for name, of := range map[string]func(i int) float64{
		"random":   func(int) float64 { return rng.ExpFloat64() },
		"ties":     func(int) float64 { return float64(rng.IntN(5)) },
		"equal":    func(int) float64 { return 7 },
		"rising":   func(i int) float64 { return float64(i) },
		"falling":  func(i int) float64 { return -float64(i) },
		"organ":    func(i int) float64 { return float64(min(i, 5000-i)) },
		"negative": func(int) float64 { return rng.NormFloat64() },
	} {
		v := make([]float64, 5000)
		for i := range v {
			v[i] = of(i)
		}
		out[name] = v
	}
	return out
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// TestQuantilesNeedNoSort holds selection and pooling, to the last bit, against the quantiles of what was put together and sorted.
func TestQuantilesNeedNoSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, values := range orders(rng) {
		sorted := slices.Sorted(slices.Values(values))
		trials := make(Pooled, 4)
		for _, v := range values {
			i := rng.IntN(3) // the last stays empty
			trials[i] = append(trials[i], v)
		}
		for _, trial := range trials {
			slices.Sort(trial)
		}
		for _, p := range []float64{0, 0.001, 0.3, 0.5, 0.9, 0.99, 0.999, 1} {
			want := Quantile(sorted, p)
			if got := QuantileOf(slices.Clone(values), p); !sameBits(got, want) {
				t.Errorf("%s, p%v: selected %v, sorted %v", name, 100*p, got, want)
			}
			if got := trials.Quantile(p); !sameBits(got, want) {
				t.Errorf("%s, p%v: pooled %v, sorted %v", name, 100*p, got, want)
			}
		}
	}
	if !math.IsNaN(QuantileOf(nil, 0.5)) || !math.IsNaN(Pooled{nil, {}}.Quantile(0.5)) {
		t.Error("no values have no quantile")
	}
}
