package plan

import (
	"fmt"
	"math"
	"time"

	"assay/results"
)

// trialOverhead is what a trial takes beside warm-up and window: starting the process, loading the runtime and the model, the first
// inference, the drain and writing the samples. Models of a few megabytes need less, large ones more.
const trialOverhead = 500 * time.Millisecond

// pilotWindow is how long a pilot trial measures the closed-loop rate that a percentage is taken of, unless the model is slow.
const pilotWindow = results.ClosedLength

// Estimate says how long a run takes: one trial of each arm a block, and before them the pilots that relative rates need. Preparing
// variants and measuring quality are not in it.
func Estimate(spec *results.Spec) time.Duration {
	block, pilots := estimateParts(spec)
	return pilots + time.Duration(spec.Blocks)*block
}

func estimateParts(spec *results.Spec) (block, pilots time.Duration) {
	loads := map[string]results.Load{}
	for _, l := range spec.Loads {
		loads[l.Name] = l
	}
	piloted := map[string]bool{}
	for _, a := range spec.Arms {
		l := loads[a.Load]
		block += trialOverhead + spec.Warmup + window(l)
		if l.RateShare == 0 {
			continue
		}
		key := fmt.Sprintf("%s %v %d %d", a.Provider, a.ProviderOptions, a.Batch, a.IntraOpThreads)
		if l.RateOwn {
			key += " " + a.Variant
		}
		if !piloted[key] {
			piloted[key] = true
			pilots += trialOverhead + spec.Warmup + pilotWindow
		}
	}
	return block, pilots
}

// window is how long a load's measure lasts, as far as it can be told beforehand: a number of requests without a rate is taken for two
// seconds, because how fast they are answered is what the run is to find out.
func window(l results.Load) time.Duration {
	switch {
	case l.Requests > 0 && l.Rate > 0:
		return min(l.Duration, time.Duration(float64(l.Requests)/l.Rate*float64(time.Second)))
	case l.Requests > 0 && l.Duration == Untimed:
		return defaultDuration
	case l.MinRequests > 0 && l.Rate > 0:
		return max(l.Duration, time.Duration(float64(l.MinRequests)/l.Rate*float64(time.Second)))
	}
	return l.Duration
}

// checkBudget refuses a run that would take longer than its budget and says how many blocks fit.
func (r *resolver) checkBudget(spec *results.Spec) {
	total := Estimate(spec)
	if spec.Budget == 0 || total <= spec.Budget {
		return
	}
	block, pilots := estimateParts(spec)
	fit := int(math.Floor(float64(spec.Budget-pilots) / float64(block)))
	if fit < 1 {
		r.source.add("budget.time", "the plan takes about %s and the budget is %s: not even one block fits, which takes %s; raise the budget, or shorten the loads or the sweep",
			brief(total), brief(spec.Budget), brief(pilots+block))
		return
	}
	r.source.add("budget.time", "the plan takes about %s and the budget is %s: %d of %d blocks fit; set design.blocks to %d or raise the budget",
		brief(total), brief(spec.Budget), fit, spec.Blocks, fit)
}

func brief(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(100 * time.Millisecond)
}
