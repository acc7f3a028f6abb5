package analysis

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/results"
)

// TestNotesOfTrialsAreTold: each once, with how many trials noted it where not all did, and how full their batches were.
func TestNotesOfTrialsAreTold(t *testing.T) {
	rep := analyzed(t, planted{blocks: 5, slow: 1, mend: func(trial *results.Trial) {
		if trial.Arm[0] == 'a' {
			return
		}
		trial.Notes = []string{"the window ended early"}
		if trial.Block == 3 {
			trial.Notes = append(trial.Notes, "once")
		}
		trial.Batching = &results.Batches{Batches: 10, RequestsBySize: []int{4, 8, 18}}
	}})
	if diff := cmp.Diff([]string{"the window ended early", "once (1 of 5 trials)", "batching: 3.00 requests in a batch on average"}, rep.Arms[1].Notes); diff != "" || rep.Arms[0].Notes != nil {
		t.Errorf("%s, and of the other arm %q", diff, rep.Arms[0].Notes)
	}
}
