package analysis

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"assay/results"
)

// driftAnalyzer holds a run of one arm whose trials' service times, in seconds, are given.
func driftAnalyzer(services ...[]float64) (*analyzer, *armData) {
	arm := results.Arm{Name: "m.cpu.b1.t1.l", Variant: "m", Provider: "cpu", Batch: 1, IntraOpThreads: 1, Load: "l"}
	a := &analyzer{spec: &results.Spec{Arms: []results.Arm{arm}, Blocks: len(services), Looks: []int{5, 10}}, arms: map[string]*armData{}, report: &results.Report{Reasons: []string{}}, run: &results.Run{Status: "complete"}}
	d := &armData{spec: &a.spec.Arms[0]}
	a.arms[arm.Name] = d
	for block, s := range services {
		t := trialData{Trial: results.Trial{Arm: arm.Name, Block: block, Status: results.TrialOK, Verdict: "valid"}, service: s, latency: s, batch: 1}
		t.classify()
		a.trials = append(a.trials, t)
	}
	for i := range a.trials {
		d.trials = append(d.trials, &a.trials[i])
	}
	return a, d
}

func level(f func(part float64) float64) []float64 {
	v := make([]float64, 200)
	for i := range v {
		v[i] = f(float64(i)/200) * (1 + 0.001*float64(i%7))
	}
	return v
}

func TestDriftingTrialsAreAReason(t *testing.T) {
	flat, slow := level(func(float64) float64 { return 1 }), level(func(p float64) float64 { return 1 + p })
	for _, c := range []struct {
		services [][]float64
		want     string
	}{
		{[][]float64{flat, flat, flat, flat, slow}, ""},
		{[][]float64{flat, flat, flat, slow, slow}, "load.slowing: m.cpu.b1.t1.l: of 5 trials 2 slowing"},
	} {
		a, d := driftAnalyzer(c.services...)
		a.judgeRun()
		got := strings.Join(a.report.Reasons, "\n")
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%q, want %q; %v", got, c.want, d)
		}
		if suspect := a.report.Verdict == "suspect"; suspect != (c.want != "") {
			t.Errorf("verdict %s", a.report.Verdict)
		}
	}
}

// TestGatesWithinTheSwingOfARestlessArmSaySo: the printed interval decides, and the doubt stands beside it.
func TestGatesWithinTheSwingOfARestlessArmSaySo(t *testing.T) {
	bump := level(func(p float64) float64 {
		if p > 0.8 && p < 0.9 {
			return 2
		}
		return 1
	})
	a, d := driftAnalyzer(bump, bump, bump, bump, bump)
	if swing := d.swing(); swing < 1.9 || swing > 2.1 {
		t.Fatal(swing, d.drifts())
	}
	a.report.Arms = append(a.report.Arms, a.armReport(&a.spec.Arms[0], &qualityData{}))
	for bound, c := range map[time.Duration]struct {
		verdict string
		doubted bool
	}{time.Hour: {results.GatePass, false}, 1500 * time.Millisecond: {results.GatePass, true}, time.Millisecond: {results.GateFail, false}} {
		gates, err := a.judgeGates([]results.Gate{{Metric: "latency.p50", Arm: "m", AtMost: bound.String()}}, &qualityData{})
		if err != nil || gates[0].Verdict != c.verdict || c.doubted != strings.Contains(gates[0].Why, "no steady state") {
			t.Errorf("at most %v: %+v, %v", bound, gates, err)
		}
	}
}

func TestPrecisionIsJudgedAtTheLooksLevel(t *testing.T) {
	var trials [][]float64
	for i := range 6 {
		trials = append(trials, level(func(float64) float64 { return 1 + 0.002*float64(i) }))
	}
	a, _ := driftAnalyzer(trials...)
	for _, c := range []struct {
		width   float64
		reached bool
	}{{0.05, true}, {0.0001, false}} {
		a.spec.Until, a.report.Findings = &results.Precision{Metric: "latency.p50", HalfWidth: c.width}, nil
		r := a.reached()
		if r.Reached != c.reached || r.Confidence != 0.975 || len(r.Arms) != 1 || r.Arms[0].HalfWidth == nil || len(a.report.Findings) != 1 {
			t.Errorf("%+v, %q", r, a.report.Findings)
		}
	}
}

func TestServiceTimesByTheGapBefore(t *testing.T) {
	a, d := driftAnalyzer(level(func(float64) float64 { return 1e-3 }))
	for i := range 100 {
		d.trials[0].gaps.add(0, 1e6)
		d.trials[0].gaps.add(int64(10e6+i), 2e6)
	}
	a.spec.Loads = []results.Load{{Name: "l", Scenario: "server"}}
	a.report.Arms = []results.ArmReport{{Name: "m.cpu.b1.t1.l", Variant: "m", Scenario: "server", Load: "l", Metrics: map[string]results.Metric{"service.p50": {Value: 1}}}}
	a.idleGaps()
	to := []float64{50e-6, 50e-3}
	want := []results.GapService{{ToSeconds: &to[0], Requests: 100, P50: 1e-3}, {FromSeconds: 5e-3, ToSeconds: &to[1], Requests: 100, P50: 2e-3}}
	round := cmp.Comparer(func(x, y float64) bool { return x-y < 1e-9 && y-x < 1e-9 })
	if diff := cmp.Diff(want, a.report.Arms[0].IdleGap, round); diff != "" {
		t.Error(diff)
	}
	if len(a.report.Findings) != 1 || !strings.Contains(a.report.Findings[0], "2.00 times as long after a gap as back to back") || len(a.report.Arms[0].Metrics["service.p50"].Warnings) != 1 {
		t.Errorf("%q", a.report.Findings)
	}
}

// TestGapsAreOfServerLoads: requests of a closed loop come back to back by its own doing.
func TestGapsAreOfServerLoads(t *testing.T) {
	for _, open := range []bool{false, true} {
		arm := analyzed(t, planted{blocks: 2, slow: 1, open: open}).Arms[0]
		if open && (len(arm.IdleGap) != 1 || arm.IdleGap[0].Requests != 2*(requests-1) || arm.IdleGap[0].FromSeconds != 0) || !open && arm.IdleGap != nil {
			t.Errorf("server %v: %+v", open, arm.IdleGap)
		}
	}
}

// TestMediansThatChanceMovesApart: a few requests of exponential services differ by a fifth without a reason; many do not.
func TestMediansThatChanceMovesApart(t *testing.T) {
	draw := func(rng *rand.Rand, n int, mean float64) (g gaps) {
		for range n {
			g.add(0, int64(rng.ExpFloat64()*mean*1e6))
		}
		return g
	}
	rng := rand.New(rand.NewPCG(8, 8))
	far, said := 0, 0
	for range 200 {
		a, b := draw(rng, 100, 5), draw(rng, 200, 5)
		x, y := a.median(0), b.median(0)
		if r := x.p50 / y.p50; r > 1+misledByGaps || r < 1/(1+misledByGaps) {
			far++
		}
		if x.apart(y) {
			said++
		}
	}
	if far < 50 || said > 1 {
		t.Errorf("of 200 pairs of one distribution %d medians are a tenth apart by chance, and of %d it is said", far, said)
	}
	a, b := draw(rng, 20_000, 5), draw(rng, 20_000, 6)
	if x, y := a.median(0), b.median(0); !x.apart(y) || !y.apart(x) {
		t.Errorf("%+v and %+v are taken for the same", x, y)
	}
}
