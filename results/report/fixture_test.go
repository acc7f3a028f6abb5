package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"assay/results"
)

func ptr[T any](v T) *T { return &v }

// planted is what the fixture pretends about one variant.
type planted struct {
	name     string
	speed    float64 // latency as a share of the baseline's
	accuracy float64
	bytes    int64
}

var plantedVariants = []planted{
	{"fp32", 1, 0.9733, 1_064_960},
	{"int8", 0.61, 0.9701, 291_840},
	{"fp16", 1.004, 0.9733, 540_672},
	{"student", 0.148, 0.9588, 118_784},
}

var levels = []float64{0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1}

// rich is a report of 12 arms, 4 variants and 5 blocks with one failed trial, no energy and one gate that cannot tell.
func rich() *results.Report {
	rng := rand.New(rand.NewPCG(20261123, 1))
	r := &results.Report{
		Schema: results.ReportSchema,
		Run: results.RunSummary{ID: "20261123T101500Z-digits-handoff-4f2a", Name: "digits-handoff", Hypothesis: "static int8 halves median latency and costs at most 1 point of accuracy",
			Started: time.Date(2026, 11, 23, 10, 15, 0, 0, time.UTC), Seconds: 412.4, Command: "assay run testdata/digits/experiment.yaml", Seed: 20261123,
			Assay: "v0.1.0", Status: "complete", Blocks: 5, Planned: 5},
		Environment: fixtureEnvironment(),
		Verdict:     "suspect",
		Reasons:     []string{"host.steal: 0.8 % of the processor's time went to other guests", "trial.failed: one of 60 trials failed: b003-student.cpu.b8.t1.interactive"},
		Decision: results.Decision{Ship: ptr("int8"), Why: "every gate on int8 passes, except one that cannot tell yet",
			Conclusion: "int8 is 39 % faster than fp32 at the median (0.610x, 95 % interval 0.597 to 0.624) and loses 0.32 points of accuracy (interval -0.90 to +0.26). " +
				"It is a quarter of the size. Whether its tail under the service load stays below 0.8x cannot be told from 5 blocks; about 4 more would settle it."},
	}
	for _, shape := range []struct {
		batch          int
		load, scenario string
		rate, p50      float64
	}{{1, "interactive", "single-stream", 0, 0.00123}, {8, "interactive", "single-stream", 0, 0.0078}, {1, "service", "server", 482, 0.00141}} {
		base := fmt.Sprintf("fp32.cpu.b%d.t1.%s", shape.batch, shape.load)
		for _, v := range plantedVariants {
			a := results.ArmReport{Name: fmt.Sprintf("%s.cpu.b%d.t1.%s", v.name, shape.batch, shape.load), Variant: v.name, Provider: "cpu", Batch: shape.batch,
				IntraOpThreads: 1, Load: shape.load, Scenario: shape.scenario, Rate: shape.rate, Baseline: v.name == "fp32", Against: base, Trials: 5,
				Requests: int(15 / (shape.p50 * v.speed)), NodesByProvider: map[string]int{"CPUExecutionProvider": 43}}
			if a.Baseline {
				a.Against = ""
			}
			fillArm(&a, v, shape.p50, rng)
			a.Certificate = &results.ArmCertificate{Valid: 4, Suspect: 1, AchievedPerSecond: 1 / (shape.p50 * v.speed), StealRatio: ptr(0.008), OthersCores: ptr(0.21)}
			if shape.rate > 0 {
				a.Certificate = &results.ArmCertificate{Valid: 5, ScheduledPerSecond: shape.rate, DuePerSecond: shape.rate * 1.013, AchievedPerSecond: shape.rate * 1.011,
					LatenessP99: ptr(0.000183), UnexplainedP99: ptr(0.000194), GeneratorShare: ptr(0.046), StealRatio: ptr(0.003), OthersCores: ptr(0.17)}
			}
			if v.name == "student" && shape.batch == 8 {
				a.Trials, a.TrialsFailed = 4, 1
				a.Failures = []string{"b003: oom: killed by the kernel for memory"}
			}
			if v.name == "fp16" && shape.load == "service" {
				a.Failed, a.Dropped = 3, 41
			}
			r.Arms = append(r.Arms, a)
			if !a.Baseline {
				r.Comparisons = append(r.Comparisons, fixtureComparisons(a, v, base, rng)...)
				if shape.batch != 1 || shape.load != "interactive" { // quality is compared once a variant
					r.Comparisons = r.Comparisons[:len(r.Comparisons)-1]
				}
			}
		}
	}
	r.Trials = fixtureTrials(r.Arms, rng)
	r.Gates = []results.GateResult{
		{Rule: "latency.p99 at_most 0.8x", Arm: "int8.cpu.b1.t1.interactive", Metric: "latency.p99", Verdict: "pass", Value: ptr(0.628), Low: ptr(0.601), High: ptr(0.657), Bound: 0.8, Unit: "ratio", Why: "the interval's upper end 0.657 is at most 0.8"},
		{Rule: "latency.p99 at_most 0.8x", Arm: "int8.cpu.b1.t1.service", Metric: "latency.p99", Verdict: "inconclusive", Value: ptr(0.741), Low: ptr(0.655), High: ptr(0.838), Bound: 0.8, Unit: "ratio", Why: "the interval 0.655 to 0.838 holds the bound 0.8", MoreBlocks: 4},
		{Rule: "quality.accuracy loss_at_most 1pp", Arm: "int8.cpu.b1.t1.interactive", Metric: "quality.accuracy", Verdict: "pass", Value: ptr(0.0032), Low: ptr(-0.0026), High: ptr(0.0090), Bound: 0.01, Unit: "ratio", Why: "the loss is at most 0.90 points with 97.5 % confidence"},
		{Rule: "quality.accuracy loss_at_most 1pp", Arm: "student.cpu.b1.t1.interactive", Metric: "quality.accuracy", Verdict: "fail", Value: ptr(0.0145), Low: ptr(0.0102), High: ptr(0.0199), Bound: 0.01, Unit: "ratio", Why: "the loss is at least 1.02 points"},
		{Rule: "latency.p99 at_most 20ms", Arm: "int8.cpu.b8.t1.interactive", Metric: "latency.p99", Verdict: "pass", Value: ptr(0.00613), Low: ptr(0.00598), High: ptr(0.00640), Bound: 0.02, Unit: "s", Why: "the interval's upper end 6.40 ms is at most 20 ms"},
	}
	r.Variants = []results.VariantInfo{
		{Name: "fp32", SHA256: "5f0c5fbd0e7b2a44", Bytes: 1_064_960},
		{Name: "int8", SHA256: "91aa0b60f7c1d3e8", Bytes: 291_840, Quantize: "int8-static", From: "fp32"},
		{Name: "fp16", SHA256: "c0ffee11d00dfeed", Bytes: 540_672, Quantize: "fp16", From: "fp32"},
		{Name: "student", SHA256: "77777777aaaaaaaa", Bytes: 118_784, DistilledFrom: "fp32"},
	}
	r.Quality = fixtureQuality()
	return r
}

func fixtureEnvironment() results.Environment {
	return results.Environment{
		Identity: map[string]any{"cpu": map[string]any{"model": "Example Processor 9000", "cores": 2, "threads": 2}, "memory_gib": 8, "os": "linux 6.1"}, IdentityHash: "8c3f2b1a9d7e6f50",
		State:   map[string]any{"governor": "performance", "load1": 0.12, "turbo": true},
		Runtime: results.Runtime{Name: "ONNX Runtime", Version: "1.30.0", Variant: "cpu", LibrarySHA256: "deadbeefcafe0123", Providers: []string{"CPUExecutionProvider"}},
	}
}

// around gives an estimate an interval of a relative half-width.
func around(value float64, unit string, half float64, n, trials int) results.Metric {
	return results.Metric{Value: value, Unit: unit, Low: ptr(value * (1 - half*0.95)), High: ptr(value * (1 + half*1.07)), Confidence: 0.95,
		Method: "pooled quantile, cluster-robust interval over trials", N: n, Trials: trials, Kind: "measured"}
}

func fillArm(a *results.ArmReport, v planted, p50 float64, rng *rand.Rand) {
	mid := p50 * v.speed
	wide := 0.004 + 0.012*rng.Float64()
	n := a.Requests
	a.Metrics = map[string]results.Metric{
		"latency.p50":          around(mid, "s", wide, n, 5),
		"latency.p90":          around(mid*1.09, "s", wide*1.4, n, 5),
		"latency.p99":          around(mid*(1.35+0.3*rng.Float64()), "s", wide*4, n, 5),
		"service.p50":          around(mid*0.995, "s", wide, n, 5),
		"queue_wait.p50":       around(0.0000021, "s", 0.2, n, 5),
		"throughput":           around(float64(a.Batch)/mid*0.97, "1/s", wide, n, 5),
		"cpu.per_inference":    around(mid/float64(a.Batch)*1.01, "s", wide, n, 5),
		"memory.host.peak":     around(52e6+float64(v.bytes)*1.7, "B", 0.003, 5, 5),
		"size.bytes":           {Value: float64(v.bytes), Unit: "B", Method: "exact", N: 1, Trials: 5},
		"load.session_create":  around(0.0171*math.Sqrt(v.speed), "s", 0.03, 5, 5),
		"load.first_inference": around(mid*3.1, "s", 0.08, 5, 5),
		"quality.accuracy":     {Value: v.accuracy, Unit: "ratio", Low: ptr(v.accuracy - 0.0112), High: ptr(v.accuracy + 0.0083), Confidence: 0.95, Method: "Wilson score", N: 899, Trials: 1},
		"quality.ece":          {Value: 0.0112 + (1-v.speed)*0.004, Unit: "ratio", Low: ptr(0.0071), High: ptr(0.0183), Confidence: 0.95, Method: "bootstrap over examples", N: 899, Trials: 1},
	}
	if v.name != "fp32" {
		a.Metrics["quality.agreement"] = results.Metric{Value: 0.9989 - (1-v.speed)*0.02, Unit: "ratio", Low: ptr(0.9812 - (1-v.speed)*0.02), High: ptr(0.9997), Confidence: 0.95, Method: "Wilson score", N: 899, Trials: 1}
	}
	if a.Load == "service" {
		p99 := a.Metrics["latency.p99"]
		p99.Warnings = []string{"few trials dominate this tail"}
		a.Metrics["latency.p99"] = p99
	}
	a.NotMeasured = map[string]string{
		"energy.per_inference": "no CPU energy counter: permission denied (see assay doctor)",
		"memory.gpu.peak":      "no GPU library answers (see assay doctor)",
	}
	if v.name == "fp32" {
		a.NotMeasured["quality.agreement"] = "the baseline is what agreement is measured with"
	}
}

func fixtureComparisons(a results.ArmReport, v planted, base string, rng *rand.Rand) []results.Comparison {
	var out []results.Comparison
	speed := v.speed * math.Exp(0.01*rng.NormFloat64())
	for _, m := range []struct {
		metric string
		ratio  float64
		half   float64
	}{{"latency.p50", speed, 0.012}, {"latency.p99", v.speed * (0.96 + 0.1*rng.Float64()), 0.05 + 0.1*rng.Float64()}, {"throughput", 1 / speed, 0.013}, {"cpu.per_inference", speed * 1.01, 0.02}, {"memory.host.peak", 0.97 + 0.004*rng.NormFloat64(), 0.004}} {
		c := results.Comparison{Baseline: base, Arm: a.Name, Metric: m.metric, Scale: "ratio", Ratio: ptr(m.ratio), Low: ptr(m.ratio * (1 - m.half)), High: ptr(m.ratio * (1 + m.half)),
			Confidence: 0.95, P: ptr(0.00021), PAdjusted: ptr(0.0013), Method: "paired-t on log per-trial quantiles", N: 5}
		better := m.ratio < 1 == !higherIsBetter(m.metric)
		switch {
		case *c.Low >= 1/1.02 && *c.High <= 1.02:
			c.Verdict = results.Same
		case *c.Low < 1 && *c.High > 1:
			c.Verdict, c.P, c.PAdjusted = results.Unclear, ptr(0.41), ptr(0.82)
		case better:
			c.Verdict = results.Better
		default:
			c.Verdict = results.Worse
		}
		if m.metric == "cpu.per_inference" || m.metric == "memory.host.peak" {
			c.Warnings, c.PAdjusted = []string{"exploratory: its p-value is not corrected for the number of comparisons"}, nil
		}
		out = append(out, c)
	}
	loss := v.accuracy - 0.9733
	verdict := results.Unclear
	if loss < -0.01 {
		verdict = results.Worse
	}
	return append(out, results.Comparison{Baseline: base, Arm: a.Name, Metric: "quality.accuracy", Scale: "difference", Unit: "ratio", Difference: &loss, Low: ptr(loss - 0.0058), High: ptr(loss + 0.0056),
		Confidence: 0.95, P: ptr(0.21), Method: "Tango score, paired", N: 899, Verdict: verdict, Warnings: []string{"exploratory: its p-value is not corrected for the number of comparisons"}})
}

// fixtureTrials gives every arm one trial a block in a drawn order, with latencies that are log-normal and a heavier tail.
func fixtureTrials(arms []results.ArmReport, rng *rand.Rand) []results.TrialPoint {
	z := []float64{-3.2, -2.33, -1.64, -1.28, -0.67, 0, 0.67, 1.28, 1.64, 2.33, 3.09, 3.6}
	var out []results.TrialPoint
	now := 0.0
	for block := range 5 {
		for position, i := range rng.Perm(len(arms)) {
			a := arms[i]
			length := 3.9 + 0.8*rng.Float64()
			t := results.TrialPoint{Block: block, Position: position, Arm: a.Name, Status: results.TrialOK, StartSeconds: now, EndSeconds: now + length, Verdict: "valid"}
			now += length + 0.15
			if block == 3 && a.Name == "student.cpu.b8.t1.interactive" {
				t.Status, t.Reason, t.Verdict, t.EndSeconds = results.TrialOOM, "killed by the kernel for memory", "invalid", t.StartSeconds+1.1
				out = append(out, t)
				continue
			}
			if block == 1 && position == 4 {
				t.Verdict, t.Reasons = "suspect", []string{"host.steal: 2.1 % of the processor's time went to other guests"}
			}
			mid := a.Metrics["latency.p50"].Value * math.Exp(0.012*rng.NormFloat64())
			for k, level := range levels {
				v := mid * math.Exp(0.06*z[k])
				if level > 0.97 {
					v *= 1 + 2.2*(level-0.97)/0.03*(0.5+rng.Float64())
				}
				if k > 0 {
					v = max(v, t.LatencySeconds[k-1])
				}
				t.QuantileLevels = append(t.QuantileLevels, level)
				t.LatencySeconds = append(t.LatencySeconds, v)
			}
			t.Requests = a.Requests / 5
			t.RequestsPerSecond = 0.97 / mid
			out = append(out, t)
		}
	}
	return out
}

func fixtureQuality() []results.QualityInfo {
	var out []results.QualityInfo
	for i, v := range plantedVariants {
		q := results.QualityInfo{Variant: v.name, Provider: "cpu", Dataset: "digits-test", Examples: 899}
		for j, stroke := range []string{"thin", "medium", "thick"} {
			est := v.accuracy - 0.012*float64(1-j) + 0.001*float64(i)
			q.Slices = append(q.Slices, results.SliceQuality{Column: "stroke", Value: stroke, Metric: "accuracy", Examples: 300, Estimate: est, Low: est - 0.021, High: min(est+0.015, 1)})
		}
		if i > 0 {
			q.Flips = map[string]int{"both_right": 858 - 6*i, "only_baseline_right": 4 + 5*i, "only_variant_right": 3 + i, "both_wrong": 34}
		}
		out = append(out, q)
	}
	out[3].Findings = []string{"thin strokes lose more than the others: 2.1 points"}
	return out
}

// single is a run of one arm: nothing to compare, nothing to decide.
func single() *results.Report {
	r := rich()
	r.Run.Name, r.Run.Hypothesis, r.Verdict, r.Reasons = "resnet50", "", "valid", nil
	r.Decision = results.Decision{Why: "one variant was measured; there is nothing to choose between", Conclusion: "fp32 answers in 1.23 ms at the median."}
	r.Arms = r.Arms[:1]
	r.Arms[0].Notes = []string{"issue-unique: measure ends after 32 requests, one for each different input"}
	delete(r.Arms[0].Metrics, "quality.accuracy")
	delete(r.Arms[0].Metrics, "quality.ece")
	delete(r.Arms[0].NotMeasured, "quality.agreement")
	r.Comparisons, r.Gates, r.Quality, r.Variants = nil, nil, nil, r.Variants[:1]
	var kept []results.TrialPoint
	for _, t := range r.Trials {
		if t.Arm == r.Arms[0].Name {
			kept = append(kept, t)
		}
	}
	r.Trials = kept
	return r
}

// fast is a look: one block, no intervals, no verdict on anything.
func fast() *results.Report {
	r := rich()
	r.Run.Blocks, r.Run.Planned, r.Run.Seconds = 1, 1, 11.2
	r.Verdict, r.Reasons = "suspect", []string{"fast: one short block; a look, never a verdict"}
	r.Decision = results.Decision{Why: "a fast run decides nothing", Conclusion: "Run it without --fast to learn how sure these figures are."}
	r.Arms, r.Gates = r.Arms[:4], nil
	for i := range r.Arms {
		r.Arms[i].Trials = 1
		for name, m := range r.Arms[i].Metrics {
			m.Low, m.High, m.Confidence, m.Trials = nil, nil, 0, 1
			m.Warnings = []string{"no interval: it needs 5 trials"}
			r.Arms[i].Metrics[name] = m
		}
	}
	r.Comparisons = r.Comparisons[:18]
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		c.Low, c.High, c.P, c.PAdjusted, c.Verdict, c.Warnings = nil, nil, nil, nil, results.Unclear, []string{"under 5 blocks no interval is given"}
	}
	var kept []results.TrialPoint
	for _, t := range r.Trials {
		for _, a := range r.Arms {
			if t.Block == 0 && t.Arm == a.Name {
				kept = append(kept, t)
			}
		}
	}
	r.Trials = kept
	return r
}

const evil = "</script><script>alert(1)</script>\x1b[31m|`x`\u202e\"'\n"

// hostile carries markup, escape codes and line breaks in every text that comes from a file.
func hostile() *results.Report {
	r := fast()
	r.Run.Name, r.Run.Command, r.Run.ID, r.Run.Hypothesis = evil, evil, evil, evil
	r.Reasons = []string{evil}
	r.Decision = results.Decision{Ship: ptr(evil), Why: evil, Conclusion: evil}
	for i := range r.Arms {
		a := &r.Arms[i]
		old := a.Name
		a.Variant, a.Load = evil+a.Variant, evil
		a.Name = a.Variant + ".cpu.b1.t1." + evil
		a.Failures, a.TrialsFailed = []string{evil}, 1
		a.Metrics[evil] = results.Metric{Value: math.MaxFloat64, Unit: evil, Method: evil}
		a.NotMeasured[evil] = evil
		for j := range r.Trials {
			if r.Trials[j].Arm == old {
				r.Trials[j].Arm, r.Trials[j].Reason = a.Name, evil
			}
		}
		for j := range r.Comparisons {
			if r.Comparisons[j].Arm == old {
				r.Comparisons[j].Arm = a.Name
			}
		}
	}
	r.Gates = []results.GateResult{{Rule: evil, Arm: evil, Metric: evil, Verdict: evil, Why: evil}}
	r.Environment.Identity[evil] = evil
	r.Variants[0].Name = evil
	r.Quality[0].Slices[0].Value, r.Quality[0].Findings = evil, []string{evil}
	return r
}
