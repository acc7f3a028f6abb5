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
	"assay/tensor"
)

// maxInputs and maxInputBytes bound how many different inputs a worker keeps bound.
const (
	maxInputs     = 32
	maxInputBytes = 64 << 20
)

// recordCapacity is the most requests that one trial may record: 2.7 GB of address space, taken from the disk only as it fills.
const recordCapacity = 1 << 26

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
	p50     float64 // latency from due, seconds
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
	t.out.Process.RSSBeforeSession = peakRSS()
	t.enter("session")
	s, err := b.Open(ctx, t.config.Model, t.config.options())
	t.enter("")
	if err != nil {
		return err
	}
	t.describe(s)
	feeds, made, err := t.tools.Feeds(t.config.Model, s.Inputs(), t.config.Input, t.config.Batches[0], t.config.Seed)
	if err != nil {
		return err
	}
	t.out.Inputs = made
	t.enter("first")
	_, err = s.Run(ctx, feeds[0])
	t.enter("")
	if err != nil {
		return fmt.Errorf("first inference: %w", err)
	}
	target, err := bindAll(s, feeds, t.workers(), t.config.Load.Queried())
	if err != nil {
		return err
	}
	return t.load(ctx, target)
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
func (t *trial) load(ctx context.Context, target *boundTarget) error {
	l := t.config.Load
	records, err := loadgen.NewRecords(t.config.Scratch, recordCapacity)
	if err != nil {
		return err
	}
	defer records.Close()
	t.records = records
	cfg := loadgen.Config{Workers: t.workers(), AtOnce: l.Scenario == "offline", Warmup: t.config.Warmup, Duration: l.Duration,
		Requests: int64(l.Requests), Inputs: int32(target.inputs), Clock: t.clock, LockThreads: true, Edge: t.edge, Tick: t.progress,
		DrainLimit: 2*l.Duration + 5*time.Second}
	if l.Scenario == "server" {
		if err := t.schedule(&cfg); err != nil {
			return err
		}
	}
	if cfg.Schedule != nil {
		t.pacing = loadgen.ChoosePacing(t.clock, runtime.NumCPU(), cfg.Workers*max(1, t.config.Threads)+1, t.out.Rate)
		cfg.Spin = t.pacing.Spin
	}
	t.out.Concurrency = cfg.Workers
	quietGC()
	outcome, err := loadgen.Run(ctx, cfg, target, records)
	t.finish(outcome)
	if err != nil {
		return err
	}
	if err := results.WriteRequests(t.config.Requests, records.Reader(int32(t.config.Batches[0]*l.Queried()))); err != nil {
		return err
	}
	if outcome.Counts.OK == 0 && outcome.FirstError != nil {
		return fmt.Errorf("every request failed: %w", outcome.FirstError)
	}
	return nil
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
		t.rssHWM = peakRSS()
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
	t.certify(o)
}

// boundTarget performs requests on prepared inputs, each worker on its own. A request is a query of one or more samples, which run one
// after the other.
type boundTarget struct {
	bound   [][]backend.Bound // [worker][input]
	inputs  int
	samples int
}

// Do runs one request.
func (t *boundTarget) Do(worker int, input int32) error {
	bound := t.bound[worker]
	for range t.samples {
		if err := bound[input].Run(); err != nil {
			return err
		}
		if input++; int(input) == len(bound) {
			input = 0
		}
	}
	return nil
}

// bindAll prepares as many of the feeds for every worker as fit in bounded memory.
func bindAll(s backend.Session, feeds [][]tensor.Value, workers, samples int) (*boundTarget, error) {
	feeds = feeds[:min(len(feeds), maxInputs)]
	size, n := 0, 0
	for _, feed := range feeds {
		for _, v := range feed {
			if v.Tensor != nil {
				size += len(v.Tensor.Data) * workers
			}
		}
		if n++; size > maxInputBytes {
			break
		}
	}
	t := &boundTarget{inputs: n, samples: samples}
	for range workers {
		row := make([]backend.Bound, n)
		for i := range row {
			b, err := s.Bind(feeds[i])
			if err != nil {
				return nil, fmt.Errorf("prepare a request: %w", err)
			}
			row[i] = b
		}
		t.bound = append(t.bound, row)
	}
	return t, nil
}
