package loadgen

import (
	"fmt"
	"math"
	"time"
)

// A Schedule lists when requests are due, as nanoseconds from the start of warm-up, ascending.
type Schedule []int64

// maxScheduled bounds a schedule at what fits in memory beside a model (8 bytes each).
const maxScheduled = 1 << 27

// Constant spaces requests evenly at rate per second over the horizon.
func Constant(rate float64, horizon time.Duration) (Schedule, error) {
	return Arrivals{Process: "constant", Rate: rate}.Schedule(0, horizon)
}

// Poisson draws exponential gaps of mean 1/rate until the horizon.
func Poisson(seed uint64, rate float64, horizon time.Duration) (Schedule, error) {
	return Arrivals{Rate: rate, Seed: seed}.Schedule(0, horizon)
}

// expected checks a rate and returns how many requests it asks for within the horizon.
func expected(rate float64, horizon time.Duration) (float64, error) {
	if !(rate > 0) || math.IsInf(rate, 0) {
		return 0, fmt.Errorf("a rate of %v/s cannot be scheduled; it must be above 0", rate)
	}
	n := rate * horizon.Seconds()
	if n > maxScheduled {
		return 0, fmt.Errorf("%v/s over %v asks for %.3g requests, more than %d; lower the rate or the duration", rate, horizon, n, maxScheduled)
	}
	return n, nil
}
