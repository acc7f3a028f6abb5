package capacity

import (
	"path/filepath"
	"testing"
	"time"

	"assay/results"
)

// TestTimedOutRequestsLeaveTheQueue offers twice of what is served: those that time out before they are sent leave the queue then, so that no
// backlog grows with the run's length.
func TestTimedOutRequestsLeaveTheQueue(t *testing.T) {
	const timeout = 10 * time.Millisecond
	m := &measured{Samples: Samples{To: 10e9}}
	for i := range int64(20_000) {
		due := i * 500_000
		row := results.Request{DueNS: due, IssuedNS: due, StartedNS: due, DoneNS: due + 1e6}
		if i%2 == 1 {
			row = results.Request{DueNS: due, IssuedNS: results.Absent, StartedNS: results.Absent, DoneNS: results.Absent, Status: results.RequestTimeout}
		}
		m.Rows = append(m.Rows, row)
	}
	if o := m.overload(timeout); o.Overloaded || o.Last > 2*11 || o.Served < 0.99 {
		t.Errorf("%+v of requests that wait for 10 ms at most", o)
	}
	m.Rows[19_999].Status = results.RequestDropped // one that never left is in flight to the end
	if o := m.overload(timeout); o.Overloaded {
		t.Errorf("%+v", o)
	}
}

// TestBandsWhereRequestsTimeOut: callers wait for 10 ms, so that p95 <= 20 ms asks that 95 % end within 10 ms; those that leave make the queue shorter
// for the others. No call fails, so an objective on failures limits the rate by the requests that time out, and does not end the search because
// overloaded probes are full of them. Brute force must find the rate within the band.
func TestBandsWhereRequestsTimeOut(t *testing.T) {
	replays(t, 1<<16)
	p95 := results.SLO{Metric: "latency.p95", AtMost: 20 * time.Millisecond}
	var before *results.Band
	for _, objectives := range [][]results.SLO{{p95}, {{Metric: "latency.p50", AtMost: time.Second}, {Metric: "error", Share: 0.05}}} {
		plan := brisk(objectives...)
		plan.Timeout = 10 * time.Millisecond
		q := &queue{mu: 1000, seed: 9}
		got, err := Search(t.Context(), plan, "m", q, Journal(filepath.Join(t.TempDir(), "j")), nil)
		if err != nil || got.Band.Passes == nil || got.Band.Fails == nil || got.SLO != results.ObjectivesText(objectives) {
			t.Fatalf("%+v, %v", got, err)
		}
		t.Logf("[%v, %v], z %.1f by %s: %s", *got.Band.Passes, *got.Band.Fails, *got.Agreement, got.Binding, got.Reason)
		if *got.Band.Passes < 700 { // without the timeout 95 % end within 10 ms at 700/s
			t.Errorf("the band begins at %v/s, as if nobody left the queue", *got.Band.Passes)
		}
		if before != nil && (*got.Band.Passes != *before.Passes || *got.Band.Fails != *before.Fails) {
			t.Errorf("[%v, %v] by the objective on failures", *got.Band.Passes, *got.Band.Fails)
		} else if before == nil {
			q.mustBound(t, plan, got.Band)
		}
		before = &got.Band
	}
}
