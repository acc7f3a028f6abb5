package child

import (
	"assay/loadgen"
	"assay/results/stats"
)

// outlook gives a load up by the rule of overload.
type outlook struct {
	rule  *stats.OverloadOutlook
	since int64 // start of measure, as instants count
}

// outlook is that of the trial's load, nil where it goes on in any case.
func (t *trial) outlook(cfg *loadgen.Config) loadgen.Outlook {
	if !t.config.Load.StopOverloaded || cfg.Schedule == nil {
		return nil
	}
	servers := cfg.Workers * max(1, cfg.Batching.Max)
	return &outlook{stats.NewOverloadOutlook(cfg.Window().Seconds(), servers, cfg.Timeout.Seconds()), int64(cfg.Warmup)}
}

func (o *outlook) seconds(at int64) float64 { return secondsSince(at, o.since) }

// Ended implements loadgen.Outlook.
func (o *outlook) Ended(due, done int64) { o.rule.Add(o.seconds(due), o.seconds(done)) }

// Hopeless implements loadgen.Outlook.
func (o *outlook) Hopeless(now int64, waiting int, pending []int64) bool {
	return o.rule.Hopeless(o.seconds(now), waiting, func(yield func(float64) bool) {
		for _, due := range pending {
			if !yield(o.seconds(due)) {
				return
			}
		}
	})
}
