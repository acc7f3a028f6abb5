package loadgen

import (
	"fmt"
	"slices"
)

// Pacing is how workers wait for the instant at which a request is due: asleep, and over the last Spin nanoseconds awake.
type Pacing struct {
	Spin int64
	Why  string
}

// The limits within which workers spin.
const (
	spinCores   = 4           // with fewer, a spinning thread takes the model's core
	spinRate    = 10.0        // requests per second; below, sleeping costs nothing that shows
	leastSpin   = int64(50e3) // 50 us
	mostSpin    = int64(1e6)  // 1 ms
	sleepProbes = 40
)

// ChoosePacing decides whether workers spin before a request is due. Spinning takes away the kernel's wake-up time, some 70 us, and costs a
// core while it lasts: it is chosen where cores are left over beside the model's threads, for as long as the sleeps of this machine overshoot.
func ChoosePacing(clock Clock, cores, busy int, rate float64) Pacing {
	switch {
	case cores < spinCores:
		return Pacing{Why: fmt.Sprintf("no spinning: %d cores are too few", cores)}
	case busy >= cores:
		return Pacing{Why: fmt.Sprintf("no spinning: the model and the workers want %d of %d cores", busy, cores)}
	case rate < spinRate:
		return Pacing{Why: fmt.Sprintf("no spinning: %.3g requests/s are few", rate)}
	}
	over := make([]int64, sleepProbes)
	for i := range over {
		until := clock.Now() + 200e3
		clock.WaitUntil(until)
		over[i] = clock.Now() - until
	}
	slices.Sort(over)
	worst := over[sleepProbes-2] // one outlier is left out
	spin := min(max(2*worst, leastSpin), mostSpin)
	return Pacing{Spin: spin, Why: fmt.Sprintf("spinning over the last %d us: sleeps overshoot by up to %d us", spin/1e3, worst/1e3)}
}
