package stats

import "slices"

// Overload says whether an open load asked for more than was served, so that its latencies measure the length of the run.
type Overload struct {
	Overloaded bool
	Served     float64 // requests that left the queue, served or not, over arrivals in the last two thirds
	Middle     float64 // mean requests in flight, middle third
	Last       float64 // likewise, last third
	Capacity   float64 // completions per second in the last two thirds
}

// The rule's thresholds.
const (
	servedShare = 0.98
	mostWaiting = 30
)

// OverloadWatch gathers what Overload is judged by, one request at a time. Its zero value is not ready: use WatchOverload.
type OverloadWatch struct {
	length                      float64
	arrivals, completions, left int     // left counts those too that were not served
	middle, last                float64 // time that requests spent in flight in the thirds
}

// WatchOverload watches a window of [0, length) seconds.
func WatchOverload(length float64) *OverloadWatch { return &OverloadWatch{length: length} }

// Add takes a request: when it was due and when it was done, in seconds from the window's start; done is +Inf for one that never ended.
func (w *OverloadWatch) Add(due, done float64) {
	w.Leave(due, done)
	if w.counts(done) {
		w.completions++
	}
}

// counts reports whether an instant is in the last two thirds.
func (w *OverloadWatch) counts(at float64) bool { return at >= w.length/3 && at < w.length }

// Leave takes a request that left the queue without being served: its caller's patience was over.
func (w *OverloadWatch) Leave(due, left float64) {
	from, last := w.length/3, 2*w.length/3
	if w.counts(due) {
		w.arrivals++
	}
	if w.counts(left) {
		w.left++
	}
	w.middle += max(0, min(left, last)-max(due, from))
	w.last += max(0, min(left, w.length)-max(due, last))
}

// Judge looks at the last two thirds of the window: fewer than 98 % as many requests left the queue as arrived, and more requests in flight in the
// last third than in the middle one and than 30. Between loads of 0.98 and 1.02 no run of a minute can tell.
func (w *OverloadWatch) Judge() (o Overload) {
	if w.arrivals == 0 || w.length <= 0 {
		return o
	}
	o.Served = float64(w.left) / float64(w.arrivals)
	o.Capacity = float64(w.completions) / (2 * w.length / 3)
	o.Middle, o.Last = w.middle/(w.length/3), w.last/(w.length/3)
	o.Overloaded = o.Served < servedShare && o.Last > o.Middle && o.Last > mostWaiting
	return o
}

// JudgeOverload watches whole slices; see OverloadWatch.
func JudgeOverload(due, done []float64, length float64) Overload {
	w := WatchOverload(length)
	for i := range due {
		w.Add(due[i], done[i])
	}
	return w.Judge()
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
