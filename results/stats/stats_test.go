package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	moremath "github.com/aclements/go-moremath/stats"
	"gonum.org/v1/gonum/stat/distuv"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

func TestQuantileIsType7(t *testing.T) {
	v := []float64{1, 2, 4, 8}
	for p, want := range map[float64]float64{0: 1, 0.25: 1.75, 0.5: 3, 0.9: 6.8, 1: 8} { // numpy.quantile
		near(t, "quantile", Quantile(v, p), want, 1e-12)
	}
	near(t, "of one", Quantile([]float64{5}, 0.99), 5, 0)
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("a quantile of nothing")
	}
}

func TestPairedAgainstAnIndependentT(t *testing.T) {
	base := []float64{10.1, 9.8, 10.4, 10.0, 9.9, 10.2}
	arm := []float64{10.6, 10.1, 10.9, 10.3, 10.6, 10.4}
	e := Paired(base, arm, 0.05)
	x, y := make([]float64, len(base)), make([]float64, len(base))
	for i := range base {
		x[i], y[i] = math.Log(arm[i]), math.Log(base[i])
	}
	oracle, err := moremath.PairedTTest(x, y, 0, moremath.LocationDiffers)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "p", e.P, oracle.P, 1e-9)
	near(t, "ratio", e.Estimate, math.Exp(moremath.Mean(x)-moremath.Mean(y)), 1e-12)
	// The interval's ends are where a t test of that shift has p = 0.05.
	for _, end := range []float64{e.Low, e.High} {
		shifted, err := moremath.PairedTTest(x, y, math.Log(end), moremath.LocationDiffers)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "p at the interval's end", shifted.P, 0.05, 1e-6)
	}
	near(t, "sign flip", e.SignFlip, 2.0/64, 1e-12) // all six differences point one way
}

func TestPairedWithoutEnoughBlocksHasNoInterval(t *testing.T) {
	e := Paired([]float64{1, 1, 1, 1}, []float64{2, 2.1, 2, 2}, 0.05)
	if e.Known() || !math.IsNaN(e.Low) || len(e.Warnings) == 0 {
		t.Errorf("%+v", e)
	}
	if e := Paired(nil, nil, 0.05); e.Known() || len(e.Warnings) == 0 {
		t.Errorf("nothing: %+v", e)
	}
	if e := Paired([]float64{0, 1, 1, 1, 1}, []float64{1, 1, 1, 1, 1}, 0.05); e.Scale != "difference" {
		t.Errorf("a zero: %+v", e)
	}
	if e := Paired([]float64{2, 2, 2, 2, 2}, []float64{1, 1, 1, 1, 1}, 0.05); e.Estimate != 0.5 || e.Low != 0.5 || e.P != 0 {
		t.Errorf("exact: %+v", e)
	}
}

func TestPerTrial(t *testing.T) {
	i := PerTrial([]float64{4, 4, 4, 4, 4}, 0.05)
	if i.Value != 4 || i.Low != 4 || i.High != 4 {
		t.Errorf("exact: %+v", i)
	}
	i = PerTrial([]float64{1, 2, 4, 8, 16}, 0.05)
	near(t, "geometric mean", i.Value, 4, 1e-12)
	near(t, "low", i.Low, 4*math.Exp(-2.7764451052*math.Ln2*math.Sqrt(2.5)/math.Sqrt(5)), 1e-9)
	if i = PerTrial([]float64{-1, 0, 1, 0, 0}, 0.05); i.Value != 0 || !i.Known() {
		t.Errorf("not positive: %+v", i)
	}
	if i = PerTrial([]float64{1, 2}, 0.05); i.Known() || len(i.Warnings) == 0 {
		t.Errorf("two trials: %+v", i)
	}
	for _, equal := range [][]float64{{4}, {4, 4, 4, 4}} {
		if i = PerTrial(equal, 0.05); i.Value != 4 || i.Known() || len(i.Warnings) != 1 || strings.Contains(i.Method, "exact") {
			t.Errorf("%d equal trials show nothing exact: %+v", len(equal), i)
		}
	}
}

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, math.NaN(), 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, math.NaN(), 0.02} { // by hand
		if math.IsNaN(want) != math.IsNaN(got[i]) || !math.IsNaN(want) && math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("p %d: %v, want %v", i, got[i], want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		low, high, ratio, p float64
		lower               bool
		want                string
	}{
		{0.99, 1.01, 1, 0.9, true, "same"},
		{0.99, 1.01, 1.005, 0.001, true, "same"}, // small and sure is still the same
		{0.5, 0.7, 0.6, 0.01, true, "better"},
		{0.5, 0.7, 0.6, 0.01, false, "worse"},
		{1.1, 1.3, 1.2, 0.01, true, "worse"},
		{0.5, 1.7, 0.9, 0.4, true, "unclear"},
		{1.01, 1.3, 1.1, 0.06, true, "unclear"},
		{math.NaN(), math.NaN(), 0.6, math.NaN(), true, "unclear"},
	} {
		if got := Verdict(c.low, c.high, c.ratio, c.p, c.lower); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestWilson(t *testing.T) {
	low, high := Wilson(8, 10) // R: binom::binom.wilson(8, 10)
	near(t, "low", low, 0.4901625, 1e-6)
	near(t, "high", high, 0.9433178, 1e-6)
}

func TestMcNemarMidP(t *testing.T) {
	// By hand: P(X<=1) = 11/1024 and P(X=1) = 10/1024 for 10 pairs, so 2*11/1024 - 10/1024 = 12/1024.
	near(t, "1 of 10", McNemar(1, 9), 12.0/1024, 1e-12)
	near(t, "even", McNemar(2, 2), 1-6.0/16, 1e-12)
	if McNemar(0, 0) != 1 {
		t.Error("no discordant pair")
	}
	if McNemar(3, 11) != McNemar(11, 3) {
		t.Error("not symmetric")
	}
}

// TestTangoAgainstBruteForce finds the restricted maximum of the likelihood by search, in place of its closed form.
func TestTangoAgainstBruteForce(t *testing.T) {
	score := func(b, c, n int, delta float64) float64 {
		best, at := math.Inf(-1), 0.0
		lo, hi := max(0, -delta), (1-delta)/2
		for i := 1; i < 200000; i++ {
			q := lo + (hi-lo)*float64(i)/200000 // probability of baseline-only success; q + delta of variant-only
			l := float64(b)*math.Log(q) + float64(c)*math.Log(q+delta) + float64(n-b-c)*math.Log(1-2*q-delta)
			if l > best {
				best, at = l, q
			}
		}
		return (float64(c-b) - float64(n)*delta) / math.Sqrt(float64(n)*(2*at+delta-delta*delta))
	}
	for _, c := range [][3]int{{9, 4, 200}, {3, 3, 50}, {1, 12, 80}} {
		estimate, low, high := Tango(c[0], c[1], c[2], 0.05)
		near(t, "estimate", estimate, float64(c[1]-c[0])/float64(c[2]), 1e-12)
		near(t, "score at low", score(c[0], c[1], c[2], low), 1.959964, 2e-3)
		near(t, "score at high", score(c[0], c[1], c[2], high), -1.959964, 2e-3)
	}
	if _, low, high := Tango(0, 0, 100, 0.05); !(low < 0 && high > 0 && math.Abs(low+high) < 1e-9) {
		t.Errorf("no discordant pairs: [%v, %v]", low, high)
	}
}

func TestDetectableRatioShrinksWithBlocks(t *testing.T) {
	if a, b := DetectableRatio(0.01, 5, 0.8, 0.05), DetectableRatio(0.01, 10, 0.8, 0.05); !(a > b && b > 1) {
		t.Errorf("%v with 5 blocks, %v with 10", a, b)
	}
	k := Blocks(0.02, 1.03, 0.8, 0.05, 1000)
	if DetectableRatio(0.02, k, 0.8, 0.05) > 1.03 || DetectableRatio(0.02, k-1, 0.8, 0.05) <= 1.03 {
		t.Errorf("%d blocks", k)
	}
}

// trial simulates one process: log-normal latencies with an effect of the process, a fixed share of correlation in time, and spikes
// (the model of docs/how-we-measure.md).
func trial(rng *rand.Rand, n int, between, within, rho, spikes, shift float64) []float64 {
	b := rng.NormFloat64()*between + shift
	e := rng.NormFloat64() * within
	out := make([]float64, n)
	for i := range out {
		e = rho*e + math.Sqrt(1-rho*rho)*rng.NormFloat64()*within
		out[i] = 10e-3 * math.Exp(b+e)
		if rng.Float64() < spikes {
			out[i] *= 1.5 + 2.5*rng.Float64()
		}
	}
	slices.Sort(out)
	return out
}

func TestPooledQuantileCovers(t *testing.T) {
	const replications = 400
	for _, c := range []struct {
		p       float64
		k       int
		between float64
	}{{0.5, 5, 0.015}, {0.99, 5, 0.015}, {0.95, 10, 0.015}} {
		truth := QuantileOf(slices.Concat(simulate(rand.New(rand.NewPCG(9, 9)), 400, 2000, c.between)...), c.p)
		rng := rand.New(rand.NewPCG(1, uint64(c.k)))
		hits := 0
		for range replications {
			i := PooledQuantile(simulate(rng, c.k, 1000, c.between), c.p, 0.05)
			if !i.Known() {
				t.Fatalf("no interval: %v", i.Warnings)
			}
			if i.Low <= truth && truth <= i.High {
				hits++
			}
		}
		if rate := float64(hits) / replications; rate < 0.91 {
			t.Errorf("p%v of %d trials: covers %.3f, want about 0.95", 100*c.p, c.k, rate)
		}
	}
}

func simulate(rng *rand.Rand, k, n int, between float64) [][]float64 {
	out := make([][]float64, k)
	for i := range out {
		out[i] = trial(rng, n, between, 0.08, 0.6, 0.01, 0)
	}
	return out
}

func TestPooledQuantileSaysWhatItCannot(t *testing.T) {
	few := [][]float64{{1, 2}, {1, 3}, {2, 2}, {1, 2}}
	if i := PooledQuantile(few, 0.5, 0.05); i.Known() || len(i.Warnings) == 0 {
		t.Errorf("four trials: %+v", i)
	}
	five := append(few, []float64{1, 2})
	if i := PooledQuantile(five, 0.99, 0.05); i.Known() || len(i.Warnings) != 2 {
		t.Errorf("p99 of ten: %+v", i)
	}
	if i := PooledQuantile(five, 1, 0.05); i.Known() || i.Value != 3 {
		t.Errorf("max: %+v", i)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	warned := 0
	for range 50 {
		for _, w := range PooledQuantile(simulate(rng, 5, 2000, 0.05), 0.5, 0.05).Warnings {
			if w[:3] == "few" {
				warned++
			}
		}
	}
	if warned < 47 {
		t.Errorf("dominating trials were named in %d of 50", warned)
	}
}

// TestIdenticalArmsAreSeldomDifferent is the A/A check, and that the trial, not the request, is the unit: the same test on pooled
// requests must fail it.
func TestIdenticalArmsAreSeldomDifferent(t *testing.T) {
	const replications, blocks, requests = 2000, 5, 50
	rng := rand.New(rand.NewPCG(4, 4))
	byTrial, byRequest := 0, 0
	for range replications {
		var a, b, allA, allB []float64
		for range blocks {
			x, y := trial(rng, requests, 0.015, 0.08, 0.6, 0, 0), trial(rng, requests, 0.015, 0.08, 0.6, 0, 0)
			a, b = append(a, Quantile(x, 0.5)), append(b, Quantile(y, 0.5))
			allA, allB = append(allA, x...), append(allB, y...)
		}
		if Paired(a, b, 0.05).P < 0.05 {
			byTrial++
		}
		if Paired(allA, allB, 0.05).P < 0.05 { // sorted within trials, so pairs line up: the mistake in its purest form
			byRequest++
		}
	}
	limit := 0.05 + 3*math.Sqrt(0.05*0.95/replications)
	if rate := float64(byTrial) / replications; rate > limit {
		t.Errorf("by trial: %.3f called different, at most %.3f", rate, limit)
	}
	if rate := float64(byRequest) / replications; rate < 0.3 {
		t.Errorf("by request: only %.3f called different; this check would not notice the wrong unit", rate)
	}
}

func TestRatioIntervalCoversAndSeesAPlantedSlowdown(t *testing.T) {
	const replications, blocks = 1000, 10
	rng := rand.New(rand.NewPCG(5, 5))
	covered, seen := 0, 0
	for range replications {
		a, b := make([]float64, blocks), make([]float64, blocks)
		for i := range a {
			drift := rng.NormFloat64() * 0.05
			a[i], b[i] = math.Exp(drift+rng.NormFloat64()*0.01), 1.03*math.Exp(drift+rng.NormFloat64()*0.01)
		}
		e := Paired(a, b, 0.05)
		if e.Low <= 1.03 && 1.03 <= e.High {
			covered++
		}
		if e.P < 0.05 {
			seen++
		}
	}
	if rate := float64(covered) / replications; rate < 0.93 || rate > 0.97 {
		t.Errorf("covers %.3f", rate)
	}
	if want := 0.8; DetectableRatio(0.01, blocks, want, 0.05) > 1.03 && float64(seen)/replications < want {
		t.Errorf("sees 3 %% in %d of %d", seen, replications)
	}
}

func TestStudentT(t *testing.T) {
	near(t, "t(.975, 4)", StudentT(0.975, 4), 2.7764451051977934, 1e-9)
	near(t, "z", z975, distuv.UnitNormal.Quantile(0.975), 0)
}
