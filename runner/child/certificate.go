package child

import (
	"math"
	"runtime"
	"time"

	"assay/loadgen"
	"assay/results"
	"assay/results/stats"
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

// certify says how far a trial's latencies are the model's and the queue's, and how far the generator's own; p50 is that of latency, in seconds.
// It reads the records once, in fixed memory. In an open load every request's wait is compared with that of the ideal queue, which is served
// in the times that were measured; in a closed one nothing waits.
func certify(records *loadgen.Records, o loadgen.Outcome, rate float64, b loadgen.Batching, timeout time.Duration) (c *results.Certificate, p50 float64) {
	var late, latency loadgen.Spread
	free := make([]int64, len(o.Free))
	for i, at := range o.Free {
		free[i] = at - o.WarmupStart
	}
	ideal := newReplay(b, free)
	read := records.Reader(1)
	rows := make([]results.Request, 4096)
	scheduled, done := 0, 0
	overload := stats.WatchOverload(float64(o.MeasureEnd-o.MeasureStart) / 1e9)
	since := o.MeasureStart - o.WarmupStart // of measure, as rows count
	for _, c := range o.Carried {
		if due := secondsSince(c.Due, since); c.Done == results.Absent && timeout > 0 {
			overload.Leave(due, due+timeout.Seconds())
		} else {
			overload.Add(due, secondsSince(c.Done, since))
		}
	}
	for {
		n, _ := read(rows)
		if n == 0 {
			break
		}
		for _, r := range rows[:n] {
			scheduled++
			due := secondsSince(r.DueNS, since)
			if r.Status == results.RequestTimeout && r.StartedNS == results.Absent {
				overload.Leave(due, due+timeout.Seconds())
				continue
			}
			overload.Add(due, secondsSince(r.DoneNS, since))
			if r.DoneNS == results.Absent {
				continue
			}
			latency.Add(r.DoneNS - r.DueNS)
			if r.DoneNS <= o.MeasureEnd-o.WarmupStart {
				done++
			}
			if rate > 0 {
				late.Add(r.IssuedNS - r.DueNS)
				ideal.add(r)
			}
		}
	}
	ideal.flush()
	unexplained := &ideal.unexplained
	c = &results.Certificate{}
	if seconds := float64(o.MeasureEnd-o.MeasureStart) / 1e9; seconds > 0 {
		c.AchievedPerSecond = float64(done) / seconds
		if rate > 0 {
			c.ScheduledPerSecond, c.DuePerSecond = rate, float64(scheduled)/seconds
			if judged := overload.Judge(); judged.Overloaded || o.GivenUp {
				c.Overload = &results.Overload{Served: judged.Served, InFlight: judged.Last, PerSecond: judged.Capacity}
			}
		}
	}
	if late.N() > 0 {
		c.Lateness, c.Unexplained = quantiles(&late), quantiles(unexplained)
		if sum := latency.Sum(); sum > 0 {
			share := unexplained.Sum() / sum
			c.GeneratorShare = &share
		}
	}
	return c, latency.Quantile(0.5) / 1e9
}

// secondsSince counts seconds from an instant in nanoseconds; +Inf for one that never came.
func secondsSince(at, since int64) float64 {
	if at == results.Absent {
		return math.Inf(1)
	}
	return float64(at-since) / 1e9
}

// certify settles the trial's certificate.
func (t *trial) certify(o loadgen.Outcome) {
	c, p50 := certify(t.records, o, t.asked, t.batching(), t.config.Load.Timeout)
	t.p50 = p50
	t.out.Lateness = c.Lateness
	p := t.out.Process
	c.ClockRatio = t.clocks[0].elapsedRatio(t.clocks[1])
	c.StoppedSeconds, c.LongestStopSeconds = float64(o.Stopped)/1e9, float64(o.LongestStop)/1e9
	if t.before.runnable >= 0 && t.after.runnable >= 0 {
		waited := t.after.runnable - t.before.runnable
		c.WaitedForCoreSeconds = &waited
	}
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
