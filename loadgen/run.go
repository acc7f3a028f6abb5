package loadgen

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
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
	Which       []int32       // which input request i takes: entry i modulo its length, warm-up counted from 0 too in closed loops; nil: in turn
	AtOnce      bool          // offline: every request is due when measuring starts, as if the whole set had been handed over
	Warmup      time.Duration // requests due in it are sent and not recorded
	Duration    time.Duration // of measure
	Requests    int64         // at most this many recorded; 0 for no limit
	MinRequests int64         // measure goes on beyond Duration until so many are recorded; 0 for none
	Longest     time.Duration // of measure, where MinRequests prolongs it
	Timeout     time.Duration // after its due instant a request has missed its caller; 0 for never. See RequestTimeout below
	HangLimit   time.Duration // a call that has not returned after it is given up, and the load with it; 0 waits for ever
	DrainLimit  time.Duration // how long a backlog may take after measure before the rest is dropped; 0 waits for all
	Batching    Batching      // of open loops: requests are put together before they are sent
	Outlook     Outlook       // of open loops: whether to go on; nil to go on in any case
	Inputs      int32         // requests take inputs 0..Inputs-1
	Clock       Clock
	Spin        int64 // workers wait the last Spin nanoseconds before a request is due awake; see ChoosePacing
	LockThreads bool  // each worker keeps an OS thread, with sharp timers

	// Pin, where set, is called by each thread that the load keeps, before anything else: by workers, and by the thread that watches them.
	Pin func(worker bool)
	// Edge is called once when each of warmup, measure, drain and end begins, as close to the instant as can be: at is when. It reads
	// counters of the process. Calls do not overlap.
	Edge func(phase string, at int64)
	// Tick is called at most twice a second from a goroutine of its own with what was recorded so far.
	Tick func(Progress)
	// Abort asks calls in flight to end, from a goroutine of its own, when HangLimit has passed for one of them.
	Abort func()
}

// Progress is what a running load has done with the requests that were due in measure, cumulative.
type Progress struct {
	Phase      string
	OK, Failed uint64
	Buckets    [HistogramBuckets + 1]uint64 // by latency; the last one is the overflow
	SumSeconds float64
	// Quantiles of latency, and of how late requests of open loads were issued, in seconds, to within 0.4 %; 0 where there are none.
	P50, P99, LateP99 float64

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
	// GivenUp says that the Outlook ended measure before its time.
	GivenUp bool
	// Hung says that a call did not return within HangLimit. Its worker may still be in it: the target must not be freed.
	Hung bool

	// Stopped is for how long in measure the thread that watches the workers did not run although it wanted to, in pieces of at least 50 ms, and
	// LongestStop the longest of them, nanoseconds.
	Stopped, LongestStop int64
	// Free is, of open loads, when each worker's last warm-up request ended: a backlog from warm-up is the model's, not the generator's.
	Free []int64
	// Carried are, of open loads, requests of warm-up that ended in measure or later.
	Carried []Carried
}

// ErrRecordsFull ends a load whose records no longer fit on the disk or in the store.
var ErrRecordsFull = errors.New("no room for more request records; free disk space, or lower the rate or the duration")

// generator is one Run's state. Fields above the line are fixed before workers start.
type generator struct {
	cfg      Config
	target   Target
	batches  BatchTarget // of loads with Batching
	records  *Records
	base     int64 // instant of warm-up's start
	first    int64 // index in Schedule of the first request due in measure
	lastSlot int64 // one past the last index of Schedule that is recorded
	calls    []call
	// ---
	next     atomic.Int64 // ticket: index in Schedule, or slot in a closed loop
	warm     atomic.Int64 // requests sent in warm-up
	start    atomic.Int64 // measure's start; notYet until known
	end      atomic.Int64 // measure's end; requests due later are not sent
	deadline atomic.Int64 // of the drain
	stop     atomic.Bool
	full     atomic.Bool
	aborted  atomic.Bool   // calls were asked to end
	gone     atomic.Bool   // the load was given up: a call that returns now is not recorded
	hung     chan struct{} // closed then

	turn     chan struct{} // holds one token: the turn to form a batch
	edgeMu   sync.Mutex
	phase    string
	firstErr error

	finished int64 // when the last worker was done
	abortAt  int64 // when calls were asked to end; control's
	givenUp  bool  // by the outlook; control's
	gaps     gaps  // the control loop's
	seen     seen  // likewise
	backlog  backlog
	free     []int64 // each worker writes its own
}

// notYet stands for an instant that is not known yet.
const notYet = math.MinInt64

// Run sends the load and returns when every request has ended, or a call has hung. Cancelling ctx ends measure at once and drains; the
// outcome is then marked interrupted. records is filled with every request due in measure. The error is ErrRecordsFull or nil: failing
// requests are results, not errors.
//
// With a Timeout a request that is still waiting that long after it was due is not sent, as a server leaves out what its caller no longer
// waits for; in warm-up neither. A call that is under way cannot be interrupted: the worker stays in it, and its request keeps its true
// instants. Both end as results.RequestTimeout.
func Run(ctx context.Context, cfg Config, target Target, records *Records) (Outcome, error) {
	g := &generator{cfg: cfg, target: target, records: records, calls: make([]call, cfg.Workers), hung: make(chan struct{}), turn: make(chan struct{}, 1)}
	g.turn <- struct{}{}
	g.prepare()
	g.edge("warmup", g.base)

	ended := make(chan struct{})
	var control, workers sync.WaitGroup
	control.Go(func() { g.control(ctx, ended) })
	for w := range cfg.Workers {
		workers.Go(func() { g.work(w) })
	}
	returned := make(chan struct{})
	go func() { workers.Wait(); close(returned) }()
	select {
	case <-returned:
		if cfg.Schedule != nil {
			g.waitUntil(g.end.Load()) // a quiet end belongs to the window too
		}
	case <-g.hung:
		g.dropWaiting()
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
	if g.cfg.Batching.Max > 1 {
		g.batches = g.target.(BatchTarget)
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
	var end int64
	g.first, g.lastSlot, end = g.cfg.recorded()
	g.end.Store(g.base + end)
}

// recorded gives which entries of the schedule are recorded, from first up to last, and when measure ends, from warm-up's start.
func (c *Config) recorded() (first, last, end int64) {
	place, _ := slices.BinarySearch(c.Schedule, int64(c.Warmup))
	first, last, end = int64(place), int64(len(c.Schedule)), int64(c.Warmup+c.Duration)
	if n := c.MinRequests; n > 0 && last > first {
		end = max(end, c.Schedule[min(first+n, last)-1]+1)
		end = min(end, int64(c.Warmup+max(c.Longest, c.Duration)))
	}
	if n := c.Requests; n > 0 && last-first > n {
		last = first + n
		end = min(end, c.Schedule[last-1]+1)
	}
	return first, last, end
}

// Window is how long measure of an open load lasts, unless it is ended early.
func (c *Config) Window() time.Duration {
	_, _, end := c.recorded()
	return time.Duration(end) - c.Warmup
}

func (g *generator) work(worker int) {
	if g.cfg.LockThreads {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if g.cfg.Pin != nil {
			g.cfg.Pin(true)
		}
		SharpenTimers()
	}
	switch {
	case g.cfg.Schedule == nil:
		g.workClosed(worker)
	case g.batches != nil:
		g.workBatched(worker)
	default:
		g.workOpen(worker)
	}
}

// input says which input request i takes.
func (g *generator) input(i int64) int32 {
	if g.cfg.Which != nil {
		return g.cfg.Which[i%int64(len(g.cfg.Which))] % g.cfg.Inputs
	}
	return int32(i % int64(g.cfg.Inputs))
}

// workClosed sends the next request when the last one has returned.
func (g *generator) workClosed(worker int) {
	clock := g.cfg.Clock
	for !g.stop.Load() {
		due := clock.Now()
		start := g.start.Load()
		if start == notYet {
			if due < g.base+int64(g.cfg.Warmup) {
				g.warmUp(worker, g.input(g.warm.Add(1)-1), due)
				continue
			}
			g.startMeasure()
			due, start = clock.Now(), g.start.Load()
		}
		if g.cfg.MinRequests > 0 && due >= start+int64(g.cfg.Duration) && g.next.Load() >= g.cfg.MinRequests {
			g.endBy(due)
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
		rec.due, rec.issued, rec.started, rec.input = due, due, due, g.input(i)
		if g.cfg.AtOnce {
			rec.due = start
		}
		g.perform(worker, i, rec)
	}
}

// workOpen takes the schedule's next entry, waits until it is due and sends it. An entry that was due while every worker was busy has
// been waiting in the schedule, so it was issued when it was due: the schedule is the queue.
func (g *generator) workOpen(worker int) {
	clock := g.cfg.Clock
	for !g.gone.Load() {
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
		if i < g.first {
			if g.passWarmup(i, now) {
				continue
			}
			g.warm.Add(1)
			g.warmUp(worker, g.input(i), now)
			g.free[worker] = clock.Now()
			g.carry(i, g.free[worker])
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
		rec.due, rec.issued, rec.started, rec.input = due, issued, now, g.input(i)
		if g.pass(rec, now) {
			continue
		}
		g.perform(worker, i-g.first, rec)
	}
}

// pass reports whether a request that is due is not sent any more, and records why: its caller has given up, or the drain is over.
func (g *generator) pass(rec *record, now int64) bool {
	switch {
	case now >= g.deadline.Load(), g.aborted.Load():
		rec.status = uint8(results.RequestDropped)
	case g.timedOut(now - rec.due):
		rec.status = statusUnsent
	default:
		return false
	}
	atomic.StoreInt64(&rec.done, now)
	return true
}

// passWarmup is pass for entry i of the schedule, which belongs to warm-up.
func (g *generator) passWarmup(i, now int64) bool {
	late := g.timedOut(now - g.base - g.cfg.Schedule[i])
	if now < g.deadline.Load() && !late {
		return false
	}
	if !late || g.base+g.cfg.Schedule[i]+int64(g.cfg.Timeout) >= g.start.Load() {
		g.carry(i, results.Absent)
	}
	return true
}

// timedOut reports whether a request that is due for so long has missed its caller.
func (g *generator) timedOut(after int64) bool {
	return g.cfg.Timeout > 0 && after > int64(g.cfg.Timeout)
}

// perform makes the call between its two stamps; done is stored last, so whoever sees it sees the whole record.
func (g *generator) perform(worker int, slot int64, rec *record) {
	g.calls[worker].slot.Store(slot + 1)
	err := g.target.Do(worker, rec.input)
	done := g.cfg.Clock.Now()
	if g.gone.Load() {
		return
	}
	rec.status = g.status(rec, done, err)
	if err != nil {
		g.note(err)
	}
	atomic.StoreInt64(&rec.done, done)
}

// status is how a request ended whose call returned.
func (g *generator) status(rec *record, done int64, err error) uint8 {
	switch {
	case g.timedOut(done - rec.due), err != nil && g.aborted.Load():
		return uint8(results.RequestTimeout)
	case err != nil:
		return uint8(results.RequestFailed)
	}
	return uint8(results.RequestOK)
}

// warmUp makes a call that is not recorded.
func (g *generator) warmUp(worker int, input int32, now int64) {
	g.calls[worker].warm.Store(max(now, 1))
	if err := g.target.Do(worker, input); err != nil {
		g.note(err)
	}
	g.calls[worker].warm.Store(0)
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
