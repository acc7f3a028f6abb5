package live

import (
	"time"

	"assay/results"
	"assay/runner/child"
)

// Observer tells what a runner reports to whoever shows it; it is a runner.Observer. Either field may be nil.
type Observer struct {
	Progress *Progress
	Metrics  *Metrics
}

// Note says something about the preparation.
func (o *Observer) Note(text string) { o.Progress.Note(text) }

// Begin opens the run, of which some trials may be done already.
func (o *Observer) Begin(run *results.Run, done int) {
	planned := 0
	for _, order := range run.Resolved.Order {
		planned += len(order)
	}
	o.Progress.Begin(len(run.Resolved.Order), planned, done, trialLength(&run.Resolved))
	if o.Metrics != nil {
		o.Metrics.Begin(run.Name, run.Started, planned, done)
	}
}

// TrialBegins opens a trial.
func (o *Observer) TrialBegins(block, _ int, arm results.Arm) {
	o.Progress.TrialBegins(block, arm.Name)
	if o.Metrics != nil {
		o.Metrics.TrialBegins(snapshotOf(arm))
	}
}

// TrialEvent passes phases and progress on.
func (o *Observer) TrialEvent(arm results.Arm, e child.Event) {
	switch {
	case e.Type == child.EventPhase:
		o.Progress.Phase(e.Phase)
		if o.Metrics != nil {
			o.Metrics.SetPhase(e.Phase)
		}
	case e.Type == child.EventProgress && e.Progress != nil:
		o.Progress.Load(e.Progress)
		if o.Metrics != nil {
			s := snapshotOf(arm)
			s.Phase, s.OK, s.Failed = e.Progress.Phase, e.Progress.OK, e.Progress.Failed
			s.Buckets, s.SumSeconds = e.Progress.Buckets[:], e.Progress.SumSeconds
			s.Late, s.Outstanding = e.Progress.Late[:], e.Progress.Outstanding
			o.Metrics.Update(s)
		}
	}
}

// TrialEnds closes a trial.
func (o *Observer) TrialEnds(_ int, _ results.Arm, t *results.Trial) {
	o.Progress.TrialEnds(t)
	if o.Metrics != nil {
		o.Metrics.TrialEnds(t)
	}
}

// startup is what a trial takes beside its load, before one has been seen.
const startup = 500 * time.Millisecond

// trialLength is what the trials of a plan take on average by their loads.
func trialLength(spec *results.Spec) time.Duration {
	lengths := map[string]time.Duration{}
	for _, l := range spec.Loads {
		lengths[l.Name] = l.Duration
	}
	sum := time.Duration(0)
	for _, arm := range spec.Arms {
		sum += spec.Warmup + lengths[arm.Load] + startup
	}
	return sum / time.Duration(max(1, len(spec.Arms)))
}

func snapshotOf(arm results.Arm) Snapshot {
	return Snapshot{Arm: arm.Name, Variant: arm.Variant, Provider: results.ProviderLabel(arm.Name, arm.Variant, arm.Provider), Load: arm.Load, Batch: arm.Batch, Threads: arm.IntraOpThreads}
}
