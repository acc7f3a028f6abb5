package child

import (
	"runtime"
	"time"

	"assay/loadgen"
	"assay/results"
)

// clocks are readings of both clocks at one instant: the monotonic one that everything is measured by, and the wall's.
type clocks struct {
	monotonic int64
	wall      time.Time
}

func (t *trial) readClocks() clocks { return clocks{t.clock.Now(), time.Now().Round(0)} }

// elapsedRatio is how much the wall clock advanced for each second of the monotonic one; 1 where nothing was between the readings.
func (c clocks) elapsedRatio(end clocks) float64 {
	if end.monotonic <= c.monotonic {
		return 1
	}
	return float64(end.wall.Sub(c.wall)) / float64(end.monotonic-c.monotonic)
}

// certify says how far a trial's latencies are the model's and the queue's, and how far the generator's own. It reads the records once, in
// fixed memory. Every request's wait is compared with that of the ideal queue, which is served in the times that were measured.
func certify(records *loadgen.Records, o loadgen.Outcome, rate float64, servers int) (c *results.Certificate, p50 float64) {
	var late, unexplained, latency, service loadgen.Spread
	oracle := loadgen.NewOracle(servers)
	read := records.Reader(1)
	rows := make([]results.Request, 4096)
	var lastDue int64
	scheduled := 0
	for {
		n, _ := read(rows)
		if n == 0 {
			break
		}
		for _, r := range rows[:n] {
			scheduled++
			lastDue = r.DueNS
			if r.Status == results.RequestDropped {
				continue
			}
			late.Add(r.IssuedNS - r.DueNS)
			latency.Add(r.DoneNS - r.DueNS)
			service.Add(r.DoneNS - r.StartedNS)
			unexplained.Add(r.StartedNS - r.DueNS - oracle.Wait(r.DueNS, r.DoneNS-r.StartedNS))
		}
	}
	if latency.N() == 0 {
		return nil, 0
	}
	c = &results.Certificate{ScheduledPerSecond: rate, Lateness: quantiles(&late), Unexplained: quantiles(&unexplained)}
	if sum := latency.Sum(); sum > 0 {
		c.GeneratorShare = unexplained.Sum() / sum
	}
	if from := o.MeasureStart - o.WarmupStart; scheduled > 1 && lastDue > from {
		c.IssuedPerSecond = float64(scheduled) / (float64(o.MeasureEnd-o.MeasureStart) / 1e9)
	}
	return c, latency.Quantile(0.5) / 1e9
}

// certify settles the trial's certificate.
func (t *trial) certify(o loadgen.Outcome) {
	c := &results.Certificate{}
	if t.out.Rate > 0 {
		if c, t.p50 = certify(t.records, o, t.out.Rate, t.workers()); c == nil {
			return
		}
		t.out.Lateness = c.Lateness
	}
	p := t.out.Process
	c.ClockRatio = t.clocks[0].elapsedRatio(t.clocks[1])
	c.GCCycles, c.GCPauseSeconds = p.GCCycles, p.GCPauseSeconds
	c.MajorFaults, c.MinorFaults = p.MajorFaults, t.after.minorFaults-t.before.minorFaults
	c.InvoluntarySwitches, c.VoluntarySwitches = p.InvoluntarySwitches, t.after.voluntary-t.before.voluntary
	c.Cores, c.Threads = runtime.NumCPU(), t.workers()*max(1, t.config.Threads)
	c.SpinNS, c.SpinWhy = t.pacing.Spin, t.pacing.Why
	t.out.Certificate = c
}

// quantiles are in seconds.
func quantiles(s *loadgen.Spread) map[string]float64 {
	return map[string]float64{"p50": s.Quantile(0.5) / 1e9, "p99": s.Quantile(0.99) / 1e9, "max": float64(s.Max()) / 1e9}
}
