package results

import "testing"

func TestDisturbanceLiesInTheHost(t *testing.T) {
	for _, code := range []string{"host.late", "host.stopped", "host.clock", "load.unexplained"} {
		if got := Disturbance([]string{"load.overloaded: half", code + ": 3 ms"}); got != code {
			t.Errorf("%s is said to be %q", code, got)
		}
	}
	if got := Disturbance([]string{"load.overloaded: half", "host.busy: others", "requests.failed: 3"}); got != "" {
		t.Errorf("%s lies in the load, or is no more than a neighbour", got)
	}
}
