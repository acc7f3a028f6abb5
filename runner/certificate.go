package runner

import (
	"math"

	"assay/results"
)

// The limits within which a trial's certificate leaves it valid; docs/load.md gives the reason of each.
const (
	// Of open loads, at p99: seconds, or this share of median latency where that is more.
	suspectLate, suspectLateShare = 0.3e-3, 0.02
	invalidLate, invalidLateShare = 1e-3, 0.05
	// Of the monotonic clock against the wall's (mlcommons/inference loadgen/loadgen.cc).
	suspectClocks, invalidClocks = 1e-3, 1e-2
	// A stop this long, in seconds, that is also this share of measure is no scheduler's doing.
	longStop, invalidStopped = 0.2, 0.01
	// Shares of measure.
	suspectSteal     = 0.01
	suspectThrottled = 0.01
	// Others may use the cores that the trial leaves, and of all cores this share in any case.
	othersShare = 0.05
	// Preemptions and disk reads by this share of requests would show in their p99. Some happen in every process, whatever it does.
	requestShare     = 0.01
	usualPreemptions = 10.0 // a second
	usualMajorFaults = 10.0
	// What preemptions must cost on average over all requests to be told: seconds, or this share of median latency where that is more.
	suspectWaited, suspectWaitedShare = 20e-6, 0.01
)

// late holds the p99 of a delay against the limits of open loads.
func late(delay map[string]float64, p50 float64, text string) finding {
	p99, known := delay["p99"]
	fails, warns := max(invalidLate, invalidLateShare*p50), max(suspectLate, suspectLateShare*p50)
	switch {
	case known && p99 > fails:
		return invalid(text+": p99 %.3g ms, allowed %.3g ms", p99*1e3, fails*1e3)
	case known && p99 > warns:
		return suspect(text+": p99 %.3g ms, good is below %.3g ms", p99*1e3, warns*1e3)
	}
	return finding{}
}

func issuedLate(t *results.Trial, e evidence) finding {
	return late(t.Lateness, e.p50, "the generator issued requests late")
}

// unexplained finds waits that the queue does not explain: a process that was stopped or starved between requests.
func unexplained(t *results.Trial, e evidence) finding {
	if t.Certificate == nil {
		return finding{}
	}
	return late(t.Certificate.Unexplained, e.p50, "requests waited longer than a queue with the measured services lets them")
}

func measured(t *results.Trial) float64 {
	measure, _ := t.Phase("measure")
	return measure.Seconds()
}

func stopped(t *results.Trial, _ evidence) finding {
	c := t.Certificate
	if c == nil || c.StoppedSeconds == 0 {
		return finding{}
	}
	const text = "the thread that watches the load did not run for %.3g s of measure, the longest time for %.3g s: the process or its machine was stopped, or had no core"
	if c.LongestStopSeconds > longStop && c.StoppedSeconds > invalidStopped*measured(t) {
		return invalid(text, c.StoppedSeconds, c.LongestStopSeconds)
	}
	return suspect(text, c.StoppedSeconds, c.LongestStopSeconds)
}

// clocksDiffer does not judge a millisecond: the two clocks are read one after the other.
func clocksDiffer(t *results.Trial, _ evidence) finding {
	if t.Certificate == nil {
		return finding{}
	}
	ratio := t.Certificate.ClockRatio
	off := math.Abs(ratio - 1)
	const text = "the wall clock advanced %.4f s for each second of the monotonic clock in measure; one of them was set or stopped"
	switch {
	case off <= suspectClocks || off*measured(t) < 1e-3:
		return finding{}
	case off > invalidClocks:
		return invalid(text, ratio)
	}
	return suspect(text, ratio)
}

// busy finds other processes on cores that the trial wants.
func busy(t *results.Trial, _ evidence) finding {
	c := t.Certificate
	if c == nil || c.OthersCores == nil {
		return finding{}
	}
	if allowed := max(float64(c.Cores-c.Threads), othersShare*float64(c.Cores)); *c.OthersCores > allowed {
		return suspect("other processes used %.2f of %d cores in measure, and %.2f were to spare", *c.OthersCores, c.Cores, allowed)
	}
	return finding{}
}

// preempted finds requests that were taken off their core. A load that wants more threads than there are cores does so to itself.
func preempted(t *results.Trial, e evidence) finding {
	c := t.Certificate
	if c == nil || c.WaitedForCoreSeconds == nil || c.Threads > c.Cores || t.Counts.Scheduled == 0 {
		return finding{}
	}
	requests := float64(t.Counts.Scheduled)
	switches := float64(c.InvoluntarySwitches)
	if waited := *c.WaitedForCoreSeconds / requests; switches > max(requestShare*requests, usualPreemptions*measured(t)) && waited > max(suspectWaited, suspectWaitedShare*e.p50) {
		return suspect("threads were taken off their core %d times during %d requests and waited for one %.3g ms a request", c.InvoluntarySwitches, t.Counts.Scheduled, waited*1e3)
	}
	return finding{}
}

func stolen(t *results.Trial, _ evidence) finding {
	if c := t.Certificate; c != nil && c.StealRatio != nil && *c.StealRatio > suspectSteal {
		return suspect("other guests took %.1f %% of the processors' time in measure", 100**c.StealRatio)
	}
	return finding{}
}

func throttled(t *results.Trial, _ evidence) finding {
	if c := t.Certificate; c != nil && c.ThrottledSeconds != nil && *c.ThrottledSeconds > suspectThrottled*measured(t) {
		return suspect("the container's CPU quota held the process back for %.2f s of measure", *c.ThrottledSeconds)
	}
	return finding{}
}

func paging(t *results.Trial, _ evidence) finding {
	c := t.Certificate
	if c == nil || float64(c.MajorFaults) <= max(usualMajorFaults, requestShare*float64(t.Counts.Scheduled)) {
		return finding{}
	}
	return suspect("memory was read from the disk %d times during %d requests", c.MajorFaults, t.Counts.Scheduled)
}

// unwatched finds a sampler that broke off: what it would have said against the trial is not known.
func unwatched(t *results.Trial, _ evidence) finding {
	if t.Certificate == nil || t.Sampler == nil || t.Sampler.Reason == "" || t.Sampler.EveryNS == 0 {
		return finding{}
	}
	return suspect("nobody saw whether other processes or guests took the cores: %s", t.Sampler.Reason)
}
