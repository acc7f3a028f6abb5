package child

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"assay/backend"
	"assay/loadgen"
	"assay/results"
)

// recordCapacity is the most requests that one trial may record: 2.7 GB of address space, taken from the disk only as it fills; a sixteenth of that
// where addresses have 32 bits.
const recordCapacity = 1 << (22 + 4*(^uint(0)>>63))

// trial is the state of one trial as it goes through its phases.
type trial struct {
	config Config
	tools  Tools
	report *reporter
	clock  *loadgen.ThreadClock
	out    *results.Trial

	phase   string
	since   int64
	cpu     float64
	rssHWM  int64
	records *loadgen.Records
	gcStart debug.GCStats
	before  usageCounters
	after   usageCounters
	clocks  [2]clocks // at measure's edges
	pacing  loadgen.Pacing
	first   int64   // length of the first inference, nanoseconds
	p50     float64 // latency from due, seconds
	asked   float64 // of server loads: requests a second on average over measure
}

// runTrial measures one arm once. A failure of the model is a trial with status failed.
func runTrial(ctx context.Context, c Config, tools Tools, report *reporter) Event {
	t := &trial{config: c, tools: tools, report: report, clock: loadgen.NewThreadClock()}
	t.out = &results.Trial{PID: os.Getpid(), Started: time.Now().UTC(), Seed: c.Arrivals,
		Status: results.TrialOK, StartNS: t.clock.Monotonic(t.clock.Now())}
	if err := t.run(ctx); err != nil {
		t.enter("")
		t.out.Status, t.out.Reason = results.TrialFailed, err.Error()
	}
	t.out.Process.CPUSeconds = readUsage().cpu
	return Event{Type: EventResult, Trial: t.out, P50: t.p50}
}

func (t *trial) run(ctx context.Context) error {
	t.enter("environment")
	b, err := t.tools.Open(t.config)
	if err != nil {
		return err
	}
	t.out.Runtime = t.config.runtimeOf(b)
	t.out.Process.RSSBeforeSession = PeakRSS()
	t.place()
	defer runtime.UnlockOSThread()
	t.enter("session")
	s, err := b.Open(ctx, t.config.Model, t.config.options())
	t.enter("")
	if err != nil {
		return err
	}
	t.describe(s)
	feeds, err := t.feeds(s, t.config.Batches[0])
	if err != nil {
		return err
	}
	if err := t.config.enoughInputs(len(s.Inputs()), len(feeds)); err != nil {
		return err
	}
	t.enter("first")
	begun := t.clock.Now()
	_, err = s.Run(ctx, feeds[0])
	t.first = t.clock.Now() - begun
	t.enter("")
	if err != nil {
		return fmt.Errorf("first inference: %w", err)
	}
	target, err := t.bind(s, feeds)
	if err != nil {
		return err
	}
	return t.load(ctx, s, target)
}

// place keeps the trial's threads off the model's processors, and this one, which makes the model's threads, on them: they stay where the
// thread was that made them.
func (t *trial) place() {
	runtime.LockOSThread()
	a := results.Affinity(t.config.Affinity)
	t.out.Affinity = &a
	if len(a.Model) == 0 {
		return
	}
	err := loadgen.PinProcess(a.Rest)
	if err == nil {
		err = loadgen.PinThread(a.Model)
	}
	if err != nil {
		t.config.Affinity = loadgen.Affinity{}
		t.out.Affinity = &results.Affinity{Why: "no affinity: " + err.Error()}
	}
}

// pin keeps a thread of the load where it belongs.
func (t *trial) pin(worker bool) {
	cpus := t.config.Affinity.Rest
	if worker {
		cpus = t.config.Affinity.Model
	}
	_ = loadgen.PinThread(cpus)
}

// describe records what the runtime made of the model.
func (t *trial) describe(s backend.Session) {
	spinning := t.config.SessionConfig["session.intra_op.allow_spinning"]
	if spinning == "" {
		spinning = "runtime's default (on)"
	}
	t.out.Threads = map[string]any{"intra_op": t.config.Threads, "inter_op": "runtime's default", "spinning": spinning, "workers": t.workers()}
	n := t.config.Nodes
	if n == nil {
		n = placedByRecord(s, t.config.Provider.Name)
	}
	if n == nil {
		t.out.Reasons = append(t.out.Reasons, "provider.unknown: neither the runtime's record nor its profile says which provider ran which node")
		return
	}
	t.out.NodesByProvider, t.out.NodesElsewhere = n.ByProvider, n.Elsewhere
}

// placedByRecord is what the runtime's record says, where it is whole.
func placedByRecord(s backend.Session, asked string) *results.Nodes {
	nodes, err := s.Placement()
	if err != nil || len(nodes) == 0 {
		return nil
	}
	n := countNodes(nodes, asked)
	return &n
}

// sameProvider reports whether the runtime's provider name is the one asked for: CUDAExecutionProvider is cuda.
func sameProvider(full, asked string) bool {
	short := strings.TrimSuffix(strings.ToLower(full), "executionprovider")
	return short == strings.TrimSuffix(strings.ToLower(asked), "executionprovider")
}

func (t *trial) workers() int { return max(1, t.config.Load.Concurrency) }

// load sends the requests and keeps what happened.
func (t *trial) load(ctx context.Context, s backend.Session, target *boundTarget) error {
	l := t.config.Load
	records, err := loadgen.NewRecords(t.config.Scratch, recordCapacity)
	if err != nil {
		return err
	}
	defer records.Close()
	t.records = records
	cfg := loadgen.Config{Workers: t.workers(), AtOnce: l.Scenario == "offline", Warmup: t.config.Warmup, Duration: l.Duration,
		Requests: int64(l.Requests), MinRequests: int64(l.MinRequests), Longest: l.Longest, Timeout: l.Timeout, Batching: t.batching(),
		Inputs: int32(target.inputs), Clock: t.clock, LockThreads: true, Edge: t.edge, Tick: t.progress, Pin: t.pin,
		DrainLimit: 2*l.Window() + 5*time.Second, HangLimit: t.hangLimit(), Abort: func() { _ = s.Terminate() }}
	if err := t.sample(&cfg, target); err != nil {
		return err
	}
	if l.Scenario == "server" {
		if err := t.schedule(&cfg); err != nil {
			return err
		}
	}
	if cfg.Schedule != nil {
		t.pacing = loadgen.ChoosePacing(t.clock, runtime.NumCPU(), cfg.Workers*max(1, t.config.Threads)+1, t.out.Rate)
		cfg.Spin = t.pacing.Spin
		cfg.Outlook = t.outlook(&cfg)
	}
	t.out.Concurrency = cfg.Workers
	quietGC()
	outcome, err := loadgen.Run(ctx, cfg, target, records)
	t.finish(outcome)
	if o := t.out.Certificate.Overload; o != nil && outcome.GivenUp {
		o.StoppedAfterSeconds, o.PlannedSeconds = float64(outcome.MeasureEnd-outcome.MeasureStart)/1e9, cfg.Window().Seconds()
	}
	if err != nil {
		return err
	}
	if err := results.WriteRequests(t.config.Requests, records.Reader(int32(t.config.Batches[0]*l.Queried()))); err != nil {
		return err
	}
	t.batched()
	if outcome.Hung {
		t.out.Status = results.TrialTimeout
		t.out.Reason = fmt.Sprintf("a call did not return within %v; it was given up with %d of %d requests recorded as timeout", cfg.HangLimit, outcome.Counts.Timeout, outcome.Counts.Scheduled)
		return nil
	}
	return nothingEnded(outcome)
}

// nothingEnded is what became of the requests of a load of which none ended well and some failed; nil else.
func nothingEnded(o loadgen.Outcome) error {
	switch c := o.Counts; {
	case c.OK > 0 || c.Failed == 0:
		return nil
	case c.Failed == c.Scheduled:
		return fmt.Errorf("every request failed: %w", o.FirstError)
	default:
		return fmt.Errorf("none of %d requests ended well: %s; the first error: %w", c.Scheduled, lost(c), o.FirstError)
	}
}

// lost says how the requests of a load ended that did not end well.
func lost(c results.Counts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{c.Timeout, "timed out"}, {c.Failed, "failed"}, {c.Dropped, "were dropped"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// The limits within which a call counts as hung: a multiple of the first inference, which is the slowest that a sound model makes, but
// never less than a minute. Where requests time out, a multiple of that time does for the minute, but never less than ten seconds.
const (
	leastHang         = time.Minute
	leastHangTimedOut = 10 * time.Second
	firstCalls        = 20
	timeouts          = 20
)

// hangLimit is how long one call may take; with a patience of the user's own, short enough to save the records before that ends.
func (t *trial) hangLimit() time.Duration {
	least := leastHang
	if timeout := t.config.Load.Timeout; timeout > 0 && timeout < leastHang {
		least = min(leastHang, max(leastHangTimedOut, timeouts*timeout))
	}
	limit := max(least, time.Duration(firstCalls*t.first))
	if t.config.Patience > 0 {
		limit = min(limit, t.config.Patience/2)
	}
	return limit
}

// quietGC collects once and then leaves the garbage collector off unless memory grows by a quarter of a gigabyte.
func quietGC() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(int64(m.Sys) + 256<<20)
}

// enter ends the phase in progress and begins another, "" for none.
func (t *trial) enter(phase string) { t.enterAt(phase, t.clock.Now()) }

func (t *trial) enterAt(phase string, now int64) {
	u := readUsage()
	if t.phase != "" {
		t.rssHWM = PeakRSS()
		t.out.Phases = append(t.out.Phases, results.Phase{Name: t.phase, StartNS: t.clock.Monotonic(t.since), EndNS: t.clock.Monotonic(now),
			CPUSeconds: u.cpu - t.cpu, PeakRSS: t.rssHWM})
	}
	t.phase, t.since, t.cpu = phase, now, readUsage().cpu
	if phase != "" {
		t.report.send(Event{Type: EventPhase, Phase: phase})
	}
}

// edge is the load's: it also brackets the counters that belong to measure alone.
func (t *trial) edge(phase string, at int64) {
	switch phase {
	case "measure":
		debug.ReadGCStats(&t.gcStart)
		t.enterAt("measure", at)
		t.clocks[0] = t.readClocks()
		t.before = readUsage()
		t.before.runnable = waitedForCore()
	case "drain":
		after := readUsage()
		after.runnable = waitedForCore()
		t.clocks[1] = t.readClocks()
		t.after = after
		t.enterAt("drain", at)
		var gc debug.GCStats
		debug.ReadGCStats(&gc)
		p := &t.out.Process
		p.GCCycles = uint32(gc.NumGC - t.gcStart.NumGC)
		p.GCPauseSeconds = (gc.PauseTotal - t.gcStart.PauseTotal).Seconds()
		p.MajorFaults, p.InvoluntarySwitches = after.majorFaults-t.before.majorFaults, after.switches-t.before.switches
		p.PeakRSS = t.rssHWM
	case "end":
		t.enterAt("", at)
	default:
		t.enterAt(phase, at)
	}
}

func (t *trial) progress(p loadgen.Progress) {
	t.report.send(Event{Type: EventProgress, Phase: p.Phase, Progress: &p})
}

// finish settles the phases on the load's own instants and summarises lateness. CPU time was read a moment after the planned edges;
// it is scaled to the planned length, so that it and the inferences belong to the same window.
func (t *trial) finish(o loadgen.Outcome) {
	t.out.StartNS = t.clock.Monotonic(o.WarmupStart)
	for i := range t.out.Phases {
		p := &t.out.Phases[i]
		start, end := p.StartNS, p.EndNS
		switch p.Name {
		case "warmup":
			start, end = t.clock.Monotonic(o.WarmupStart), t.clock.Monotonic(o.MeasureStart)
		case "measure":
			start, end = t.clock.Monotonic(o.MeasureStart), t.clock.Monotonic(o.MeasureEnd)
		case "drain":
			start, end = t.clock.Monotonic(o.MeasureEnd), max(t.clock.Monotonic(o.End), t.clock.Monotonic(o.MeasureEnd))
		}
		if read := p.EndNS - p.StartNS; p.Name == "measure" && read > 0 {
			p.CPUSeconds *= float64(end-start) / float64(read)
		}
		p.StartNS, p.EndNS = start, end
	}
	t.out.Counts = o.Counts
	if o.Interrupted {
		t.out.Status, t.out.Reason = results.TrialInterrupted, "stopped before its window ended"
	}
	if o.FirstError != nil && o.Counts.Failed > 0 {
		t.out.Reasons = append(t.out.Reasons, fmt.Sprintf("requests.failed: %d of %d requests failed, the first with: %v", o.Counts.Failed, o.Counts.Scheduled, o.FirstError))
	}
	if o.Counts.Timeout > 0 {
		t.out.Reasons = append(t.out.Reasons, fmt.Sprintf("requests.timeout: %d of %d requests timed out; quantiles of latency are of the others, and an objective counts them as missed", o.Counts.Timeout, o.Counts.Scheduled))
	}
	t.certify(o)
}
