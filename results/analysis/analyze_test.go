package analysis

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/results"
	"assay/results/quality"
	"assay/results/stats"
)

// planted is a run made by hand: variants a (the baseline) and b, one load, batch 2; b's latencies are a's times slow.
type planted struct {
	blocks int
	slow   float64
	gates  []results.Gate
	fast   bool
	mend   func(t *results.Trial) // changes a trial before it is saved
	loss   int                    // examples of 400 that b alone gets wrong
	loads  []string               // names; one where empty
	open   bool                   // the load is a server's
	fail   int                    // every so many-th request of b fails, where not 0
}

const requests = 200

// save writes the run and returns its directory.
func (p planted) save(t *testing.T) string {
	t.Helper()
	dir := results.Dir(t.TempDir())
	for _, sub := range []string{dir.TrialsDir(), filepath.Dir(dir.QualityFile("a"))} {
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := results.Run{ID: "id", Name: "planted", Status: "complete", Started: time.Unix(0, 0), Resolved: results.Spec{
		Name: "planted", Seed: 1, Baseline: "a", Blocks: p.blocks, Fast: p.fast, Gates: p.gates,
		Variants: []results.Variant{{Name: "a", Bytes: 1000}, {Name: "b", Bytes: 500}},
		Loads:    []results.Load{{Name: "load", Scenario: "single-stream", Duration: time.Second}},
		Arms: []results.Arm{{Name: "a.cpu.b2.t1.load", Variant: "a", Provider: "cpu", Batch: 2, Load: "load", Baseline: true},
			{Name: "b.cpu.b2.t1.load", Variant: "b", Provider: "cpu", Batch: 2, Load: "load", Against: "a.cpu.b2.t1.load"}},
		Quality: &results.Quality{Dataset: "d", Metrics: []string{"accuracy", "agreement", "ece"}},
	}}
	for _, load := range p.loads[min(1, len(p.loads)):] {
		run.Resolved.Loads = append(run.Resolved.Loads, results.Load{Name: load, Scenario: "single-stream", Duration: time.Second})
		for _, arm := range run.Resolved.Arms[:2] {
			arm.Name, arm.Load = strings.TrimSuffix(arm.Name, "load")+load, load
			arm.Against = strings.TrimSuffix(arm.Against, "load") + load
			if arm.Baseline {
				arm.Against = ""
			}
			run.Resolved.Arms = append(run.Resolved.Arms, arm)
		}
	}
	if p.open {
		run.Resolved.Loads[0].Scenario = "server"
	}
	if err := dir.WriteRun(&run); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for block := range p.blocks {
		drift := math.Exp(rng.NormFloat64() * 0.05) // shared by the block: pairing must take it out
		for position, arm := range run.Resolved.Arms {
			mean := 1e6 * drift * math.Exp(rng.NormFloat64()*0.003)
			if arm.Variant == "b" {
				mean *= p.slow
			}
			p.saveTrial(t, dir, block, position, arm, mean, rng)
		}
	}
	p.saveQuality(t, dir)
	return string(dir)
}

// saveTrial writes one closed-loop trial whose measure begins 1 s after its start.
func (p planted) saveTrial(t *testing.T, dir results.Dir, block, position int, arm results.Arm, mean float64, rng *rand.Rand) {
	t.Helper()
	now := int64(1e9)
	var rows []results.Request
	for i := range requests {
		took := int64(mean * (1 + 0.1*rng.Float64()))
		rows = append(rows, results.Request{Seq: int64(i), DueNS: now, IssuedNS: now, StartedNS: now + 1000, DoneNS: now + took, Batch: 2})
		if p.fail > 0 && arm.Variant == "b" && i%p.fail == p.fail-1 {
			rows[i].Status = results.RequestFailed
		}
		now += took
	}
	start := int64(block*2+position)*10e9 + 5
	trial := results.Trial{Block: block, Position: position, Arm: arm.Name, Status: results.TrialOK, Verdict: "valid", StartNS: start,
		Counts: results.Counts{Scheduled: requests, OK: requests}, Process: results.Process{PeakRSS: 50 << 20, RSSBeforeSession: 20 << 20},
		Phases: []results.Phase{{Name: "session", StartNS: start - 2e9, EndNS: start - 1e9}, {Name: "first", StartNS: start - 1e9, EndNS: start - 9e8},
			{Name: "measure", StartNS: start + 1e9, EndNS: start + now, CPUSeconds: 0.1}}}
	if p.mend != nil {
		p.mend(&trial)
	}
	if trial.Status == results.TrialOK {
		left := rows
		err := results.WriteRequests(dir.RequestsFile(block, arm.Name), func(buf []results.Request) (int, error) {
			n := copy(buf, left)
			left = left[n:]
			return n, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.WriteTrial(&trial); err != nil {
		t.Fatal(err)
	}
}

func (p planted) saveQuality(t *testing.T, dir results.Dir) {
	t.Helper()
	for _, variant := range []string{"a", "b"} {
		ps := make([]quality.Prediction, 400)
		for i := range ps {
			ps[i] = quality.Prediction{Example: int64(i), Label: 1, Prediction: 1, Score: 0.9, Finite: true, Slices: map[string]string{"half": fmt.Sprint(i / 200)}}
			if i < 20 || variant == "b" && i < 20+p.loss {
				ps[i].Prediction = 0
			}
		}
		if err := quality.Write(dir.QualityFile(variant), ps); err != nil {
			t.Fatal(err)
		}
	}
}

func analyzed(t *testing.T, p planted) *results.Report {
	t.Helper()
	rep, err := Analyze(p.save(t))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestFiguresFollowFromTheSamples(t *testing.T) {
	dir := planted{blocks: 5, slow: 1}.save(t)
	rep, err := Analyze(dir)
	if err != nil {
		t.Fatal(err)
	}
	var pooled []float64
	product := 1.0
	for block := range 5 {
		rows, err := results.ReadRequests(results.Dir(dir).RequestsFile(block, "a.cpu.b2.t1.load"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			pooled = append(pooled, float64(r.DoneNS-r.DueNS)/1e9)
		}
		product *= 2 * requests / (float64(rows[requests-1].DoneNS-rows[0].DueNS) / 1e9)
	}
	slices.Sort(pooled)
	arm := rep.Arms[0]
	for metric, want := range map[string]float64{
		"latency.p50":          stats.Quantile(pooled, 0.5),
		"latency.max":          pooled[len(pooled)-1],
		"queue_wait.p50":       1e-6,
		"throughput":           math.Pow(product, 0.2),
		"memory.host.peak":     50 << 20,
		"load.session_create":  1,
		"load.first_inference": 0.1,
		"size.bytes":           1000,
		"cpu.per_inference":    0.1 / (2 * requests),
		"quality.accuracy":     0.95,
	} {
		if got := arm.Metrics[metric].Value; math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s = %v, want %v", metric, got, want)
		}
	}
	if m := arm.Metrics["latency.p50"]; m.Low == nil || *m.Low > m.Value || *m.High < m.Value || m.N != 5*requests || m.Trials != 5 {
		t.Errorf("latency.p50 %+v", m)
	}
	for _, metric := range []string{"energy.per_inference", "memory.gpu.peak"} {
		if _, there := arm.Metrics[metric]; there || arm.NotMeasured[metric] == "" {
			t.Errorf("%s was not measured and must say why: %q", metric, arm.NotMeasured[metric])
		}
	}
	if rep.Verdict != "valid" || len(rep.Reasons) != 0 || arm.Requests != 5*requests {
		t.Errorf("%s %v, %d requests", rep.Verdict, rep.Reasons, arm.Requests)
	}
}

func comparisonOf(t *testing.T, rep *results.Report, metric string) results.Comparison {
	t.Helper()
	for _, c := range rep.Comparisons {
		if c.Metric == metric {
			return c
		}
	}
	t.Fatalf("no comparison of %s", metric)
	return results.Comparison{}
}

func TestPlantedDifferencesGetTheirVerdicts(t *testing.T) {
	for slow, want := range map[float64][2]string{1: {results.Same, results.Same}, 1.1: {results.Worse, results.Worse}, 0.8: {results.Better, results.Better}} {
		rep := analyzed(t, planted{blocks: 6, slow: slow})
		latency, throughput := comparisonOf(t, rep, "latency.p50"), comparisonOf(t, rep, "throughput")
		if latency.Verdict != want[0] || throughput.Verdict != want[1] {
			t.Errorf("x%v: latency %s, throughput %s", slow, latency.Verdict, throughput.Verdict)
		}
		if latency.Low == nil || *latency.Low > slow || *latency.High < slow {
			t.Errorf("x%v: %+v", slow, latency)
		}
		if c := comparisonOf(t, rep, "cpu.per_inference"); !slices.Contains(c.Warnings, "exploratory") || c.PAdjusted != nil {
			t.Errorf("exploratory: %+v", c)
		}
	}
}

func TestFewBlocksAndFastGiveNoVerdict(t *testing.T) {
	for name, p := range map[string]planted{"4 blocks": {blocks: 4, slow: 2}, "fast": {blocks: 6, slow: 2, fast: true}} {
		rep := analyzed(t, p)
		c := comparisonOf(t, rep, "latency.p50")
		if c.Verdict != results.Unclear || c.Low != nil || c.P != nil || c.Ratio == nil || rep.Decision.Ship != nil {
			t.Errorf("%s: %+v, decision %+v", name, c, rep.Decision)
		}
		if text := rep.Decision.Conclusion; strings.Contains(text, "95 % bounds") || !strings.Contains(text, "over 1 load, without bounds: unclear in 1") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestGates(t *testing.T) {
	gate := func(metric, atMost, atLeast, loss string) results.Gate {
		return results.Gate{Metric: metric, Arm: "b", AtMost: atMost, AtLeast: atLeast, LossAtMost: loss}
	}
	for _, c := range []struct {
		gate results.Gate
		slow float64
		loss int
		want string
	}{
		{gate("latency.p50", "0.9x", "", ""), 0.8, 0, results.GatePass},
		{gate("latency.p50", "0.9x", "", ""), 1, 0, results.GateFail},
		{gate("latency.p50", "1x", "", ""), 1, 0, results.GateInconclusive},
		{gate("throughput", "", "1.1x", ""), 0.8, 0, results.GatePass},
		{gate("throughput", "", "", "2%"), 1.1, 0, results.GateFail},
		{gate("latency.p99", "20ms", "", ""), 1, 0, results.GatePass},
		{gate("latency.p99", "1us", "", ""), 1, 0, results.GateFail},
		{gate("quality.accuracy", "", "", "5pp"), 1, 2, results.GatePass},
		{gate("quality.accuracy", "", "", "1pp"), 1, 40, results.GateFail},
		{gate("quality.accuracy", "", "", "1pp"), 1, 4, results.GateInconclusive},
		{gate("quality.accuracy", "", "50%", ""), 1, 0, results.GatePass},
		{gate("energy.per_inference", "1mJ", "", ""), 1, 0, results.GateNothing},
		{gate("energy.per_inference", "0.9x", "", ""), 1, 0, results.GateNothing},
	} {
		rep := analyzed(t, planted{blocks: 6, slow: c.slow, loss: c.loss, gates: []results.Gate{c.gate}})
		g := rep.Gates[0]
		if len(rep.Gates) != 1 || g.Verdict != c.want || g.Why == "" {
			t.Errorf("%s at x%v and %d lost: %+v", c.gate.Rule(), c.slow, c.loss, g)
		}
		if c.want == results.GateInconclusive && g.MoreBlocks == 0 && g.MoreExamples == 0 {
			t.Errorf("%s: does not say what would settle it", c.gate.Rule())
		}
	}
}

func TestObjectivesAreJudgedOnEveryArmOfTheirLoad(t *testing.T) {
	dir := planted{blocks: 6, slow: 3}.save(t)
	run, err := results.Dir(dir).ReadRun()
	if err != nil {
		t.Fatal(err)
	}
	run.Resolved.SLOs = []results.SLO{{Load: "load", Metric: "latency.p99", AtMost: 2 * time.Millisecond}, {Load: "other", Metric: "latency.p99", AtMost: 1}}
	if err := results.Dir(dir).WriteRun(run); err != nil {
		t.Fatal(err)
	}
	rep, err := Analyze(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Gates) != 2 || rep.Gates[0].Verdict != results.GatePass || rep.Gates[1].Verdict != results.GateFail || rep.Gates[1].Bound != 0.002 {
		t.Errorf("%+v", rep.Gates)
	}
}

func TestGatesThatAreWrittenWrongly(t *testing.T) {
	dir := planted{blocks: 5, slow: 1}.save(t)
	for want, g := range map[string]results.Gate{
		"no bound":                     {Metric: "latency.p50", Arm: "b", AtMost: "fast"},
		"metric latency.p51":           {Metric: "latency.p51", Arm: "b", AtMost: "1ms"},
		`"c" is no variant and no arm`: {Metric: "latency.p50", Arm: "c", AtMost: "1ms"},
	} {
		if _, err := Gates(dir, []results.Gate{g}); !errors.Is(err, ErrGate) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", g, err, want)
		}
	}
	rep, err := Gates(dir, []results.Gate{{Metric: "latency.p50", Arm: "b.cpu.b2.t1.load", AtMost: "1s"}})
	if err != nil || rep.Gates[0].Verdict != results.GatePass {
		t.Errorf("by the arm's full name: %v", err)
	}
}

func TestInvalidTrialsMakeTheRunInvalidAndGatesInconclusive(t *testing.T) {
	late := func(from int) func(*results.Trial) {
		return func(trial *results.Trial) {
			if trial.Block >= from {
				trial.Verdict, trial.Reasons = "invalid", []string{"host.late: p99 3 ms"}
			}
		}
	}
	gates := []results.Gate{{Metric: "latency.p50", Arm: "b", AtMost: "0.9x"}}
	rep := analyzed(t, planted{blocks: 6, slow: 0.8, gates: gates, mend: late(4)})
	if rep.Verdict != "invalid" || rep.Gates[0].Verdict != results.GateInconclusive || rep.Decision.Ship != nil {
		t.Errorf("a third of the trials: %s, gate %s", rep.Verdict, rep.Gates[0].Verdict)
	}
	if len(rep.Reasons) != 1 || !strings.HasPrefix(rep.Reasons[0], "host.late: 4 trials of 12") {
		t.Errorf("reasons %v", rep.Reasons)
	}
	if rep = analyzed(t, planted{blocks: 6, slow: 0.8, gates: gates, mend: late(5)}); rep.Verdict != "suspect" || rep.Gates[0].Verdict != results.GatePass {
		t.Errorf("a sixth of the trials: %s, gate %s", rep.Verdict, rep.Gates[0].Verdict)
	}
}

func TestFailedTrialsAreListedAndNotCounted(t *testing.T) {
	rep := analyzed(t, planted{blocks: 6, slow: 1, mend: func(trial *results.Trial) {
		if trial.Block == 2 && trial.Arm[0] == 'b' {
			trial.Status, trial.Reason = results.TrialOOM, "the kernel killed it for memory"
		}
	}})
	b := rep.Arms[1]
	if b.Trials != 5 || b.TrialsFailed != 1 || b.Failures[0] != "b002: oom: the kernel killed it for memory" || b.Requests != 5*requests {
		t.Errorf("%+v", b)
	}
	if c := comparisonOf(t, rep, "latency.p50"); c.N != 5 {
		t.Errorf("compared over %d blocks", c.N)
	}
	if rep.Verdict != "suspect" || !strings.HasPrefix(rep.Reasons[0], "trial.oom: ") {
		t.Errorf("%s %v", rep.Verdict, rep.Reasons)
	}
}

func TestDecision(t *testing.T) {
	ship := func(p planted) string {
		rep := analyzed(t, p)
		if rep.Decision.Why == "" || rep.Decision.Conclusion == "" {
			t.Errorf("%+v", rep.Decision)
		}
		if rep.Decision.Ship == nil {
			return "none"
		}
		return *rep.Decision.Ship
	}
	pass := []results.Gate{{Metric: "latency.p50", Arm: "b", AtMost: "0.9x"}, {Metric: "quality.accuracy", Arm: "b", LossAtMost: "5pp"}}
	for _, c := range []struct {
		p    planted
		want string
	}{
		{planted{blocks: 6, slow: 0.8, gates: pass}, "b"},
		{planted{blocks: 6, slow: 0.8, gates: pass, loss: 100}, "a"}, // a gate fails
		{planted{blocks: 6, slow: 0.8}, "b"},                         // no gates, no loss
		{planted{blocks: 6, slow: 0.8, loss: 100}, "a"},              // loses more than a point
		{planted{blocks: 6, slow: 0.8, loss: 3}, "none"},             // cannot tell at 400 examples
		{planted{blocks: 6, slow: 1.1}, "a"},
		{planted{blocks: 6, slow: 1}, "a"}, // nothing to gain
	} {
		if got := ship(c.p); got != c.want {
			t.Errorf("slow %v loss %d gates %d: ship %s, want %s", c.p.slow, c.p.loss, len(c.p.gates), got, c.want)
		}
	}
}

// TestConclusionHasBoundsOnlyWhereThereAre leaves one of two loads too few trials for an interval.
func TestConclusionHasBoundsOnlyWhereThereAre(t *testing.T) {
	dir := planted{blocks: 6, slow: 0.8, loads: []string{"load", "other"}, mend: func(trial *results.Trial) {
		if trial.Block > 1 && strings.HasSuffix(trial.Arm, ".other") {
			trial.Status, trial.Reason = results.TrialKilled, "killed"
		}
	}}.save(t)
	rep, err := Analyze(dir)
	if err != nil {
		t.Fatal(err)
	}
	bounded := regexp.MustCompile(`b: median latency x0\.\d+ to x0\.\d+ of a's over 1 load \(95 % bounds\), x0\.\d+ over 1 load without bounds: better in 1, unclear in 1;`)
	if !bounded.MatchString(rep.Decision.Conclusion) {
		t.Error(rep.Decision.Conclusion)
	}
}

func TestFiguresOfAConclusion(t *testing.T) {
	for v, want := range map[float64]string{-100: "-100", -99.44: "-99", 0.123: "+0.12", 0: "0", -0.0004: "-0.0004", 12.6: "+13", 1234: "+1234"} {
		if got := signed(v, 2); got != want {
			t.Errorf("%v prints %q, want %q", v, got, want)
		}
	}
}

func TestQualityIsComparedByExample(t *testing.T) {
	rep := analyzed(t, planted{blocks: 5, slow: 1, loss: 12})
	c := comparisonOf(t, rep, "quality.accuracy")
	if c.Scale != "difference" || c.Ratio != nil || math.Abs(*c.Difference+0.03) > 1e-12 || c.Verdict != results.Worse || c.N != 400 {
		t.Errorf("%+v", c)
	}
	q := rep.Quality[1]
	if q.Flips["only_baseline_right"] != 12 || q.Flips["both_right"] != 368 || len(q.Slices) != 2 {
		t.Errorf("%+v", q)
	}
}

func TestAnEmptyRunIsInvalidAndSaysSo(t *testing.T) {
	rep := analyzed(t, planted{blocks: 0})
	if rep.Verdict != "invalid" || len(rep.Reasons) == 0 || rep.Arms[0].NotMeasured["throughput"] == "" {
		t.Errorf("%s %v %v", rep.Verdict, rep.Reasons, rep.Arms[0].NotMeasured)
	}
	if _, err := Analyze(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a run") {
		t.Errorf("no run: %v", err)
	}
}

// TestNothingMeasuredIsInvalidHoweverManyTrialsRan: trials that all failed are no measurement of one variant alone.
func TestNothingMeasuredIsInvalidHoweverManyTrialsRan(t *testing.T) {
	rep := analyzed(t, planted{blocks: 5, slow: 1, mend: func(t *results.Trial) { t.Status, t.Reason = results.TrialOOM, "the kernel killed it" }})
	if rep.Verdict != "invalid" || !slices.Contains(rep.Reasons, "run.empty: nothing was measured") {
		t.Errorf("%s %v", rep.Verdict, rep.Reasons)
	}
	for _, name := range []string{"latency.p50", "service.p99", "queue_wait.mean", "throughput"} {
		if why := rep.Arms[0].NotMeasured[name]; why != errNoTrials.Error() {
			t.Errorf("%s was not measured: %q", name, why)
		}
	}
	if d := rep.Decision; d.Ship != nil || d.Why != "nothing was measured" || !strings.Contains(d.Conclusion, "Nothing was measured") {
		t.Errorf("%+v", d)
	}
}

func TestTimeBetweenSessionsDoesNotCount(t *testing.T) {
	dir := results.Dir(planted{blocks: 5, slow: 1}.save(t))
	run, err := dir.ReadRun()
	if err != nil {
		t.Fatal(err)
	}
	resumed, ended := run.Started.Add(24*time.Hour), run.Started.Add(24*time.Hour+time.Minute)
	run.BusySeconds, run.Resumed, run.Ended = 30, &resumed, &ended
	if err := dir.WriteRun(run); err != nil {
		t.Fatal(err)
	}
	rep, err := Analyze(string(dir))
	if err != nil || rep.Run.Seconds != 90 || !rep.Run.Ended.Equal(ended) {
		t.Errorf("%+v, %v", rep.Run, err)
	}
}

func TestOutputsThatAreNoNumbersAreFindings(t *testing.T) {
	dir := results.Dir(planted{blocks: 5, slow: 1}.save(t))
	run, err := dir.ReadRun()
	if err != nil {
		t.Fatal(err)
	}
	run.Findings = map[string][]string{"b": {"output y holds 4 NaN"}}
	if err := dir.WriteRun(run); err != nil {
		t.Fatal(err)
	}
	ps, err := quality.Read(dir.QualityFile("b"))
	if err != nil {
		t.Fatal(err)
	}
	ps[0].Finite = false
	if err := quality.Write(dir.QualityFile("b"), ps); err != nil {
		t.Fatal(err)
	}
	seen := func(withQuality bool, want ...string) {
		t.Helper()
		if !withQuality {
			run.Resolved.Quality = nil
			if err := dir.WriteRun(run); err != nil {
				t.Fatal(err)
			}
		}
		rep, err := Analyze(string(dir))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rep.Quality, func(q results.QualityInfo) bool { return q.Variant == "b" })
		if i < 0 || !slices.Equal(rep.Quality[i].Findings, want) {
			t.Errorf("findings of b in %+v, want %q", rep.Quality, want)
		}
		if m, ok := rep.Arms[1].Metrics["quality.accuracy"]; ok && !slices.Equal(m.Warnings, want[1:]) {
			t.Errorf("accuracy warns %q", m.Warnings)
		}
	}
	seen(true, "output y holds 4 NaN", "1 of 400 examples gave NaN or infinite outputs; they count as wrong")
	seen(false, "output y holds 4 NaN")
}

func TestTheSameRunGivesTheSameReport(t *testing.T) {
	dir := planted{blocks: 5, slow: 0.9, loss: 3}.save(t)
	var texts [2]string
	for i := range texts {
		rep, err := Analyze(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := results.Dir(dir).WriteReport(rep); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(results.Dir(dir).ReportFile())
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(b)
	}
	if texts[0] != texts[1] {
		t.Error("two analyses of one run differ")
	}
}

// TestMissingTrialsAreSaid: a run that was interrupted before its last trial is suspect, and says how much of it there is.
func TestMissingTrialsAreSaid(t *testing.T) {
	dir := results.Dir(planted{blocks: 5, slow: 1}.save(t))
	run, err := dir.ReadRun()
	if err != nil {
		t.Fatal(err)
	}
	run.Status = "interrupted"
	if err := errors.Join(dir.WriteRun(run), os.Remove(dir.TrialFile(4, "b.cpu.b2.t1.load"))); err != nil {
		t.Fatal(err)
	}
	rep, err := Analyze(string(dir))
	if err != nil {
		t.Fatal(err)
	}
	if want := "run.partial: 1 of 10 planned trials are missing"; rep.Verdict != "suspect" || !slices.Contains(rep.Reasons, want) {
		t.Errorf("%s: %q", rep.Verdict, rep.Reasons)
	}
}
