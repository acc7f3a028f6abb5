package analysis

import (
	"math"
	"strings"
	"testing"
	"time"

	"assay/results"
)

// judged is the report of a planted run with objectives.
func judged(t *testing.T, p planted, objectives ...results.SLO) *results.Report {
	t.Helper()
	dir := results.Dir(p.save(t))
	run, err := dir.ReadRun()
	if err != nil {
		t.Fatal(err)
	}
	run.Resolved.SLOs = objectives
	if err := dir.WriteRun(run); err != nil {
		t.Fatal(err)
	}
	rep, err := Analyze(string(dir))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestObjectivesHaveAMarginAndGoodput(t *testing.T) {
	rep := judged(t, planted{blocks: 6, slow: 3}, results.SLO{Metric: "latency.p95", AtMost: 2 * time.Millisecond}, results.SLO{Metric: "error", Share: 0.01})
	a, b := rep.Arms[0], rep.Arms[1]
	for _, c := range []struct {
		got     results.ObjectiveResult
		verdict string
		good    bool
	}{{a.Objectives[0], "pass", true}, {a.Objectives[1], "pass", true}, {b.Objectives[0], "fail", false}, {b.Objectives[1], "pass", true}} {
		if c.got.Verdict != c.verdict || c.got.Margin == nil || (*c.got.Margin > 0) != c.good || c.got.N != 6*requests {
			t.Errorf("%+v, want %s", c.got, c.verdict)
		}
	}
	if e := a.Objectives[0].EarlyStopping; e == nil || e.Verdict != "pass" || !strings.Contains(e.Assumes, "independent") {
		t.Errorf("early stopping %+v", e)
	}
	if good, all := a.Metrics["goodput"].Value, a.Metrics["throughput.requests"].Value; good != all {
		t.Errorf("every request of a keeps them: goodput %v of %v", good, all)
	}
	if good := b.Metrics["goodput"].Value; good != 0 {
		t.Errorf("no request of b keeps 2 ms, goodput %v", good)
	}
	if len(rep.Gates) != 4 || rep.Gates[1].Rule != "error at_most 1%" || !strings.Contains(rep.Gates[0].Why, "independent") {
		t.Errorf("%+v", rep.Gates)
	}
}

func TestObjectivesOfALookAndOfAnInvalidRunAreInconclusive(t *testing.T) {
	slo := results.SLO{Metric: "latency.p95", AtMost: 2 * time.Millisecond}
	if rep := judged(t, planted{blocks: 1, slow: 1, fast: true}, slo); rep.Gates[0].Verdict != "inconclusive" {
		t.Errorf("--fast: %+v", rep.Gates[0])
	}
	overload := &results.Overload{Served: 0.5, InFlight: 200, PerSecond: 900}
	for _, c := range []struct {
		name     string
		overload *results.Overload
		reason   string
		judged   bool
	}{
		{"late", nil, "host.late: 3 ms", false}, {"late and overloaded", overload, "host.late: 3 ms", false}, {"overloaded", overload, "load.overloaded: half", true},
	} {
		rep := judged(t, planted{blocks: 5, slow: 1, mend: func(trial *results.Trial) {
			trial.Verdict, trial.Reasons, trial.Certificate = "invalid", []string{c.reason}, &results.Certificate{Overload: c.overload}
		}}, slo)
		for i, g := range rep.Gates {
			o := rep.Arms[i].Objectives[0]
			if said := strings.Contains(g.Why, "invalid") && strings.Contains(o.Why, "invalid"); g.Verdict != o.Verdict || (g.Verdict == "inconclusive") == c.judged || said == c.judged {
				t.Errorf("an invalid run, %s: %+v, %+v", c.name, g, o)
			}
		}
	}
}

// TestFailuresMissEveryObjective: 8 of 200 requests of each trial failed, which their latencies do not show.
func TestFailuresMissEveryObjective(t *testing.T) {
	slo := []results.SLO{{Metric: "latency.p99", AtMost: time.Second}, {Metric: "latency.p90", AtMost: time.Second}, {Metric: "error", Share: 0.01}}
	for _, r := range judged(t, planted{blocks: 6, slow: 1, fail: 25}, slo...).Arms[1].Objectives {
		if math.Abs(r.Missed-0.04) > 0.005 || r.N != 6*requests {
			t.Errorf("%s: %v of %d missed it, want about 0.04 of %d", r.Objective, r.Missed, r.N, 6*requests)
		}
		fails := !strings.HasPrefix(r.Objective, "p90")
		if fails != (r.Verdict == "fail") {
			t.Errorf("%+v", r)
		}
		if e := r.EarlyStopping; e != nil && (fails == (e.Verdict == "pass") || fails == (e.Bound != nil) || fails && e.More == 0) {
			t.Errorf("%s: early stopping %+v", r.Objective, e)
		}
	}
}

// TestOverloadedArmsHaveACapacityInPlaceOfLatencies also holds that what a model does alone stays.
func TestOverloadedArmsHaveACapacityInPlaceOfLatencies(t *testing.T) {
	rep := analyzed(t, planted{blocks: 5, slow: 1, mend: func(trial *results.Trial) {
		if trial.Arm[0] == 'b' {
			trial.Verdict, trial.Reasons = "invalid", []string{"load.overloaded: 80 % of the requests were served"}
			trial.Certificate = &results.Certificate{Overload: &results.Overload{Served: 0.8, InFlight: 200, PerSecond: 900}}
		}
	}})
	b := rep.Arms[1]
	if _, ok := b.Metrics["latency.p99"]; ok || !strings.Contains(b.NotMeasured["latency.p99"], "about 900 requests/s") {
		t.Errorf("p99 %+v, %q", b.Metrics["latency.p99"], b.NotMeasured["latency.p99"])
	}
	if c := b.Metrics["capacity"]; c.Value != 900 || c.Unit != "1/s" {
		t.Errorf("capacity %+v", c)
	}
	if _, ok := b.Metrics["service.p50"]; !ok {
		t.Error("service times are gone")
	}
	if _, ok := rep.Arms[0].Metrics["latency.p99"]; !ok {
		t.Error("the other arm lost its latencies")
	}
	if rep.Verdict != "invalid" {
		t.Errorf("verdict %s", rep.Verdict)
	}
}

// TestWhatCannotBeToldIsNoCapacity: where nothing ended in the windows there is no rate of 0.
func TestWhatCannotBeToldIsNoCapacity(t *testing.T) {
	rep := analyzed(t, planted{blocks: 5, slow: 1, mend: func(trial *results.Trial) {
		trial.Certificate = &results.Certificate{Overload: &results.Overload{InFlight: 200}}
	}})
	a := rep.Arms[0]
	if m, ok := a.Metrics["capacity"]; ok || !strings.Contains(a.NotMeasured["capacity"], "cannot be told") || !strings.Contains(a.NotMeasured["latency.p99"], "cannot be told") {
		t.Errorf("capacity %+v, %q", m, a.NotMeasured["capacity"])
	}
}

// TestOneOverloadedTrialOfFiveLeavesLatencies: a fifth of an arm's trials is not more than a fifth.
func TestOneOverloadedTrialOfFiveLeavesLatencies(t *testing.T) {
	rep := analyzed(t, planted{blocks: 5, slow: 1, mend: func(trial *results.Trial) {
		if trial.Arm[0] == 'b' && trial.Block == 2 {
			trial.Certificate = &results.Certificate{Overload: &results.Overload{Served: 0.8, InFlight: 200, PerSecond: 900}}
		}
	}})
	if _, ok := rep.Arms[1].Metrics["latency.p99"]; !ok {
		t.Errorf("no latencies: %s", rep.Arms[1].NotMeasured["latency.p99"])
	}
}

// TestTailsThatTheSampleCannotSupport are not printed: 200 requests say nothing of p99.9.
func TestTailsThatTheSampleCannotSupport(t *testing.T) {
	rep := analyzed(t, planted{blocks: 1, slow: 1})
	a := rep.Arms[0]
	if m, ok := a.Metrics["latency.p99.9"]; ok || !strings.Contains(a.NotMeasured["latency.p99.9"], "200 requests would be their largest") {
		t.Errorf("%+v, %q", m, a.NotMeasured["latency.p99.9"])
	}
	if _, ok := a.Metrics["latency.p99"]; !ok {
		t.Error("p99 of 200 requests is gone")
	}
}
