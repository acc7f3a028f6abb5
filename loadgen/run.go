package loadgen

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"assay/results"
)

// A Target performs requests. Do is called by one goroutine per worker, each with its own worker number from 0; input is which of the
// prepared inputs to use. A request that returns an error counts as failed. Do must not allocate where that matters.
type Target interface {
	Do(worker int, input int32) error
}

// Config is one load. With a Schedule the loop is open: requests are due when it says. Without, it is closed: each worker's next request
// is due when the worker is free.
type Config struct {
	Workers     int
	Schedule    Schedule
	Which       []int32       // which input each entry of Schedule takes, modulo Inputs; nil: in turn
	AtOnce      bool          // offline: every request is due when measuring starts, as if the whole set had been handed over
	Warmup      time.Duration // requests due in it are sent and not recorded
	Duration    time.Duration // of measure
	Requests    int64         // at most this many recorded; 0 for no limit
	DrainLimit  time.Duration // how long a backlog may take after measure before the rest is dropped; 0 waits for all
	Inputs      int32         // requests take inputs 0..Inputs-1 in turn
	Clock       Clock
	Spin        int64 // workers wait the last Spin nanoseconds before a request is due awake; see ChoosePacing
	LockThreads bool  // each worker keeps an OS thread, with sharp timers

	// Edge is called once when each of warmup, measure, drain and end begins, as close to the instant as can be: at is when. It reads
	// counters of the process. Calls do not overlap.
	Edge func(phase string, at int64)
	// Tick is called at most twice a second from a goroutine of its own with what was recorded so far.
	Tick func(Progress)
}

// Progress is what a running load has done, cumulative over measure.
type Progress struct {
	Phase      string
	OK, Failed uint64
	Buckets    [HistogramBuckets + 1]uint64 // by latency; the last one is the overflow
	SumSeconds float64

	NS          int64                        // since measure began; 0 before
	Late        [HistogramBuckets + 1]uint64 // of open loads: by issued - due
	Outstanding int64                        // requests that are due and not answered
}

// Outcome is when a load's phases began, by the load's clock, and what became of the requests due in measure.
type Outcome struct {
	WarmupStart, MeasureStart, MeasureEnd, End int64
	Counts                                     results.Counts
	Interrupted                                bool
	FirstError                                 error // of the first failed request, whether in warm-up or measure

	// Stopped is for how long in measure the thread that watches the workers did not run although it wanted to, in pieces of at least 50 ms, and
	// LongestStop the longest of them, nanoseconds.
	Stopped, LongestStop int64
	// Free is, of open loads, when each worker's last warm-up request ended: a backlog from warm-up is the model's, not the generator's.
	Free []int64
}

// ErrRecordsFull ends a load whose records no longer fit on the disk or in the store.
var ErrRecordsFull = errors.New("no room for more request records; free disk space, or lower the rate or the duration")

// generator is one Run's state. Fields above the line are fixed before workers start.
type generator struct {
	cfg      Config
	target   Target
	records  *Records
	base     int64 // instant of warm-up's start
	first    int64 // index in Schedule of the first request due in measure
	lastSlot int64 // one past the last index of Schedule that is recorded
	// ---
	next     atomic.Int64 // ticket: index in Schedule, or slot in a closed loop
	warm     atomic.Int64 // requests sent in warm-up
	start    atomic.Int64 // measure's start; notYet until known
	end      atomic.Int64 // measure's end; requests due later are not sent
	deadline atomic.Int64 // of the drain
	stop     atomic.Bool
	full     atomic.Bool

	edgeMu   sync.Mutex
	phase    string
	firstErr error

	finished int64   // when the last worker was done
	gaps     gaps    // the control loop's
	free     []int64 // each worker writes its own
}

// notYet stands for an instant that is not known yet.
const notYet = math.MinInt64

// Run sends the load and returns when every request has ended. Cancelling ctx ends measure at once and drains; the outcome is then
// marked interrupted. records is filled with every request due in measure. The error is ErrRecordsFull or nil: failing requests are
// results, not errors.
func Run(ctx context.Context, cfg Config, target Target, records *Records) (Outcome, error) {
	g := &generator{cfg: cfg, target: target, records: records}
	g.prepare()
	g.edge("warmup", g.base)

	ended := make(chan struct{})
	var control, workers sync.WaitGroup
	control.Go(func() { g.control(ctx, ended) })
	for w := range cfg.Workers {
		workers.Go(func() { g.work(w) })
	}
	workers.Wait()
	if cfg.Schedule != nil {
		g.waitUntil(g.end.Load()) // a quiet end belongs to the window too
	}
	g.finish()
	close(ended)
	control.Wait()
	return g.outcome(ctx)
}

func (g *generator) prepare() {
	if g.cfg.Inputs < 1 {
		g.cfg.Inputs = 1
	}
	g.base = g.cfg.Clock.Now()
	g.free = make([]int64, g.cfg.Workers)
	g.start.Store(notYet)
	g.end.Store(math.MaxInt64)
	g.deadline.Store(math.MaxInt64)
	if g.cfg.Schedule == nil {
		return
	}
	g.start.Store(g.base + int64(g.cfg.Warmup))
	g.end.Store(g.base + int64(g.cfg.Warmup+g.cfg.Duration))
	g.first, g.lastSlot = int64(len(g.cfg.Schedule)), int64(len(g.cfg.Schedule))
	for i, due := range g.cfg.Schedule {
		if due >= int64(g.cfg.Warmup) && int64(i) < g.first {
			g.first = int64(i)
		}
	}
	if n := g.cfg.Requests; n > 0 && g.lastSlot-g.first > n {
		g.lastSlot = g.first + n
		g.end.Store(g.base + g.cfg.Schedule[g.lastSlot-1] + 1)
	}
}

func (g *generator) work(worker int) {
	if g.cfg.LockThreads {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		SharpenTimers()
	}
	if g.cfg.Schedule != nil {
		g.workOpen(worker)
		return
	}
	g.workClosed(worker)
}

// workClosed sends the next request when the last one has returned.
func (g *generator) workClosed(worker int) {
	clock := g.cfg.Clock
	for input := int32(worker); !g.stop.Load(); input++ {
		due := clock.Now()
		start := g.start.Load()
		if start == notYet {
			if due < g.base+int64(g.cfg.Warmup) {
				g.warm.Add(1)
				g.note(g.target.Do(worker, input%g.cfg.Inputs))
				continue
			}
			g.startMeasure()
			due, start = clock.Now(), g.start.Load()
		}
		if due >= g.end.Load() {
			g.endMeasure(due)
			return
		}
		i := g.next.Add(1) - 1
		if g.cfg.Requests > 0 && i >= g.cfg.Requests {
			return
		}
		rec := g.records.slot(i)
		if rec == nil {
			g.giveUp()
			return
		}
		rec.due, rec.issued, rec.started, rec.input = due, due, due, input%g.cfg.Inputs
		if g.cfg.AtOnce {
			rec.due = start
		}
		g.perform(worker, rec)
	}
}

// workOpen takes the schedule's next entry, waits until it is due and sends it. An entry that was due while every worker was busy has
// been waiting in the schedule, so it was issued when it was due: the schedule is the queue.
func (g *generator) workOpen(worker int) {
	clock := g.cfg.Clock
	for {
		i := g.next.Add(1) - 1
		if i >= g.lastSlot {
			return
		}
		due := g.base + g.cfg.Schedule[i]
		issued, now := due, clock.Now()
		if now < due {
			if !g.waitUntil(due) {
				return
			}
			now = clock.Now()
			issued = now
		}
		input := int32(i % int64(g.cfg.Inputs))
		if g.cfg.Which != nil {
			input = g.cfg.Which[i] % g.cfg.Inputs
		}
		if i < g.first {
			g.warm.Add(1)
			g.note(g.target.Do(worker, input))
			g.free[worker] = clock.Now()
			continue
		}
		if due >= g.end.Load() {
			return
		}
		rec := g.records.slot(i - g.first)
		if rec == nil {
			g.giveUp()
			return
		}
		rec.due, rec.issued, rec.started, rec.input = due, issued, now, input
		if now >= g.deadline.Load() {
			rec.status = uint8(results.RequestDropped)
			atomic.StoreInt64(&rec.done, now)
			continue
		}
		g.perform(worker, rec)
	}
}

// perform makes the call between its two stamps; done is stored last, so whoever sees it sees the whole record.
func (g *generator) perform(worker int, rec *record) {
	err := g.target.Do(worker, rec.input)
	done := g.cfg.Clock.Now()
	if err != nil {
		rec.status = uint8(results.RequestFailed)
		g.note(err)
	} else {
		rec.status = uint8(results.RequestOK)
	}
	atomic.StoreInt64(&rec.done, done)
}

// waitUntil waits in short steps, so that an interrupted run does not sleep through the gap to a distant request, and awake at last where
// the load asks for it. It returns false when the run was stopped.
func (g *generator) waitUntil(due int64) bool {
	const step = int64(100 * time.Millisecond)
	asleep := due - g.cfg.Spin
	for now := g.cfg.Clock.Now(); now < due; now = g.cfg.Clock.Now() {
		if g.stop.Load() && due >= g.end.Load() {
			return false
		}
		if now < asleep {
			g.cfg.Clock.WaitUntil(min(asleep, now+step))
		}
	}
	return true
}

// note keeps the first error of a request.
func (g *generator) note(err error) {
	if err == nil {
		return
	}
	g.edgeMu.Lock()
	defer g.edgeMu.Unlock()
	if g.firstErr == nil {
		g.firstErr = err
	}
}

func (g *generator) giveUp() {
	g.full.Store(true)
	g.stop.Store(true)
	g.end.Store(g.cfg.Clock.Now())
}

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
		g.end.CompareAndSwap(math.MaxInt64, now+int64(g.cfg.Duration))
	}
	for g.end.Load() == math.MaxInt64 { // another worker is between its two stores
		runtime.Gosched()
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
