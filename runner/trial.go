package runner

import (
	"context"
	"math/rand/v2"
	"os"
	"time"

	"assay/loadgen"
	"assay/results"
	"assay/runner/child"
)

// trial measures one arm once in a fresh process, watches it, and saves its record last.
func (r *run) trial(ctx context.Context, block, position int, a results.Arm) (*results.Trial, error) {
	seed := arrivalSeed(r.spec.Seed, block)
	return r.measure(ctx, block, position, a, setting{warmup: r.spec.Warmup, arrivals: seed, draw: seed})
}

// setting is what trials of one arm may differ in.
type setting struct {
	warmup   time.Duration
	arrivals uint64 // seed of the schedule
	draw     uint64 // seed of what a backend draws
}

func (r *run) measure(ctx context.Context, block, position int, a results.Arm, s setting) (*results.Trial, error) {
	r.Observer.TrialBegins(block, position, a)
	c := r.assignment(child.KindTrial, a)
	c.Arrivals, c.Draw, c.Warmup = s.arrivals, s.draw, s.warmup
	c.Requests = r.dir.RequestsFile(block, a.Name)
	c.Patience = r.spec.TrialTimeout
	c.Affinity = affinity(c)
	c.Nodes = r.Run.Nodes[nodesKey(a)]
	begun := time.Now()
	p, err := start(r.Child, c)
	if err != nil {
		return nil, err
	}
	watch := r.watch(p.cmd.Process.Pid, c.Affinity)
	e, end := p.wait(ctx, func(phase string) time.Duration { return r.limit(phase, c) }, func(e child.Event) { r.Observer.TrialEvent(a, e) })
	t := outcome(e, end)
	watched := watch.end()
	t.Run, t.Block, t.Position, t.Arm = r.Run.ID, block, position, a.Name
	if t.Started.IsZero() {
		t.Started = begun.UTC()
	}
	if ctx.Err() != nil && t.Status != results.TrialOK {
		t.Status = results.TrialInterrupted
	}
	watched.into(t)
	var p50 float64
	if e != nil {
		p50 = e.P50
	}
	judge(t, a.Provider, p50)
	if err := r.save(t, watched); err != nil {
		return nil, err
	}
	r.Observer.TrialEnds(block, a, t)
	return t, nil
}

// outcome is the trial's record as its process gave it, or what is known of a process that gave none.
func outcome(e *child.Event, end ending) *results.Trial {
	switch {
	case e != nil && e.Trial != nil:
		return e.Trial
	case e != nil && e.Error != "":
		return &results.Trial{Status: results.TrialFailed, Reason: e.Error}
	}
	return &results.Trial{Status: end.status, Reason: end.reason}
}

// save writes the sensors' readings and then the record, whose presence makes the trial exist.
func (r *run) save(t *results.Trial, w watched) error {
	if len(w.samples) > 0 {
		if err := results.WriteSamples(r.dir.SamplesFile(t.Block, t.Arm), w.samplesFrom(t.StartNS)); err != nil {
			return err
		}
	}
	if t.Counts.Scheduled == 0 {
		_ = os.Remove(r.dir.RequestsFile(t.Block, t.Arm)) // of an earlier, interrupted try
	}
	return r.dir.WriteTrial(t)
}

// limit is how long a child may stay in a phase before it counts as hung.
func (r *run) limit(phase string, c child.Config) time.Duration {
	if r.spec.TrialTimeout > 0 {
		return r.spec.TrialTimeout
	}
	switch phase {
	case "warmup":
		return c.Warmup + r.Limits.Slack
	case "measure":
		return c.Load.Window() + r.Limits.Slack
	case "drain":
		return 2*c.Load.Window() + 5*time.Second + r.Limits.Slack
	}
	return r.Limits.Load
}

// arrivalSeed gives every arm of a block the same arrivals, so that arms differ by the model alone.
func arrivalSeed(seed uint64, block int) uint64 {
	return rand.New(rand.NewPCG(seed, uint64(block)+0x6172726976616c)).Uint64() >> 1
}

// affinity divides this machine's processors for a trial.
func affinity(c child.Config) loadgen.Affinity {
	threads := max(1, c.Load.Concurrency) * max(1, c.Threads)
	return loadgen.ChooseAffinity(loadgen.Topology("/sys/devices/system/cpu", loadgen.AllowedCPUs()), threads)
}
