package analysis

import (
	"strings"
	"testing"

	"assay/results"
)

func known(v float64) *float64 { return &v }

// TestArmCertificateIsTheWorstTrials: counts, mean rates and the worst of each doubt; what no trial knows is absent.
func TestArmCertificateIsTheWorstTrials(t *testing.T) {
	trial := func(verdict string, c *results.Certificate) *trialData {
		return &trialData{Trial: results.Trial{Verdict: verdict, Certificate: c}}
	}
	d := armData{trials: []*trialData{
		trial(results.Valid, &results.Certificate{ScheduledPerSecond: 200, DuePerSecond: 190, AchievedPerSecond: 188, Lateness: map[string]float64{"p99": 1e-4},
			GeneratorShare: known(0.2), OthersCores: known(0.1)}),
		trial(results.Invalid, &results.Certificate{ScheduledPerSecond: 200, DuePerSecond: 210, AchievedPerSecond: 208, Lateness: map[string]float64{"p99": 5e-3},
			GeneratorShare: known(0.05), StoppedSeconds: 0.5, GCCycles: 2}),
		trial(results.Suspect, nil),
	}}
	c := d.certificate()
	if c.Valid != 1 || c.Suspect != 1 || c.Invalid != 1 || c.DuePerSecond != 200 || c.AchievedPerSecond != 198 || c.StoppedSeconds != 0.5 || c.GCCycles != 2 {
		t.Errorf("%+v", c)
	}
	if *c.LatenessP99 != 5e-3 || *c.GeneratorShare != 0.2 || *c.OthersCores != 0.1 || c.StealRatio != nil || c.UnexplainedP99 != nil {
		t.Errorf("late %v, share %v, others %v, steal %v", *c.LatenessP99, *c.GeneratorShare, *c.OthersCores, c.StealRatio)
	}
	metrics := map[string]results.Metric{"latency.p50": {}, "service.p50": {}}
	tell(c, metrics)
	if w := metrics["latency.p50"].Warnings; len(w) != 1 || !strings.HasPrefix(w[0], "up to 20 % of this latency") || metrics["service.p50"].Warnings != nil {
		t.Errorf("%+v", metrics)
	}
	if (&armData{trials: []*trialData{trial(results.Valid, nil)}}).certificate() != nil {
		t.Error("a certificate out of nothing")
	}
}
