package stats

import (
	"iter"
	"math"
)

// The limits within which an outlook gives a load up.
const (
	outlookLeast  = 0.125    // part of the window that a backlog must have lasted
	outlookEvery  = 1.0 / 32 // of the window, between two looks
	outlookCalls  = 100      // served in that time, at least
	outlookFaster = 0.05     // by how much faster the rest may be served, at least
	outlookErrors = 4        // likewise, in standard errors of a Poisson count
)

// OverloadOutlook foresees, while an open load lasts, what Overload will say at its end. A load is hopeless when it will be overloaded even if
// the rest is served faster than its backlog has been: by 5 % or four standard errors, whichever is more. The longest pause in between does not
// count. The schedule is known, so a rate that falls later is allowed for. It is used from one goroutine.
type OverloadOutlook struct {
	watch   OverloadWatch
	servers int
	timeout float64

	served, gone int     // requests that ended, and that left the queue in any way
	last         float64 // when the latest of them ended
	waiting      int     // at the last poll
	goneThen     int
	since        float64 // when the backlog began that has lasted up to the last poll
	servedBefore int
	longest      float64 // pause since then in which nothing ended
	nextLook     float64
}

// NewOverloadOutlook watches a window of [0, length) seconds that so many requests at most are served in at once. A request that has waited for
// longer than timeout is not served; 0 stands for never.
func NewOverloadOutlook(length float64, servers int, timeout float64) *OverloadOutlook {
	if timeout <= 0 {
		timeout = math.Inf(1)
	}
	return &OverloadOutlook{watch: OverloadWatch{length: length}, servers: max(1, servers), timeout: timeout}
}

// Add takes a request that left the queue, as OverloadWatch does; done is +Inf for one that was not served.
func (o *OverloadOutlook) Add(due, done float64) {
	o.gone++
	if math.IsInf(done, 1) {
		o.watch.Leave(due, due+o.timeout)
	} else {
		o.watch.Add(due, done)
	}
	if !math.IsInf(done, 1) {
		o.served++
		o.longest = max(o.longest, done-max(o.last, o.since))
		o.last = max(o.last, done)
	}
}

// Hopeless is asked now and then. waiting is how many requests are due and have not left; pending gives, ascending, when all requests of the
// window are due that have not left.
func (o *OverloadOutlook) Hopeless(now float64, waiting int, pending iter.Seq[float64]) bool {
	if o.waiting-(o.gone-o.goneThen) < o.servers { // the backlog of the last time may be worked off: since then servers may have been idle
		o.since, o.servedBefore, o.longest = now, o.served, 0
	}
	o.waiting, o.goneThen = waiting, o.gone
	n := float64(o.served - o.servedBefore)
	if now < o.nextLook || now-o.since < outlookLeast*o.watch.length || n < outlookCalls {
		return false
	}
	o.nextLook = now + outlookEvery*o.watch.length
	pause := max(o.longest, now-o.last) // one stall is no measure of the speed
	rate := n / (now - o.since - pause) * (1 + max(outlookFaster, outlookErrors/math.Sqrt(n)))
	w, free := o.watch, now
	for due := range pending {
		if start := max(free, due); start-due > o.timeout {
			w.Leave(due, due+o.timeout)
		} else {
			free = start + 1/rate
			w.Add(due, free)
		}
	}
	return w.Judge().Overloaded
}
