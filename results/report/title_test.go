package report

import (
	"testing"

	"assay/results"
)

// TestAHeadingNamesTheProfile: a rate alone is not what such a load asks for.
func TestAHeadingNamesTheProfile(t *testing.T) {
	arm := results.ArmReport{Load: "server-200", Scenario: "server", Rate: 200, Profile: "steps:1,3,1"}
	if got, want := loadTitle([]results.ArmReport{arm}), "server-200 (server, 200 requests/s, profile steps:1,3,1)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
