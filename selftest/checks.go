package selftest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"assay/loadgen"
	"assay/results"
	"assay/results/stats"
)

// statistics are spot checks of what every report is computed with, against tabled values.
func (t *tester) statistics() ([]Check, error) {
	early := Check{Name: "statistics.early_stopping", Expected: "64, 662, 12571 requests (MLPerf's table)", Verdict: Pass}
	p90, p99, many := stats.MLPerf(0.9).Needed(1), stats.MLPerf(0.99).Needed(1), stats.MLPerf(0.99).Needed(100)
	if early.Measured = fmt.Sprintf("%d, %d, %d requests", p90, p99, many); p90 != 64 || p99 != 662 || many != 12571 {
		early.Verdict = Fail
	}
	q := stats.Quantile([]float64{1, 2, 3, 4, 10}, 0.9)
	rng := rand.New(rand.NewPCG(1, 1))
	accepted, runs := 0, 200
	for range runs {
		if stats.BatchMeans(exponentials(rng, 20_000), 0.99, math.Log(100)).Verdict == stats.VerdictPass {
			accepted++
		}
	}
	return []Check{
		within("statistics.quantile", q, 7.6, 1e-12, "; (type 7)", 1),
		early,
		atMost("statistics.false_acceptance", float64(accepted)/float64(runs), 0.05, "%; of boundary cases (nominal 1)", 100),
	}, nil
}

func exponentials(rng *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.ExpFloat64()
	}
	return out
}

// schedules draws Poisson arrivals and looks for the exponential law.
func (t *tester) schedules() ([]Check, error) {
	const rate = 1000.0
	s, err := loadgen.Poisson(1, rate, 100*time.Second)
	if err != nil {
		return nil, err
	}
	gaps := make([]float64, len(s))
	last := int64(0)
	for i, due := range s {
		gaps[i], last = float64(due-last)/1e9*rate, due
	}
	slices.Sort(gaps)
	worst, n := 0.0, float64(len(gaps))
	for i, gap := range gaps {
		f := 1 - math.Exp(-gap)
		worst = max(worst, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	return []Check{atMost("schedule.poisson", worst*math.Sqrt(n), 1.63, "; (Kolmogorov and Smirnov, 1 % level)", 1)}, nil
}

// null measures what the generator itself costs.
func (t *tester) null() ([]Check, error) {
	const n, rounds = 300_000, 8 // of the rounds the quickest counts: the others were disturbed
	var before, after runtime.MemStats
	perRequest, rate, allocations := math.Inf(1), 0.0, math.Inf(1)
	for range rounds {
		cfg := loadgen.Config{Duration: time.Hour, Requests: n}
		runtime.ReadMemStats(&before)
		o, _, err := t.load(cfg, nothing{})
		runtime.ReadMemStats(&after)
		if err != nil {
			return nil, err
		}
		perRequest = min(perRequest, float64(o.MeasureEnd-o.MeasureStart)/n)
		// The rows themselves are read into one slice; what a request allocates would show beside it.
		allocations = min(allocations, float64(after.Mallocs-before.Mallocs)/n)
		cfg.AtOnce = true
		o, rows, err := t.load(cfg, nothing{})
		if err != nil {
			return nil, err
		}
		rate = max(rate, float64(len(rows))/(float64(o.MeasureEnd-o.MeasureStart)/1e9))
	}
	offline := Check{Name: "null.offline_rate", Measured: number(rate/1e6) + " million requests/s", Expected: "at least 2 million requests/s", Verdict: Pass}
	if rate < 2e6 {
		offline.Verdict = Suspect
		offline.Why = slowProcessor
	}
	closed := atMost("null.closed_loop", perRequest, 150, "ns; a request, with its stamps and its record", 1)
	if closed.Verdict == Fail {
		closed.Verdict, closed.Why = Suspect, slowProcessor
	}
	return []Check{closed, offline, atMost("null.allocations", allocations, 0.001, "; a request", 1)}, nil
}

// fidelity sends a schedule to nothing and looks how late requests are issued.
func (t *tester) fidelity() ([]Check, error) {
	var checks []Check
	for _, rate := range []float64{200, 2000} {
		length := t.o.length(2 * time.Second)
		s, err := loadgen.Poisson(2, rate, length)
		if err != nil {
			return nil, err
		}
		clock := loadgen.NewThreadClock()
		pacing := loadgen.ChoosePacing(clock, t.o.Cores, 2, rate)
		_, rows, err := t.load(loadgen.Config{Schedule: s, Duration: length, Clock: clock, Spin: pacing.Spin}, nothing{})
		if err != nil {
			return nil, err
		}
		late := column(rows, func(r results.Request) int64 { return r.IssuedNS - r.DueNS })
		p50, p99 := 1e-6, 100e-6
		if pacing.Spin == 0 {
			p50, p99 = 150e-6, 1.3e-3
		}
		for _, c := range []Check{
			atMost(fmt.Sprintf("schedule.lateness_p50.%g", rate), stats.Quantile(late, 0.5), p50, "us", 1e6),
			atMost(fmt.Sprintf("schedule.lateness_p99.%g", rate), stats.Quantile(late, 0.99), p99, "us", 1e6),
		} {
			if c.Verdict == Fail {
				c.Verdict, c.Why = Suspect, "the host is busy: open loads will be called suspect or invalid here; "+pacing.Why
			}
			checks = append(checks, c)
		}
		sent := Check{Name: fmt.Sprintf("schedule.sent.%g", rate), Measured: fmt.Sprintf("%d requests", len(rows)), Expected: fmt.Sprint(len(s)), Verdict: Pass}
		if len(rows) != len(s) {
			sent.Verdict = Fail
		}
		checks = append(checks, sent)
	}
	return checks, nil
}

// column gives one difference of every row in seconds, ascending.
func column(rows []results.Request, of func(results.Request) int64) []float64 {
	out := make([]float64, len(rows))
	for i, r := range rows {
		out[i] = float64(of(r)) / 1e9
	}
	slices.Sort(out)
	return out
}

// The planted stall: an even load, and one request that takes half a second longer.
const (
	stallRate, stallService, stallLength, stallWindow = 200.0, 1e-3, 0.5, 10.0
	stallAt                                           = 1000
)

// stall plants a stop of half a second into an even load.
func (t *tester) stall() ([]Check, error) {
	s, err := loadgen.Constant(stallRate, time.Duration(stallWindow*1e9))
	if err != nil {
		return nil, err
	}
	_, rows, err := t.load(loadgen.Config{Schedule: s, Duration: time.Duration(stallWindow * 1e9)}, planted(stallServices))
	if err != nil {
		return nil, err
	}
	return stallChecks(rows), nil
}

func stallServices(n int) time.Duration {
	if n == stallAt {
		return time.Duration((stallService + stallLength) * 1e9)
	}
	return time.Duration(stallService * 1e9)
}

// stallChecks hold the rows of the planted stall against closed forms. For a rate r, service s, load rho = r s, stall D and window T the quantile p of
// latency is D - (1-p) T (1-rho) + s, and r D / (1-rho) requests are late; measured from send, p99 would stay at s.
func stallChecks(rows []results.Request) []Check {
	rho := stallRate * stallService
	latency := column(rows, func(r results.Request) int64 { return r.DoneNS - r.DueNS })
	served := column(rows, func(r results.Request) int64 { return r.DoneNS - r.StartedNS })
	quantile := func(p float64) float64 { return stallLength - (1-p)*stallWindow*(1-rho) + stallService }
	// Of the requests behind the stall those that wait longer than 30 ms are counted: a shorter wait may be the host's.
	const floor = 30e-3
	late := 0
	for _, l := range latency {
		if l > floor {
			late++
		}
	}
	affected := stallRate * (stallLength + stallService - floor) / (1 - rho)
	return soften(disturbed(served, stallService), []Check{
		within("stall.latency_p99", stats.Quantile(latency, 0.99), quantile(0.99), 0.02*quantile(0.99)+2e-3, "ms", 1e3),
		within("stall.latency_p99.9", stats.Quantile(latency, 0.999), quantile(0.999), 0.02*quantile(0.999)+2e-3, "ms", 1e3),
		within("stall.affected", float64(late), affected, 0.03*affected, "requests", 1),
		within("stall.service_p99", stats.Quantile(served, 0.99), stallService, 1e-3, "ms", 1e3),
	})
}

// disturbed says that planted services took longer than planted, which is the host's doing; "" where they did not. served is ascending, in
// seconds.
func disturbed(served []float64, planted float64) string {
	const extra, share = 200e-6, 0.01
	// The stall itself is one of the services.
	i, _ := slices.BinarySearch(served, planted+extra)
	if late := len(served) - i - 1; float64(late) > share*float64(len(served)) {
		return fmt.Sprintf("the host took %.1f %% of the services away from this process for more than 0.2 ms", 100*float64(late)/float64(len(served)))
	}
	return ""
}

// soften makes checks that fail suspect, where the host gives a reason.
func soften(why string, checks []Check) []Check {
	for i := range checks {
		if why != "" && checks[i].Verdict == Fail {
			checks[i].Verdict, checks[i].Why = Suspect, why
		}
	}
	return checks
}

// slowProcessor is why a cost that is a little above what it may be is no fault of the generator.
const slowProcessor = "this processor is slow, or something else runs on it"

// faultyRecorder is the share of a service of 1 ms, ten microseconds, that no processor needs for two stamps and a record.
const faultyRecorder = 0.01

// recorder compares a service of 1 ms under the generator with a plain loop of it.
func (t *tester) recorder() ([]Check, error) {
	var ratios, all []float64
	for range 5 {
		target := planted(func(int) time.Duration { return time.Millisecond })
		plain := make([]float64, 200)
		for i := range plain {
			begun := time.Now()
			_ = target.Do(0, 0)
			plain[i] = time.Since(begun).Seconds()
		}
		slices.Sort(plain)
		all = append(all, plain...)
		_, rows, err := t.load(loadgen.Config{Duration: time.Hour, Requests: 200}, target)
		if err != nil {
			return nil, err
		}
		recorded := column(rows, func(r results.Request) int64 { return r.DoneNS - r.StartedNS })
		ratios = append(ratios, stats.Quantile(recorded, 0.5)/stats.Quantile(plain, 0.5)-1)
	}
	slices.Sort(ratios)
	slices.Sort(all)
	why := disturbed(all, 1e-3)
	if why == "" && ratios[len(ratios)/2] < faultyRecorder {
		why = slowProcessor
	}
	return soften(why, []Check{atMost("recorder.cost", ratios[len(ratios)/2], 0.001, "%; of the median of a 1 ms service", 100)}), nil
}

// sampler compares the p99 of a service of 1 ms with a sampler beside it and without, in alternating pairs.
func (t *tester) sampler() ([]Check, error) {
	if t.o.Sampler == nil {
		return nil, nil
	}
	pairs := 5
	if t.o.Full {
		pairs = 20
	}
	var ratios []float64
	for range pairs {
		var p99 [2]float64
		for side := range p99 {
			stop := func() {}
			if side == 1 {
				var err error
				if stop, err = t.o.Sampler(); err != nil {
					return nil, err
				}
			}
			_, rows, err := t.load(loadgen.Config{Duration: 400 * time.Millisecond}, planted(func(int) time.Duration { return time.Millisecond }))
			stop()
			if err != nil {
				return nil, err
			}
			p99[side] = stats.Quantile(column(rows, func(r results.Request) int64 { return r.DoneNS - r.StartedNS }), 0.99)
		}
		ratios = append(ratios, p99[1]/p99[0]-1)
	}
	slices.Sort(ratios)
	c := atMost("sampler.cost", ratios[len(ratios)/2], 0.01, "%; of the p99 of a 1 ms service (median of pairs)", 100)
	if c.Verdict == Fail {
		c.Verdict, c.Why = Suspect, "the sampler takes a core from the load; fewer samples (--sample-every) cost less"
	}
	return []Check{c}, nil
}
