package analysis

import (
	"strings"
	"testing"

	"assay/results"
)

// TestAWindowWithoutRequestsSaysSo: at 1e-9/s none is due in a second; that is no loss of samples.
func TestAWindowWithoutRequestsSaysSo(t *testing.T) {
	if got := missing(&results.Trial{Status: results.TrialOK}); !strings.HasPrefix(got, "no request was due in its window") {
		t.Error(got)
	}
	if got := missing(&results.Trial{Status: results.TrialOK, Counts: results.Counts{Scheduled: 3}}); got != "its samples are missing" {
		t.Error(got)
	}
}
