package live

import (
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
	o.Progress.Begin(len(run.Resolved.Order), planned, done)
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
		o.Progress.Update(e.Phase, 0)
		if o.Metrics != nil {
			o.Metrics.SetPhase(e.Phase)
		}
	case e.Type == child.EventProgress && e.Progress != nil:
		o.Progress.Update(e.Progress.Phase, e.Progress.OK)
		if o.Metrics != nil {
			s := snapshotOf(arm)
			s.Phase, s.OK, s.Failed = e.Progress.Phase, e.Progress.OK, e.Progress.Failed
			s.Buckets, s.SumSeconds = e.Progress.Buckets[:], e.Progress.SumSeconds
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

func snapshotOf(arm results.Arm) Snapshot {
	return Snapshot{Arm: arm.Name, Variant: arm.Variant, Provider: results.ProviderLabel(arm.Name, arm.Variant, arm.Provider), Load: arm.Load, Batch: arm.Batch, Threads: arm.IntraOpThreads}
}
