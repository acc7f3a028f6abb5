package child

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"assay/loadgen"
	"assay/results"
)

// schedule sets when the requests of a server load are due, and which inputs they take where a trace says so.
func (t *trial) schedule(cfg *loadgen.Config) (err error) {
	l := t.config.Load
	if file, ok := strings.CutPrefix(l.Arrivals, "trace:"); ok {
		return t.replay(cfg, file)
	}
	a, err := ArrivalsOf(l)
	if err != nil {
		return err
	}
	a.Rate, a.Seed = t.config.Rate, t.config.Arrivals
	horizon := t.horizon(cfg, a.Rate)
	if cfg.Schedule, err = a.Schedule(cfg.Warmup, horizon); err != nil {
		return err
	}
	t.out.Rate, t.asked = a.Rate, a.MeanRate(horizon)
	return nil
}

// horizon is how far a schedule must reach: for a window that lasts until it has enough requests, six standard deviations of a Poisson count
// beyond the mean. A window that ends with its requests needs no more than twice as many, where the rate is the same all the time.
func (t *trial) horizon(cfg *loadgen.Config, rate float64) time.Duration {
	l := t.config.Load
	if cfg.Requests > 0 && l.Profile == "" && !l.Normalize && !strings.HasPrefix(l.Arrivals, "gamma") {
		return min(cfg.Duration, time.Duration(float64(2*cfg.Requests+1000)/rate*float64(time.Second)))
	}
	n := float64(cfg.MinRequests)
	enough := time.Duration((n + float64(6*math.Sqrt(n)) + 1) / rate * float64(time.Second))
	return max(cfg.Duration, min(enough, cfg.Longest))
}

// replay lays a trace behind a warm-up of Poisson arrivals at the trace's own rate.
func (t *trial) replay(cfg *loadgen.Config, file string) error {
	trace, err := ReadTrace(file, t.config.Load.TimeScale)
	if err != nil {
		return err
	}
	rate := max(trace.Rate(), 1/max(cfg.Duration.Seconds(), 1))
	if cfg.Schedule, err = (loadgen.Arrivals{Rate: rate, Seed: t.config.Arrivals}).Schedule(0, cfg.Warmup); err != nil {
		return err
	}
	if trace.Inputs != nil {
		cfg.Which = make([]int32, len(cfg.Schedule), len(cfg.Schedule)+len(trace.Inputs))
	}
	if l := t.config.Load; l.Asked > 0 {
		t.out.Notes = append(t.out.Notes, fmt.Sprintf("trace: it ends after %v, and measure with it, although %v were asked for", l.Duration-time.Millisecond, l.Asked))
	}
	for i, offset := range trace.Offsets {
		if offset >= int64(cfg.Duration) {
			t.out.Notes = append(t.out.Notes, fmt.Sprintf("trace: measure ends after %v, with %d of its %d arrivals", cfg.Duration, i, len(trace.Offsets)))
			break
		}
		cfg.Schedule = append(cfg.Schedule, int64(cfg.Warmup)+offset)
		if trace.Inputs != nil {
			cfg.Which = append(cfg.Which, trace.Inputs[i])
		}
	}
	t.out.Rate, t.asked = rate, rate
	return nil
}

// ArrivalsOf reads how a load's requests are spaced, without rate and seed.
func ArrivalsOf(l results.Load) (a loadgen.Arrivals, err error) {
	if a.Process, a.Shape, err = loadgen.ParseArrivals(l.Arrivals); err != nil {
		return a, err
	}
	a.Normalize = l.Normalize
	a.Profile, err = loadgen.ParseProfile(l.Profile)
	return a, err
}

// enoughInputs refuses a trace that names an input which there is not. Where a model takes none there is nothing to choose from.
func (c *Config) enoughInputs(taken, inputs int) error {
	if taken == 0 || inputs >= c.Load.Inputs {
		return nil
	}
	file := strings.TrimPrefix(c.Load.Arrivals, "trace:")
	trace, err := ReadTrace(file, c.Load.TimeScale)
	if err != nil {
		return usageError{err}
	}
	return usage("trace %s: line %d asks for input %d, and there are %d, from 0 to %d", file, trace.MaxLine, trace.WantedInputs()-1, inputs, inputs-1)
}

// ReadTrace reads a file of recorded arrivals; a scale of 0 is 1.
func ReadTrace(file string, scale float64) (*loadgen.Trace, error) {
	if scale == 0 {
		scale = 1
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the trace: %w", err)
	}
	defer f.Close()
	trace, err := loadgen.ReadTrace(f, scale)
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", file, err)
	}
	return trace, nil
}
