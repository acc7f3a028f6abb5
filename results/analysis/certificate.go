package analysis

import (
	"fmt"
	"strings"

	"assay/results"
)

// tellShare is the share of latency that is the generator's and the host's own from which on the report says so beside the figure.
const tellShare = 0.1

// certificate sums up what the certificates of an arm's trials say: counts of verdicts, mean rates, and of each doubt the worst trial's.
// nil where no trial has one.
func (d *armData) certificate() *results.ArmCertificate {
	c := &results.ArmCertificate{}
	n := 0.0
	for _, t := range d.trials {
		switch t.Verdict {
		case results.Valid:
			c.Valid++
		case results.Suspect:
			c.Suspect++
		case results.Invalid:
			c.Invalid++
		}
		f := t.Certificate
		if f == nil {
			continue
		}
		n++
		c.ScheduledPerSecond += f.ScheduledPerSecond
		c.DuePerSecond += f.DuePerSecond
		c.AchievedPerSecond += f.AchievedPerSecond
		if p99, ok := f.Lateness["p99"]; ok {
			c.LatenessP99 = most(c.LatenessP99, &p99)
		}
		if p99, ok := f.Unexplained["p99"]; ok {
			c.UnexplainedP99 = most(c.UnexplainedP99, &p99)
		}
		c.GeneratorShare = most(c.GeneratorShare, f.GeneratorShare)
		c.StoppedSeconds = max(c.StoppedSeconds, f.StoppedSeconds)
		c.OthersCores = most(c.OthersCores, f.OthersCores)
		c.StealRatio = most(c.StealRatio, f.StealRatio)
		c.ThrottledSeconds = most(c.ThrottledSeconds, f.ThrottledSeconds)
		c.GCCycles = max(c.GCCycles, f.GCCycles)
	}
	if n == 0 {
		return nil
	}
	c.ScheduledPerSecond, c.DuePerSecond, c.AchievedPerSecond = c.ScheduledPerSecond/n, c.DuePerSecond/n, c.AchievedPerSecond/n
	return c
}

// most is the larger of two figures, either of which may not be known.
func most(a, b *float64) *float64 {
	switch {
	case b == nil:
		return a
	case a == nil || *b > *a:
		v := *b
		return &v
	}
	return a
}

// tell warns of latencies that are in good part not the model's.
func tell(c *results.ArmCertificate, metrics map[string]results.Metric) {
	if c == nil || c.GeneratorShare == nil || *c.GeneratorShare < tellShare {
		return
	}
	for name, m := range metrics {
		if strings.HasPrefix(name, "latency.") {
			m.Warnings = append(m.Warnings, fmt.Sprintf("up to %.0f %% of this latency is the generator's and the host's own, such as waking a thread; service.* is the model's", 100**c.GeneratorShare))
			metrics[name] = m
		}
	}
}
