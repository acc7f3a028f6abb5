package loadgen

import (
	"slices"

	"assay/results"
)

// An Outlook follows an open load while it lasts, and says when to give it up. It is used by the thread that watches the load alone. All
// instants count from the start of warm-up, as a Schedule's do.
type Outlook interface {
	// Ended takes each recorded request, in the order in which they were due; done is results.Absent where it was not served. Requests of warm-up
	// that ended in measure come among them.
	Ended(due, done int64)
	// Hopeless is asked every 20 ms of measure. waiting requests are due and have not ended; pending lists when all requests are due that
	// have not, a backlog of warm-up and those to come included. Where it returns true measure ends: requests in flight finish, those that wait are dropped.
	Hopeless(now int64, waiting int, pending []int64) bool
}

// foresee asks the outlook; so many requests have been gathered.
func (g *generator) foresee(now, scanned int64) {
	end := g.end.Load()
	if g.cfg.Outlook == nil || g.cfg.Schedule == nil || now < g.start.Load() || now >= end || g.stop.Load() {
		return
	}
	schedule := g.cfg.Schedule[:g.lastSlot]
	last, _ := slices.BinarySearch(schedule, end-g.base)
	g.tellCarried()
	from := g.first + scanned
	if scanned == 0 {
		from = min(g.next.Load(), g.first) // workers may be at a backlog of warm-up still
	}
	pending := schedule[min(from, int64(last)):last]
	waiting, _ := slices.BinarySearch(pending, now-g.base+1)
	if g.cfg.Outlook.Hopeless(now-g.base, waiting, pending) {
		g.givenUp = true
		g.stop.Store(true)
		g.deadline.Store(now)
		g.endBy(now)
	}
}

// tellEnded tells the outlook of a request that has ended.
func (g *generator) tellEnded(rec *record, done int64) {
	if g.cfg.Outlook == nil {
		return
	}
	if rec.status == statusUnsent || rec.status == uint8(results.RequestDropped) {
		done = results.Absent
	} else {
		done -= g.base
	}
	g.cfg.Outlook.Ended(rec.due-g.base, done)
}
