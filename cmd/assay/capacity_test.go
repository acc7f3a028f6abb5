package main

import (
	"testing"
	"time"

	"assay/capacity"
	"assay/results"
)

// TestProbesThatDifferHaveLoadsOfTheirOwn: a load of a name that a run knows is carried out as it was first.
func TestProbesThatDifferHaveLoadsOfTheirOwn(t *testing.T) {
	seen := map[string]results.Probe{}
	for _, p := range []results.Probe{
		{Kind: results.ProbeClosed, Length: time.Second}, {Kind: results.ProbeClosed, Length: 3 * time.Second, Index: 1},
		{Kind: results.ProbeSearch, Rate: 10, Length: time.Second}, {Kind: results.ProbeExtend, Rate: 10, Length: 3 * time.Second},
		{Kind: results.ProbeConfirm, Rate: 10, Block: 1, Length: 2 * time.Second}, {Kind: results.ProbeConfirm, Rate: 10, Block: 4, Length: 5 * time.Second},
		{Kind: results.ProbeMeasure, Rate: 10, Block: 7, Length: time.Second}, {Kind: results.ProbeMeasure, Rate: 10, Block: 8, Length: 4041 * time.Millisecond},
		{Kind: results.ProbeMeasure, Rate: 10, Block: 8, Length: 4041 * time.Millisecond, Repeat: 1},
	} {
		l := probeLoad(capacity.Request{Probe: p, Servers: 1}, results.CapacityPlan{Arrivals: "poisson"})
		if was, ok := seen[l.Name]; ok {
			t.Errorf("%s is the load of %+v and of %+v", l.Name, was, p)
		}
		if seen[l.Name] = p; l.Duration != p.Length {
			t.Errorf("%s lasts %v, want %v", l.Name, l.Duration, p.Length)
		}
	}
}
