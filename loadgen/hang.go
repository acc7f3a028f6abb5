package loadgen

import (
	"math"
	"sync/atomic"
	"time"

	"assay/results"
)

// abortPatience is how long calls that were asked to end may take to do so before the load is given up.
const abortPatience = int64(time.Second)

// call is what a worker's call in flight is for. It stands on cache lines of its own, because every request writes it.
type call struct {
	slot  atomic.Int64 // one more than the slot of its record, the first of a batch; 0 for none
	count atomic.Int64 // records of a batch
	warm  atomic.Int64 // since when a call of warm-up is in flight; 0 for none
	_     [104]byte
}

// running returns since when the worker's call is in flight, and false where it is in none.
func (g *generator) running(c *call) (since int64, ok bool) {
	if since = c.warm.Load(); since != 0 {
		return since, true
	}
	slot := c.slot.Load()
	if slot == 0 || atomic.LoadInt64(&g.records.slots[slot-1].done) != 0 {
		return 0, false
	}
	return g.records.slots[slot-1].started, true
}

// watchCalls ends the load when a call does not return: it asks calls to end first, and gives the load up when that has no effect.
func (g *generator) watchCalls(now int64) {
	if g.cfg.HangLimit <= 0 || g.gone.Load() {
		return
	}
	oldest := int64(math.MaxInt64)
	for i := range g.calls {
		if since, ok := g.running(&g.calls[i]); ok {
			oldest = min(oldest, since)
		}
	}
	switch {
	case oldest == math.MaxInt64 || now-oldest < int64(g.cfg.HangLimit):
	case !g.aborted.Load():
		g.abortAt = now
		g.aborted.Store(true)
		g.stop.Store(true)
		g.endBy(now)
		if g.cfg.Abort != nil {
			go g.cfg.Abort()
		}
	case now-g.abortAt >= abortPatience:
		g.gone.Store(true)
		close(g.hung)
	}
}

// dropWaiting records what was due and found no worker before the load was given up.
func (g *generator) dropWaiting() {
	<-g.turn
	defer func() { g.turn <- struct{}{} }()
	for g.cfg.Schedule != nil {
		i := g.next.Add(1) - 1
		if i >= g.lastSlot || g.base+g.cfg.Schedule[i] >= g.end.Load() {
			return
		}
		if i < g.first {
			continue
		}
		rec := g.records.slot(i - g.first)
		if rec == nil {
			g.full.Store(true)
			return
		}
		rec.due, rec.input, rec.status = g.base+g.cfg.Schedule[i], g.input(i), uint8(results.RequestDropped)
		atomic.StoreInt64(&rec.done, g.cfg.Clock.Now())
	}
}

// abandon tells the records which of them belong to calls that never returned, and keeps their memory for the threads that are in them.
func (g *generator) abandon() {
	for i := range g.calls {
		c := &g.calls[i]
		slot := c.slot.Load() - 1
		if _, ok := g.running(c); !ok || c.warm.Load() != 0 {
			continue
		}
		for n := range max(1, c.count.Load()) {
			g.records.abandoned[slot+n] = true
		}
	}
	g.records.kept = true
}
