package loadgen

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"assay/results"
)

// giveUp is an Outlook that has none from an instant on, and notes what it was told.
type giveUp struct {
	at      int64
	ended   [][2]int64 // due, done
	asked   int
	waiting int
	pending []int64 // at the last question
}

func (o *giveUp) Ended(due, done int64) { o.ended = append(o.ended, [2]int64{due, done}) }

func (o *giveUp) Hopeless(now int64, waiting int, pending []int64) bool {
	o.asked++
	o.waiting, o.pending = waiting, slices.Clone(pending)
	return now >= o.at
}

// TestAnOutlookEndsMeasure: 100/s are due and 20/s are served. What is given up after 2 s of 10 keeps its records: calls in flight finish, what
// waited is dropped, what was to come is not there.
func TestAnOutlookEndsMeasure(t *testing.T) {
	for name, cfg := range map[string]Config{
		"one":     {Workers: 1},
		"batches": {Workers: 1, Batching: Batching{Max: 3, Delay: time.Millisecond}},
		"several": {Workers: 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFaulty()
			f.service = 50 * time.Millisecond * time.Duration(cfg.Workers*max(1, cfg.Batching.Max))
			o := &giveUp{at: 2.2e9}
			cfg.Schedule, cfg.Warmup, cfg.Duration, cfg.Outlook = must(Constant(100, 10200*time.Millisecond)), 200*time.Millisecond, 10*time.Second, o
			out, rows := runFaulty(t, t.TempDir(), t.Context(), cfg, f)
			if !out.GivenUp || out.Interrupted || out.Hung || out.MeasureEnd-out.MeasureStart < 2e9 || out.MeasureEnd-out.MeasureStart > 2.03e9 {
				t.Fatalf("%s: %+v", name, out)
			}
			if out.End-out.MeasureEnd > int64(f.service) {
				t.Errorf("%s: it took %d ns to end, and a call takes %v", name, out.End-out.MeasureEnd, f.service)
			}
			served, flight := out.Counts.OK+out.Counts.Warmup, cfg.Workers*max(1, cfg.Batching.Max)
			if n := len(rows); n < 199 || n > 203 || served < 44-flight || served > 44+flight || out.Counts.Warmup != 20 || out.Counts.Dropped != n-out.Counts.OK {
				t.Errorf("%s: %d rows, %+v", name, n, out.Counts)
			}
			for _, r := range rows[out.Counts.OK:] {
				if r.Status != results.RequestDropped || r.StartedNS != results.Absent {
					t.Fatalf("%s: %+v waited", name, r)
				}
			}
			checkTold(t, name, o, rows)
			if o.asked < 95 || o.waiting != sortedBelow(o.pending, 2.2e9) || len(o.pending) < 1000-out.Counts.OK || len(o.pending) > 1000-out.Counts.OK+flight || o.pending[len(o.pending)-1] != 10.19e9 {
				t.Errorf("%s: asked %d times, %d of %d were waiting", name, o.asked, o.waiting, len(o.pending))
			}
		})
	}
}

// TestGivingUpWaitsForNothing: neither for a backlog of warm-up nor for requests that are not due yet.
func TestGivingUpWaitsForNothing(t *testing.T) {
	for name, c := range map[string]struct {
		rate     float64
		batching Batching
	}{"a backlog": {rate: 100}, "batches": {100, Batching{Max: 2}}, "none": {rate: 0.2}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFaulty()
			f.service = 100 * time.Millisecond
			cfg := Config{Workers: 1, Batching: c.batching, Schedule: must(Constant(c.rate, time.Minute)), Warmup: 10 * time.Second, Duration: 50 * time.Second, Outlook: &giveUp{at: 12e9}}
			out, _ := runFaulty(t, t.TempDir(), t.Context(), cfg, f)
			if !out.GivenUp || out.End > 12.3e9 {
				t.Errorf("%s: given up after 12 s, ended after %.2f s: %+v", name, float64(out.End)/1e9, out)
			}
		})
	}
}

// TestABacklogOfWarmUpIsKnown: what of warm-up is served in measure is carried, to the outlook at once, and what never is stands before what is pending.
func TestABacklogOfWarmUpIsKnown(t *testing.T) {
	for name, b := range map[string]Batching{"one": {}, "batches": {Max: 2}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFaulty()
			f.service = 10 * time.Millisecond * time.Duration(max(1, b.Max))
			o := &giveUp{at: 1.5e9}
			cfg := Config{Workers: 1, Batching: b, Schedule: must(Constant(400, 2*time.Second)), Warmup: time.Second, Duration: time.Second, Outlook: o}
			out, rows := runFaulty(t, t.TempDir(), t.Context(), cfg, f)
			served := 0
			for _, c := range out.Carried {
				if c.Due >= 1e9 || c.Done != results.Absent && c.Done < 1e9 {
					t.Fatalf("%s: carried %+v", name, c)
				}
				if c.Done != results.Absent {
					served++
				}
			}
			if len(out.Carried) < 298 || len(out.Carried) > 304 || served < 49 || served > 54 || out.Counts.OK > 0 || len(rows) == 0 {
				t.Errorf("%s: %d carried, %d of them served, %+v", name, len(out.Carried), served, out.Counts)
			}
			if len(o.ended) < 48 || o.ended[0][0] >= 1e9 || len(o.pending) < 640 || len(o.pending) > 655 || o.pending[0] >= 1e9 {
				t.Errorf("%s: told of %d, %d pending from %d on", name, len(o.ended), len(o.pending), o.pending[0])
			}
		})
	}
}

// sortedBelow counts the instants up to one.
func sortedBelow(at []int64, until int64) int {
	n, _ := slices.BinarySearch(at, until+1)
	return n
}

// checkTold holds what an outlook was told against the rows.
func checkTold(t *testing.T, name string, o *giveUp, rows []results.Request) {
	t.Helper()
	o.ended = slices.DeleteFunc(o.ended, func(e [2]int64) bool { return e[0] < rows[0].DueNS }) // of warm-up
	if len(o.ended) != len(rows) {
		t.Fatalf("%s: told of %d requests of %d", name, len(o.ended), len(rows))
	}
	for i, r := range rows {
		if told := o.ended[i]; told != [2]int64{r.DueNS, r.DoneNS} {
			t.Fatalf("%s: told %v of %+v", name, told, r)
		}
	}
}

// TestAnOutlookIsOfOpenLoadsAndMayNeverGiveUp also counts requests that were not served for want of time.
func TestAnOutlookIsOfOpenLoadsAndMayNeverGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		f.service = 20 * time.Millisecond
		o := &giveUp{at: 1e18}
		out, rows := runFaulty(t, t.TempDir(), context.Background(),
			Config{Workers: 1, Schedule: must(Constant(100, time.Second)), Duration: time.Second, Timeout: 100 * time.Millisecond, Outlook: o}, f)
		if out.GivenUp || out.Counts.Scheduled != 100 || out.Counts.Timeout == 0 {
			t.Errorf("%+v", out)
		}
		checkTold(t, "timeouts", o, rows)
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		f.service = time.Millisecond
		o := &giveUp{}
		if out, _ := runFaulty(t, t.TempDir(), context.Background(), Config{Workers: 1, Duration: time.Second, Outlook: o}, f); out.GivenUp || o.asked > 0 {
			t.Errorf("a closed loop: %+v, asked %d times", out, o.asked)
		}
	})
}
