package stats

import "slices"

// Overload says whether an open load asked for more than was served, so that its latencies measure the length of the run.
type Overload struct {
	Overloaded bool
	Served     float64 // completions over arrivals in the last two thirds
	Middle     float64 // mean requests in flight, middle third
	Last       float64 // likewise, last third
	Capacity   float64 // completions per second in the last two thirds
}

// The rule's thresholds.
const (
	servedShare = 0.98
	mostWaiting = 30
)

// JudgeOverload looks at the last two thirds of [0, length) seconds: fewer than 98 % as many completions as arrivals, and more requests in
// flight in the last third than in the middle one and than 30. due and done are in seconds from the window's start, of equal requests; done
// is +Inf for one that never ended. Between loads of 0.98 and 1.02 no run of a minute can tell.
func JudgeOverload(due, done []float64, length float64) Overload {
	var o Overload
	from := length / 3
	arrivals, completions := 0, 0
	for i := range due {
		if due[i] >= from && due[i] < length {
			arrivals++
		}
		if done[i] >= from && done[i] < length {
			completions++
		}
	}
	if arrivals == 0 {
		return o
	}
	o.Served = float64(completions) / float64(arrivals)
	o.Capacity = float64(completions) / (length - from)
	o.Middle, o.Last = inFlight(due, done, from, 2*from), inFlight(due, done, 2*from, length)
	o.Overloaded = o.Served < servedShare && o.Last > o.Middle && o.Last > mostWaiting
	return o
}

// inFlight is the mean number of requests that are due and not done within [from, to): the time that they spend there over its length.
func inFlight(due, done []float64, from, to float64) float64 {
	total := 0.0
	for i := range due {
		if lo, hi := max(due[i], from), min(done[i], to); hi > lo {
			total += hi - lo
		}
	}
	return total / (to - from)
}

// Window is one measurement window of a run.
type Window struct {
	Throughput float64 // completions per second
	Latency    float64 // seconds
}

// Stable is perf_analyzer's criterion (triton-inference-server/perf_analyzer src/inference_profiler.cc): of the last three windows, the
// largest throughput is at most 1 + within times the smallest, and likewise the latency. It is kept for comparison: under Poisson arrivals at a load of
// 0.8 only 30 % of runs are ever stable, and half of those report a mean latency that is off by more than 10 %.
func Stable(windows []Window, within float64) bool {
	if len(windows) < 3 {
		return false
	}
	last := windows[len(windows)-3:]
	near := func(of func(Window) float64) bool {
		values := []float64{of(last[0]), of(last[1]), of(last[2])}
		low, high := slices.Min(values), slices.Max(values)
		return low > 0 && high <= low*(1+within)
	}
	return near(func(w Window) float64 { return w.Throughput }) && near(func(w Window) float64 { return w.Latency })
}
