package runner

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/results"
)

// Probing is a run whose trials are decided on one after the other: by a search that needs the last one's outcome before the next. Its
// methods are called one at a time.
type Probing struct {
	*run
	template results.Arm // every trial's but for its load
	unlock   func()
}

// OpenProbing prepares such a run, or takes one up. The plan is a CapacityPlan with one arm and one load that stand for those to come. Errors
// are those of Run.
func OpenProbing(ctx context.Context, c Config) (*Probing, error) {
	r, unlock, err := open(c)
	if err != nil {
		return nil, err
	}
	_, missing := r.dir.ReadRun()
	if err := r.begin(ctx); err != nil {
		unlock()
		return nil, err
	}
	if missing != nil {
		r.spec.Arms, r.spec.Loads, r.spec.Order, r.spec.Blocks = []results.Arm{}, []results.Load{}, [][]string{}, 0
	}
	if budget := c.Run.Resolved.Capacity.Budget; budget > 0 {
		r.spec.Capacity.Budget = budget // a search that ended goes on with a larger one
	}
	p := &Probing{run: r, template: r.spec.Capacity.Arm, unlock: unlock}
	r.Run.Status, r.Run.Reason, r.Run.Ended = "running", "", nil
	if err := r.dir.WriteRun(&r.Run); err != nil {
		unlock()
		return nil, err
	}
	return p, nil
}

// Record is the run as it stands.
func (p *Probing) Record() *results.Run { return &p.Run }

// Trial carries one load out under the arrivals of a seed and returns its record and the name of its arm. draw is the number of which a backend
// that draws takes its numbers. The trial is on disk, and its arm in the run's record, when it returns. The error is ErrInterrupted where
// ctx ended; a trial that fails has its status.
func (p *Probing) Trial(ctx context.Context, block int, l results.Load, warmup time.Duration, arrivals, draw uint64) (*results.Trial, error) {
	arm := p.template
	arm.Load, arm.Rate = l.Name, l.Rate
	arm.Name = strings.TrimSuffix(arm.Name, p.template.Load) + l.Name
	if err := p.plan(block, arm, l); err != nil {
		return nil, err
	}
	t, err := p.measure(ctx, block, slices.Index(p.spec.Order[block], arm.Name), arm, setting{warmup: warmup, arrivals: arrivals, draw: draw})
	if err != nil {
		return nil, err
	}
	if t.Status == results.TrialInterrupted || ctx.Err() != nil {
		return t, ErrInterrupted
	}
	return t, nil
}

// plan adds an arm to the run's record, before its trial: whoever reads the run finds every trial's arm.
func (p *Probing) plan(block int, arm results.Arm, l results.Load) error {
	for len(p.spec.Order) <= block {
		p.spec.Order = append(p.spec.Order, nil)
	}
	p.spec.Blocks = len(p.spec.Order)
	if !p.known(l.Name) {
		p.spec.Loads = append(p.spec.Loads, l)
		p.spec.Arms = append(p.spec.Arms, arm)
	}
	if !slices.Contains(p.spec.Order[block], arm.Name) {
		p.spec.Order[block] = append(p.spec.Order[block], arm.Name)
	}
	return p.dir.WriteRun(&p.Run)
}

func (p *Probing) known(load string) bool {
	return slices.ContainsFunc(p.spec.Loads, func(l results.Load) bool { return l.Name == load })
}

// Close ends the run with its status and gives its directory back.
func (p *Probing) Close(status, reason string) error {
	err := p.end(status, reason)
	p.unlock()
	return err
}
