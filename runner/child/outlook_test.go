package child

import (
	"testing"
	"testing/synctest"
	"time"

	"assay/loadgen"
	"assay/results"
)

// TestOverloadedLoadsStopWhereTheyShould drives loads of Poisson arrivals on a virtual clock: those that are too high end early and are marked,
// the same ones go on where they should, and one that is served lasts to its end.
func TestOverloadedLoadsStopWhereTheyShould(t *testing.T) {
	for _, c := range []struct {
		name    string
		rate    float64
		load    results.Load
		warmup  time.Duration
		stopped bool
	}{
		{"twice too high", 200, results.Load{StopOverloaded: true}, time.Second, true},
		{"continue", 200, results.Load{}, time.Second, false},
		{"behind a backlog of warm-up", 400, results.Load{StopOverloaded: true}, 10 * time.Second, true},
		{"to its end behind a backlog", 400, results.Load{}, 10 * time.Second, false},
		{"served", 60, results.Load{StopOverloaded: true}, time.Second, false},
		{"several workers", 800, results.Load{StopOverloaded: true, Concurrency: 4}, time.Second, true},
		{"by requests", 200, results.Load{StopOverloaded: true, Requests: 2000}, 0, true},
		{"callers leave late", 400, results.Load{StopOverloaded: true, Timeout: 30 * time.Second}, 0, true},
		{"callers leave", 400, results.Load{StopOverloaded: true, Timeout: time.Second}, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			const window = 20 * time.Second
			schedule, err := loadgen.Poisson(7, c.rate, c.warmup+window)
			if err != nil {
				t.Fatal(err)
			}
			tr := &trial{config: Config{Load: c.load}}
			cfg := loadgen.Config{Workers: tr.workers(), Schedule: schedule, Warmup: c.warmup, Duration: window, Requests: int64(c.load.Requests), Timeout: c.load.Timeout, Clock: loadgen.NewSleepClock()}
			cfg.Outlook = tr.outlook(&cfg)
			records, o := sent(t, cfg, c.rate, 10*time.Millisecond)
			certificate, _ := certify(records, o, c.rate, loadgen.Batching{}, c.load.Timeout)
			n := o.Counts
			if o.GivenUp != c.stopped || n.Scheduled != n.OK+n.Failed+n.Dropped+n.Timeout || n.Scheduled == 0 || c.stopped == (n.Dropped == 0) {
				t.Errorf("%s: given up %v: %+v", c.name, o.GivenUp, n)
			}
			length := time.Duration(o.MeasureEnd - o.MeasureStart)
			planned := cfg.Window()
			if c.stopped != (length < planned/2) || !c.stopped && length != planned {
				t.Errorf("%s: measure took %v of %v", c.name, length, planned)
			}
			over := certificate.Overload
			if tooHigh := c.rate > 100*float64(cfg.Workers) && c.name != "callers leave"; tooHigh != (over != nil) {
				t.Fatalf("%s: %+v", c.name, over)
			}
			if capacity := 100 * float64(cfg.Workers); over != nil && (over.PerSecond < 0.8*capacity || over.PerSecond > 1.2*capacity) {
				t.Errorf("%s: %v/s can be served, want about %v", c.name, over.PerSecond, capacity)
			}
		})
	}
}
