package loadgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// A Schedule lists when requests are due, as nanoseconds from the start of warm-up, ascending.
type Schedule []int64

// maxScheduled bounds a schedule at what fits in memory beside a model (8 bytes each).
const maxScheduled = 1 << 27

// Constant spaces requests evenly at rate per second over the horizon. Instants come from integers, so they never drift.
func Constant(rate float64, horizon time.Duration) (Schedule, error) {
	n, err := expected(rate, horizon)
	if err != nil {
		return nil, err
	}
	s := make(Schedule, 0, int(n)+1)
	for i := 0; ; i++ {
		due := int64(math.Round(float64(i) * 1e9 / rate))
		if due >= int64(horizon) {
			return s, nil
		}
		s = append(s, due)
	}
}

// Poisson draws exponential gaps of mean 1/rate until the horizon. The unit-rate arrivals depend on the seed alone and are scaled by
// the rate, so two rates of one seed see the same pattern of bursts.
func Poisson(seed uint64, rate float64, horizon time.Duration) (Schedule, error) {
	n, err := expected(rate, horizon)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x6172726976616c73)) // "arrivals"
	s := make(Schedule, 0, int(n+4*math.Sqrt(n))+16)
	unit := 0.0
	for {
		unit -= math.Log(1 - rng.Float64())
		due := unit / rate * 1e9
		if due >= float64(horizon) {
			return s, nil
		}
		s = append(s, int64(due))
	}
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
