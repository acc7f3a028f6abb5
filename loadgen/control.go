package loadgen

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"assay/results"
)

// tickEvery is how often progress is told.
const tickEvery = int64(500 * time.Millisecond)

// pollEvery is how often finished requests are gathered, records are made ready ahead and pages behind are given back; and how late an
// interrupt may be seen.
const pollEvery = int64(20 * time.Millisecond)

// control watches the phases' edges while workers work: it ends measure at its instant, or at once when ctx is cancelled.
func (g *generator) control(ctx context.Context, ended <-chan struct{}) {
	if g.cfg.LockThreads {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if g.cfg.Pin != nil {
			g.cfg.Pin(false)
		}
		SharpenTimers()
	}
	var progress Progress
	scanned := int64(0)
	nextTick := g.base + tickEvery
	for {
		now := g.cfg.Clock.Now()
		select {
		case <-ended:
			g.gather(&progress, scanned)
			g.tick(progress)
			return
		case <-ctx.Done():
			g.interrupt(now)
		default:
		}
		g.crossEdges(now)
		g.watchCalls(now)
		scanned = g.gather(&progress, scanned)
		g.foresee(now, scanned)
		if now >= nextTick {
			g.place(&progress, now, scanned)
			g.tick(progress)
			nextTick = now + tickEvery
		}
		wanted := min(nextTick, now+pollEvery, g.nextEdge(now))
		g.cfg.Clock.WaitUntil(wanted)
		g.gaps.woke(wanted, g.cfg.Clock.Now(), g.start.Load(), g.end.Load())
	}
}

// interrupt ends measure now; running requests finish, waiting ones are not sent.
func (g *generator) interrupt(now int64) {
	if g.stop.Swap(true) {
		return
	}
	g.endBy(now)
}

// gather adds the requests finished since the last time to the progress, without the workers' help, and moves the window of records that
// are in memory along.
func (g *generator) gather(p *Progress, scanned int64) int64 {
	taken := g.taken()
	from := scanned
	for ; scanned < taken; scanned++ {
		rec := &g.records.slots[scanned]
		done := atomic.LoadInt64(&rec.done)
		if done == 0 {
			break // records are seen in order; a slow one holds back those behind it until the next time
		}
		g.tellEnded(rec, done)
		if results.RequestStatus(rec.status) != results.RequestOK {
			p.Failed++
			continue
		}
		p.OK++
		p.Buckets[bucketOf(done-rec.due)]++
		g.seen.latency.Add(done - rec.due)
		p.SumSeconds += float64(done-rec.due) / 1e9
		if g.cfg.Schedule != nil {
			p.Late[bucketOf(rec.issued-rec.due)]++
			g.seen.late.Add(rec.issued - rec.due)
		}
	}
	if g.cfg.Schedule == nil {
		_ = g.records.prepare(taken + max(chunk, 2*(scanned-from))) // a failure shows when a worker needs the slot
	}
	g.records.release(from, scanned)
	return scanned
}

// tick tells the progress.
func (g *generator) tick(p Progress) {
	if g.cfg.Tick == nil {
		return
	}
	g.edgeMu.Lock()
	p.Phase = g.phase
	g.edgeMu.Unlock()
	p.P50, p.P99, p.LateP99 = g.seen.latency.Quantile(0.5)/1e9, g.seen.latency.Quantile(0.99)/1e9, g.seen.late.Quantile(0.99)/1e9
	g.cfg.Tick(p)
}

// taken is how many slots have been handed to workers, at most as many as there are.
func (g *generator) taken() int64 {
	n := g.next.Load() - g.first
	if g.cfg.Requests > 0 {
		n = min(n, g.cfg.Requests)
	}
	if g.cfg.Schedule != nil {
		n = min(n, g.lastSlot-g.first)
	}
	return max(0, min(n, g.records.ready.Load()))
}

// outcome counts what was recorded.
func (g *generator) outcome(ctx context.Context) (Outcome, error) {
	o := Outcome{WarmupStart: g.base, MeasureStart: g.start.Load(), MeasureEnd: max(g.start.Load(), g.end.Load()), End: g.finished,
		Interrupted: ctx.Err() != nil, FirstError: g.firstErr, Hung: g.aborted.Load(), GivenUp: g.givenUp, Stopped: g.gaps.total, LongestStop: g.gaps.longest, Free: g.free, Carried: g.backlog.carried()}
	o.Counts.Warmup = int(g.warm.Load())
	g.records.origin = g.base
	if g.gone.Load() {
		g.abandon()
	}
	released := int64(0)
	for taken := g.taken(); g.records.n < taken && g.records.ended(g.records.n); g.records.n++ {
		released = g.records.pass(released, g.records.n)
		o.Counts.Scheduled++
		if g.records.abandoned[g.records.n] {
			o.Counts.Hung++
		}
		switch g.records.status(g.records.n) {
		case results.RequestOK:
			o.Counts.OK++
		case results.RequestFailed:
			o.Counts.Failed++
		case results.RequestDropped:
			o.Counts.Dropped++
		case results.RequestTimeout:
			o.Counts.Timeout++
		}
	}
	if g.full.Load() {
		return o, ErrRecordsFull
	}
	return o, nil
}
