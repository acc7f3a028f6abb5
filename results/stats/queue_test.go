package stats

import (
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
)

// long reports whether the whole of each table is simulated; a part of it otherwise.
func long() bool { return os.Getenv("ASSAY_LONG") != "" }

// queue simulates a single server that starts empty, at a mean service time of 1: arrivals are Poisson at rate rho, service is exponential
// or constant. It returns when requests were due and done.
func queue(rng *rand.Rand, rho float64, n int, exponential bool) (due, done []float64) {
	due, done = make([]float64, n), make([]float64, n)
	at, free := 0.0, 0.0
	for i := range due {
		at += rng.ExpFloat64() / rho
		service := 1.0
		if exponential {
			service = rng.ExpFloat64()
		}
		free = max(free, at) + service
		due[i], done[i] = at, free
	}
	return due, done
}

// stationary gives latencies of M/M/1 in equilibrium: the first is drawn from its distribution, exponential of rate 1 - rho.
func stationary(rng *rand.Rand, rho float64, n int) []float64 {
	out := make([]float64, n)
	sojourn := rng.ExpFloat64() / (1 - rho)
	for i := range out {
		out[i] = sojourn
		sojourn = max(0, sojourn-rng.ExpFloat64()/rho) + rng.ExpFloat64()
	}
	return out
}

// share is how often a trial with a seed of its own says yes, of runs, on all cores.
func share(runs int, seed uint64, trial func(rng *rand.Rand) bool) float64 {
	yes := make([]int, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range yes {
		wg.Go(func() {
			for i := w; i < runs; i += len(yes) {
				if trial(rand.New(rand.NewPCG(seed, uint64(i)))) {
					yes[w]++
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, y := range yes {
		total += y
	}
	return float64(total) / float64(runs)
}

func TestEarlyStoppingTable(t *testing.T) {
	counts := []int{0, 1, 2, 3, 5, 10, 100, 1000}
	for p, want := range map[float64][]int{
		0.90:  {44, 64, 81, 97, 127, 197, 1246, 10722},
		0.95:  {90, 130, 165, 198, 259, 398, 2504, 21483},
		0.97:  {152, 219, 277, 332, 433, 667, 4182, 35831},
		0.99:  {459, 662, 838, 1001, 1307, 2010, 12571, 107569},
		0.999: {4603, 6636, 8403, 10042, 13105, 20140, 125826, 1076032},
	} {
		for i, over := range counts {
			if got := MLPerf(p).Needed(over); got != want[i] {
				t.Errorf("p%g with %d over: %d requests, want %d", 100*p, over, got, want[i])
			}
		}
	}
}

// TestEarlyStoppingIsExact holds the incomplete beta function against the binomial sum, and looks for the order that it must keep.
func TestEarlyStoppingIsExact(t *testing.T) {
	for _, p := range []float64{0.5, 0.9, 0.99} {
		e := MLPerf(p)
		for n := 1; n <= 500; n += 7 {
			sum, term := 0.0, math.Pow(p, float64(n))
			for over := 0; over <= min(n-1, 20); over++ {
				sum += term
				if got := e.odds(n, over); math.Abs(got-sum) > 1e-10 {
					t.Fatalf("P(X <= %d) of %d at %g: %v, want %v", over, n, p, got, sum)
				}
				term *= float64(n-over) / float64(over+1) * (1 - p) / p
			}
		}
	}
	last := 0
	for over := 0; over <= 30000; over += 997 {
		need := MLPerf(0.99).Needed(over)
		if need <= last {
			t.Fatalf("%d over need %d requests, fewer over need %d", over, need, last)
		}
		last = need
	}
}

// TestEarlyStoppingOfRealLogs holds two logs of mlcommons/inference: issue 1630 (100 queries, 2 discarded) and issue 1788 (33 of them, at
// least 805 more).
func TestEarlyStoppingOfRealLogs(t *testing.T) {
	sorted := make([]float64, 100)
	for i := range sorted {
		sorted[i] = float64(i)
	}
	if bound, discarded, ok := MLPerf(0.90).Bound(Pooled{sorted}); !ok || discarded != 2 || bound != 97 {
		t.Errorf("%v, %d discarded, %v; want 97 after 2", bound, discarded, ok)
	}
	if _, more := MLPerf(0.99).Judge(33, 2); more != 805 {
		t.Errorf("%d more, want 805", more)
	}
	if _, _, ok := MLPerf(0.99).Bound(Pooled{sorted}); ok {
		t.Error("100 requests bound p99, want at least 662")
	}
}

// TestEarlyStoppingAcceptsFalselyAsOftenAsItSays draws independent latencies of which exactly 1 % are above the target.
func TestEarlyStoppingAcceptsFalselyAsOftenAsItSays(t *testing.T) {
	e := MLPerf(0.99)
	for _, n := range []int{662, 2010} {
		got := share(20000, 1, func(rng *rand.Rand) bool {
			over := 0
			for range n {
				if rng.Float64() < 0.01 {
					over++
				}
			}
			pass, _ := e.Judge(n, over)
			return pass
		})
		t.Logf("n = %d: %.2f %%", n, 100*got)
		if got < 0.005 || got > 0.015 {
			t.Errorf("n = %d: accepted %.2f %%, want 0.5 to 1.5", n, 100*got)
		}
	}
}

// TestBatchMeansUnderQueueing stands at the boundary of M/M/1, where 1 % of latencies are above the target: early stopping accepts about
// half the time there, batch means hardly ever. Well below the boundary they pass, well above they fail.
func TestBatchMeansUnderQueueing(t *testing.T) {
	const n, rho = 100_000, 0.8
	p99 := math.Log(100) / (1 - rho)
	runs := 120
	if long() {
		runs = 2000
	}
	count := func(target float64, verdict string) float64 {
		got := share(runs, 2, func(rng *rand.Rand) bool { return BatchMeans(stationary(rng, rho, n), 0.99, target).Verdict == verdict })
		t.Logf("%s in %.2f %% at %.2f times the true p99", verdict, 100*got, target/p99)
		return got
	}
	if got := count(p99, VerdictPass); got > 0.03 {
		t.Errorf("false acceptance %.1f %%, want at most 3", 100*got)
	}
	naive := share(runs, 2, func(rng *rand.Rand) bool {
		over := 0
		for _, l := range stationary(rng, rho, n) {
			if l > p99 {
				over++
			}
		}
		pass, _ := MLPerf(0.99).Judge(n, over)
		return pass
	})
	t.Logf("early stopping accepts %.1f %% at the true p99", 100*naive)
	if naive < 0.3 {
		t.Errorf("early stopping accepted %.1f %% here, and the notes say 44.5", 100*naive)
	}
	if got := count(1.5*p99, VerdictPass); got < 0.6 {
		t.Errorf("power %.0f %% at 1.5 times the true p99, want about 88", 100*got)
	}
	if got := count(p99/1.5, VerdictFail); got < 0.6 {
		t.Errorf("only %.0f %% fail at 1/1.5 of the true p99", 100*got)
	}
}

// TestTrialsAreBatches: five trials that are too short together are judged by their own spread, where each is as long as a batch: as good as
// never wrong at the boundary, and able to pass. Trials that hold less than a batch stay inconclusive.
func TestTrialsAreBatches(t *testing.T) {
	const trials, n, rho = 5, 1500, 0.5
	p99 := math.Log(100) / (1 - rho)
	verdicts := func(target float64, verdict string) float64 {
		return share(400, 7, func(rng *rand.Rand) bool {
			var all [][]float64
			for range trials {
				all = append(all, stationary(rng, rho, n))
			}
			return BatchMeansOfTrials(all, 0.99, target).Verdict == verdict
		})
	}
	if got := verdicts(p99, VerdictPass); got > 0.03 {
		t.Errorf("false acceptance %.1f %%, want at most 3", 100*got)
	}
	if got := verdicts(3*p99, VerdictPass); got < 0.8 {
		t.Errorf("only %.0f %% pass at 3 times the true p99", 100*got)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	var short [][]float64
	for range trials {
		short = append(short, stationary(rng, 0.9, n))
	}
	if v := BatchMeansOfTrials(short, 0.99, 1e6); v.Verdict != VerdictInconclusive || v.Effective > 500 {
		t.Errorf("%+v of trials that hold a few memories", v)
	}
}

func TestBatchMeansOfShortRunsAreInconclusive(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	v := BatchMeans(stationary(rng, 0.9, 20_000), 0.99, 10*math.Log(100)/(1-0.9))
	if v.Verdict != VerdictInconclusive || v.Memory < 50 {
		t.Errorf("%+v: nothing is above the target, but the run holds only about 60 memories", v)
	}
	if v := BatchMeans(stationary(rng, 0.3, 20_000), 0.99, 100); v.Verdict != VerdictPass || v.Memory > 12 || v.Lag1 < 0.2 {
		t.Errorf("%+v at a load of 0.3", v)
	}
	failing := make([]float64, 1000)
	for i := range failing {
		failing[i] = 1
		if i%10 == 0 {
			failing[i] = math.Inf(1)
		}
	}
	if v := BatchMeans(failing, 0.99, 2); v.Verdict != VerdictFail {
		t.Errorf("%+v: a tenth of the requests failed", v)
	}
	if v := BatchMeans(failing[:40], 0.99, 2); v.Verdict != VerdictInconclusive {
		t.Errorf("%+v of 40 requests", v)
	}
}

// TestOverloadTripRates simulates 60 s at 200 arrivals/s against the rates of trips that are known.
func TestOverloadTripRates(t *testing.T) {
	rhos := []float64{0.90, 0.95, 0.98, 1.00, 1.02, 1.05, 1.10}
	runs := 250
	if long() {
		runs = 4000
	}
	for _, c := range []struct {
		name        string
		exponential bool
		percent     []float64
	}{
		{"M/D/1", false, []float64{0, 0, 0.1, 3.9, 49, 99.9, 100}},
		{"M/M/1", true, []float64{0, 0, 0.8, 13, 50, 96.4, 100}},
	} {
		for i, rho := range rhos {
			want := c.percent[i] / 100
			got := share(runs, 4, func(rng *rand.Rand) bool {
				due, done := queue(rng, rho, 13_000, c.exponential)
				for k := range due { // arrivals come at 200/s
					due[k], done[k] = due[k]*rho/200, done[k]*rho/200
				}
				return JudgeOverload(due, done, 60).Overloaded
			})
			t.Logf("%s at %.2f: %.1f %%, want %.1f", c.name, rho, 100*got, 100*want)
			if allowed := 0.03 + 3*math.Sqrt(want*(1-want)/float64(runs)); math.Abs(got-want) > allowed || rho <= 0.95 && got > 0 {
				t.Errorf("%s at %.2f: %.1f %%, want %.1f", c.name, rho, 100*got, 100*want)
			}
		}
	}
}

// TestStability reproduces how often perf_analyzer's criterion is met, and is wrong, on M/M/1 with windows of 6 s at 200/s.
func TestStability(t *testing.T) {
	runs := 400
	if long() {
		runs = 4000
	}
	for _, c := range []struct{ rho, ever, wrong float64 }{{0.3, 98.2, 0.3}, {0.5, 85.7, 5}, {0.7, 49.5, 30.6}, {0.8, 30.1, 51.3}, {0.9, 13.3, 79.3}} {
		truth := 1 / (1 - c.rho) * c.rho / 200
		ever := share(runs, 5, func(rng *rand.Rand) bool {
			_, ok := whenStable(rng, c.rho)
			return ok
		})
		wrong := share(runs, 5, func(rng *rand.Rand) bool {
			mean, ok := whenStable(rng, c.rho)
			return ok && math.Abs(mean/truth-1) > 0.1
		}) / max(ever, 1e-9)
		check := func(what string, got, want, n float64) {
			t.Logf("rho %.1f: %s %.1f %%, want %.1f", c.rho, what, 100*got, want)
			want /= 100
			if allowed := 0.03 + 3*math.Sqrt(want*(1-want)/max(n, 1)); math.Abs(got-want) > allowed {
				t.Errorf("rho %.1f: %s %.1f %%, want %.1f", c.rho, what, 100*got, 100*want)
			}
		}
		check("ever stable", ever, c.ever, float64(runs))
		check("of those wrong", wrong, c.wrong, ever*float64(runs))
	}
}

// whenStable gives the mean latency of the three windows that first are stable, of ten.
func whenStable(rng *rand.Rand, rho float64) (mean float64, ok bool) {
	due, done := queue(rng, rho, 12_600, true)
	var windows []Window
	sums := make([]float64, 10)
	counts := make([]float64, 10)
	for i := range due {
		if w := int(done[i] * rho / 200 / 6); w < 10 {
			sums[w] += (done[i] - due[i]) * rho / 200
			counts[w]++
		}
	}
	for w := range sums {
		windows = append(windows, Window{Throughput: counts[w] / 6, Latency: sums[w] / counts[w]})
		if Stable(windows, 0.1) {
			return (sums[w] + sums[w-1] + sums[w-2]) / (counts[w] + counts[w-1] + counts[w-2]), true
		}
	}
	return 0, false
}

func TestTrend(t *testing.T) {
	rising := []float64{1, 2, 3, 4, 5, 6, 7, 8}
	if z, p := Trend(rising); z < 3 || p > 0.01 {
		t.Errorf("rising: z %v, p %v", z, p)
	}
	if z, _ := Trend([]float64{1, 2, 3, 4}); math.Abs(z-5/math.Sqrt(26.0/3)) > 1e-12 { // s = 6, variance 4*3*13/18
		t.Errorf("four rising values: z %v", z)
	}
	if z, p := Trend([]float64{1, 1, 1, 1}); z != 0 || p != 1 {
		t.Errorf("constant: z %v, p %v", z, p)
	}
	falsely := share(4000, 6, func(rng *rand.Rand) bool {
		values := make([]float64, 20)
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		_, p := Trend(values)
		return p < 0.05
	})
	if falsely < 0.03 || falsely > 0.06 {
		t.Errorf("%.1f %% of runs without a trend have one at 5 %%", 100*falsely)
	}
}
