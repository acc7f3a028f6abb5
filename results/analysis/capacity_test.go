package analysis

import (
	"os"
	"testing"

	"assay/results"
)

// TestAProbeWithoutRequests: in a short window at a low rate none may come, and then there is no file of them; but where some came it must be there.
func TestAProbeWithoutRequests(t *testing.T) {
	dir := results.Dir(t.TempDir())
	if err := os.MkdirAll(dir.TrialsDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	trial := results.Trial{Block: 0, Arm: "a", Status: results.TrialOK, Verdict: "valid", Phases: []results.Phase{{Name: "measure", StartNS: 5, EndNS: 9}}}
	for scheduled, ok := range []bool{true, false} {
		trial.Counts.Scheduled = scheduled
		if err := dir.WriteTrial(&trial); err != nil {
			t.Fatal(err)
		}
		if s, err := ProbeSamples(dir, results.Probe{Arm: "a"}); (err == nil) != ok || len(s.Rows) != 0 || ok && s.To-s.From != 4 {
			t.Errorf("%d requests and no file: %+v, %v", scheduled, s, err)
		}
	}
}
