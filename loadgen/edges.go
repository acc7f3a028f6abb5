package loadgen

import (
	"math"
	"runtime"
)

// edge reports the start of a phase once.
func (g *generator) edge(phase string, at int64) {
	g.edgeMu.Lock()
	defer g.edgeMu.Unlock()
	order := map[string]int{"": 0, "warmup": 1, "measure": 2, "drain": 3, "end": 4}
	if order[phase] <= order[g.phase] {
		return
	}
	g.phase = phase
	if g.cfg.Edge != nil {
		g.cfg.Edge(phase, at)
	}
}

// startMeasure opens the window of a closed loop when the first worker is free after warm-up, so that a request longer than the warm-up
// does not eat into it. The counters are read before the window opens: reading them is not part of it.
func (g *generator) startMeasure() {
	g.edge("measure", g.cfg.Clock.Now())
	now := g.cfg.Clock.Now()
	if g.start.CompareAndSwap(notYet, now) {
		length := g.cfg.Duration
		if g.cfg.MinRequests > 0 {
			length = max(g.cfg.Longest, length)
		}
		g.end.CompareAndSwap(math.MaxInt64, now+int64(length))
	}
	for g.end.Load() == math.MaxInt64 { // another worker is between its two stores
		runtime.Gosched()
	}
}

// endBy ends measure at the given instant, where it would not have ended before.
func (g *generator) endBy(at int64) {
	for {
		end := g.end.Load()
		if end <= at || g.end.CompareAndSwap(end, at) {
			return
		}
	}
}

// endMeasure closes the window of a closed loop. With one worker it ends when that worker's last request does, so that the requests done
// in the window are exactly those that filled it.
func (g *generator) endMeasure(at int64) {
	if g.cfg.Workers == 1 {
		g.end.Store(at)
	}
	g.edge("drain", at)
}

// crossEdges reports the edges that no worker reports itself.
func (g *generator) crossEdges(now int64) {
	start, end := g.start.Load(), g.end.Load()
	if g.cfg.Schedule != nil && now >= start {
		g.edge("measure", now)
	}
	if start != notYet && now >= end && (g.cfg.Schedule != nil || g.cfg.Workers > 1 || g.stop.Load()) {
		g.edge("drain", now)
		if g.cfg.DrainLimit > 0 {
			g.deadline.CompareAndSwap(math.MaxInt64, end+int64(g.cfg.DrainLimit))
		}
	}
}

func (g *generator) nextEdge(now int64) int64 {
	next := int64(math.MaxInt64)
	for _, at := range []int64{g.start.Load(), g.end.Load()} {
		if at > now {
			next = min(next, at)
		}
	}
	return next
}

// finish closes the phases that a limit or an interrupt cut short, as soon as the last worker is done.
func (g *generator) finish() {
	now := g.cfg.Clock.Now()
	g.finished = now
	if g.start.Load() == notYet {
		g.start.Store(now)
	}
	g.edge("measure", now)
	if now < g.end.Load() {
		g.end.Store(now)
	}
	g.edge("drain", now)
	g.edge("end", now)
}
