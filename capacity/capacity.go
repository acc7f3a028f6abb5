// Package capacity searches the highest rate of requests at which a model meets its latency objectives, and says between which two rates
// it lies. It knows nothing about processes or models: a probe is a function that sends a load and gives back what happened to each request.
//
// The search: a closed loop shows the most that can be done, X. Bisection on the rate between X/8 and X narrows the range to 5 %, all probes under
// the same arrivals, stretched. What was measured is then replayed (stats.Replay) to place the rate itself with its uncertainty, and both ends of
// that band are probed again under fresh arrivals, in random order, until the band is narrow or the time is spent. A journal keeps one
// record a probe, so that a search that was killed goes on where it was.
package capacity

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"assay/loadgen"
	"assay/results"
)

// Plan is what is searched.
type Plan = results.CapacityPlan

// Request is one probe as the search asks for it.
type Request struct {
	results.Probe
	Servers int
	Warmup  time.Duration
	Timeout time.Duration // of a request, from when it was due; 0 for never
}

// Samples are what happened to the requests of a probe that were due in its window, in the order in which they were due. Instants are in
// nanoseconds from any common zero.
type Samples struct {
	Rows     []results.Request
	From, To int64    // the window
	Lateness *float64 // p99 of how late requests were issued, seconds; nil in a closed loop
	Validity string   // of the trial
	Reasons  []string
}

// Prober sends loads. Its methods are called one at a time.
type Prober interface {
	// Probe carries a load out and keeps its samples under the arm and block that it names. The error ends the search.
	Probe(ctx context.Context, r Request) (Samples, string, error)
	// Load gives the samples of a probe that was carried out before.
	Load(p results.Probe) (Samples, error)
}

// ErrNothing is a closed loop in which no request ended well.
var ErrNothing = errors.New("no request ended well in the closed loop, so there is no rate to search")

// replayLength is how many arrivals are replayed; tests of the search's shape take fewer.
var replayLength = 1 << 22

// schedule is a long known schedule at a rate of 1 with its draws, for replays.
type schedule struct {
	arrivals []float64
	draws    []float32
}

// newSchedule draws n arrivals of the plan's process; they are not those of any probe.
func newSchedule(p Plan, n int) (schedule, error) {
	process, shape, err := loadgen.ParseArrivals(p.Arrivals)
	if err != nil {
		return schedule{}, err
	}
	const rate = 1e6                                                                                 // so that a nanosecond is a thousandth of a gap
	a := loadgen.Arrivals{Process: process, Shape: shape, Rate: rate, Seed: p.Seed ^ 0x7265706c6179} // "replay"
	due, err := a.Schedule(0, time.Duration(float64(n)/rate*1e9))
	if err != nil {
		return schedule{}, err
	}
	s := schedule{arrivals: make([]float64, len(due)), draws: make([]float32, len(due))}
	rng := rand.New(rand.NewPCG(p.Seed, 0x6472617773)) // "draws"
	for i, d := range due {
		s.arrivals[i] = float64(d) * rate / 1e9
		s.draws[i] = rng.Float32()
	}
	return s, nil
}
