package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"sync/atomic"
	"testing"
)

// follow asks an outlook every 20 ms of a window about a queue of which everything is known, and returns when it gives up, +Inf where it does not.
// done is +Inf for requests that are not served; queues are left in order.
func follow(o *OverloadOutlook, due, done []float64, length float64) float64 {
	n, left := sort.SearchFloat64s(due, length), 0
	gone := func(i int) float64 { return min(done[i], due[i]+o.timeout) }
	for now := 0.02; now < length; now += 0.02 {
		for left < n && gone(left) <= now {
			o.Add(due[left], done[left])
			left++
		}
		waiting := sort.SearchFloat64s(due[:n], now) - left
		if o.Hopeless(now, waiting, slices.Values(due[left:n])) {
			return now
		}
	}
	return math.Inf(1)
}

// atRate is a queue that starts empty, at so many arrivals a second and a load of rho.
func atRate(rng *rand.Rand, rate, rho, length float64, exponential bool) (due, done []float64) {
	due, done = queue(rng, rho, int(1.2*rate*length), exponential)
	for k := range due {
		due[k], done[k] = due[k]*rho/rate, done[k]*rho/rate
	}
	return due, done
}

// TestOutlookGivesUpWhatWillBeOverloaded: no load that is served is given up, one that is clearly too high early on, and what is given up is, but
// for the coin's toss at saturation, what the rule finds at the end.
func TestOutlookGivesUpWhatWillBeOverloaded(t *testing.T) {
	const length, rate = 60, 200
	runs := 40
	if long() {
		runs = 1000
	}
	for _, exponential := range []bool{false, true} {
		for _, c := range []struct{ rho, least, most, by float64 }{
			{0.95, 0, 0, 1}, {0.98, 0, 0.03, 1}, {1.02, 0.2, 0.8, 1}, {1.1, 1, 1, 0.6}, {1.5, 1, 1, 0.15}, {4, 1, 1, 0.15},
		} {
			var early, falsely atomic.Int64
			given := share(runs, 4, func(rng *rand.Rand) bool {
				due, done := atRate(rng, rate, c.rho, length, exponential)
				at := follow(NewOverloadOutlook(length, 1, 0), due, done, length)
				if at <= c.by*length {
					early.Add(1)
				}
				if !math.IsInf(at, 1) && !JudgeOverload(due, done, length).Overloaded {
					falsely.Add(1)
				}
				return !math.IsInf(at, 1)
			})
			wrong, soon := float64(falsely.Load())/float64(runs), float64(early.Load())/float64(runs)
			t.Logf("exponential %v, rho %.2f: given up %.1f %%, falsely %.1f %%, %.0f %% by %.2f of the window", exponential, c.rho, 100*given, 100*wrong, 100*soon, c.by)
			if given < c.least || given > c.most || wrong > 0.05 {
				t.Errorf("exponential %v, rho %.2f: given up %.1f %%, want %.0f to %.0f; falsely %.1f %%", exponential, c.rho, 100*given, 100*c.least, 100*c.most, 100*wrong)
			}
			if c.least == 1 && soon < 0.9 {
				t.Errorf("exponential %v, rho %.2f: %.0f %% were given up by %.2f of the window", exponential, c.rho, 100*soon, c.by)
			}
		}
	}
}

// serve is a server of the given speed, requests a second, in front of which requests wait for at most a timeout.
func serve(due []float64, speed, timeout float64) []float64 {
	done, free := make([]float64, len(due)), 0.0
	for i, at := range due {
		start := max(free, at)
		if start-at > timeout {
			done[i] = math.Inf(1)
			continue
		}
		free = start + 1/speed
		done[i] = free
	}
	return done
}

// TestOutlookKnowsTheSchedule: a burst that will be worked off is none, and a rate that has just begun to be too high is one only where it stays.
func TestOutlookKnowsTheSchedule(t *testing.T) {
	const length = 30.0
	var burst, rising []float64
	for i := range 5000 { // 200/s for 10 s, then 50/s; and the other way round
		burst = append(burst, float64(i)/200)
		if i >= 2000 {
			burst[i] = 10 + float64(i-2000)/50
		}
		rising = append(rising, float64(i)/50)
		if i >= 500 {
			rising[i] = 10 + float64(i-500)/200
		}
	}
	follows := func(due []float64, speed, timeout float64) float64 {
		return follow(NewOverloadOutlook(length, 1, timeout), due, serve(due, speed, math.Inf(1)), length)
	}
	if at := follows(burst, 120, 0); !math.IsInf(at, 1) {
		t.Errorf("a burst of 800 requests that is worked off within the window is given up after %v s", at)
	}
	if at := follows(burst, 35, 0); at > 12 {
		t.Errorf("a burst behind which the rate is still too high is given up only after %v s", at)
	}
	if at := follows(rising, 120, 0); at < 10 || at > 20 {
		t.Errorf("a rate that is too high from second 10 on is given up after %v s", at)
	}
	if at := follows(rising, 220, 0); !math.IsInf(at, 1) {
		t.Errorf("a rate that is served is given up after %v s", at)
	}
}

// TestOutlookOfStalls: while nothing is served nobody knows how fast the rest will be.
func TestOutlookOfStalls(t *testing.T) {
	const length = 30.0
	due := make([]float64, 3000)
	for i := range due {
		due[i] = float64(i) / 100
	}
	done, free := make([]float64, len(due)), 0.0
	for i, at := range due {
		if free = max(free, at) + 0.002; at >= 5 && due[i-1] < 5 {
			free += 8
		}
		done[i] = free
	}
	if at := follow(NewOverloadOutlook(length, 1, 0), due, done, length); !math.IsInf(at, 1) {
		t.Errorf("a stall of 8 s is given up after %v s, and is over after 15", at)
	}
}
