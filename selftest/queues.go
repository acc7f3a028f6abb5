package selftest

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"assay/loadgen"
	"assay/results"
	"assay/results/stats"
)

// queue is a queue whose mean time in it is known: arrivals, services and servers in Kendall's order.
type queue struct {
	name            string
	random          bool          // Poisson arrivals, else evenly spaced ones
	service         time.Duration // mean
	varies          bool          // exponential services, else constant ones
	servers         int
	load            float64 // of each server
	length          time.Duration
	mean            func(q queue) float64 // of waiting and service, seconds
	unexplainedTail float64               // seconds that p99 may lie beyond the ideal queue on a quiet host
}

// known are the queues that are tried. Four servers sleep through their services, so that they fit on fewer cores.
var known = []queue{
	{"mm1", true, time.Millisecond, true, 1, 0.5, 4 * time.Second, mm1, 2e-3},
	{"md1", true, time.Millisecond, false, 1, 0.5, 4 * time.Second, md1, 2e-3},
	{"dm1", false, time.Millisecond, true, 1, 0.5, 4 * time.Second, dm1, 2e-3},
	{"mm4", true, 8 * time.Millisecond, true, 4, 0.5, 5 * time.Second, mmc, 2e-3},
}

func (q queue) rate() float64 { return q.load * float64(q.servers) / q.service.Seconds() }

// mm1 is 1/(mu - lambda).
func mm1(q queue) float64 { return q.service.Seconds() / (1 - q.load) }

// md1 adds the wait rho/(2 mu (1 - rho)) of Pollaczek and Khinchine to the service.
func md1(q queue) float64 { return q.service.Seconds() * (1 + q.load/(2*(1-q.load))) }

// dm1 is 1/(mu (1 - sigma)) with sigma = exp(-(1 - sigma)/rho).
func dm1(q queue) float64 {
	sigma := 0.5
	for range 200 {
		sigma = math.Exp(-(1 - sigma) / q.load)
	}
	return q.service.Seconds() / (1 - sigma)
}

// mmc adds the wait C/(c mu - lambda) to the service; C is Erlang's probability of having to wait, by the recursion of his loss formula.
func mmc(q queue) float64 {
	offered, c := q.load*float64(q.servers), float64(q.servers)
	blocked := 1.0
	for k := 1.0; k <= c; k++ {
		blocked = offered * blocked / (k + offered*blocked)
	}
	waits := blocked / (1 - q.load*(1-blocked))
	return q.service.Seconds() * (1 + waits/(c*(1-q.load)))
}

// draw gives when requests are due and how long their services are.
func (q queue) draw(seed uint64, length time.Duration) (loadgen.Schedule, []time.Duration, error) {
	s, err := loadgen.Constant(q.rate(), length)
	if q.random {
		s, err = loadgen.Poisson(seed, q.rate(), length)
	}
	rng := rand.New(rand.NewPCG(seed, 4))
	services := make([]time.Duration, len(s))
	for i := range services {
		services[i] = q.service
		if q.varies {
			services[i] = time.Duration(rng.ExpFloat64() * float64(q.service))
		}
	}
	return s, services, err
}

// spread is the standard deviation of a run's mean, over runs of the ideal queue.
func (q queue) spread(length time.Duration) (float64, error) {
	const runs = 200
	sum, squares := 0.0, 0.0
	for seed := range uint64(runs) {
		s, services, err := q.draw(1000+seed, length)
		if err != nil {
			return 0, err
		}
		oracle, mean := loadgen.NewOracle(make([]int64, q.servers)...), 0.0
		for i, due := range s {
			mean += float64(oracle.Wait(due, int64(services[i]))+int64(services[i])) / 1e9 / float64(len(s))
		}
		sum += mean
		squares += mean * mean
	}
	mean := sum / runs
	return math.Sqrt(max(0, squares/runs-mean*mean)), nil
}

// queues drives each queue, and compares the mean latency with its closed form, and each wait with that of the ideal queue which serves in the
// times that were measured.
func (t *tester) queues() ([]Check, error) {
	var all []Check
	for i, q := range known {
		checks, err := t.queue(q, uint64(3+i))
		if err != nil {
			return nil, err
		}
		all = append(all, checks...)
	}
	return all, nil
}

func (t *tester) queue(q queue, seed uint64) ([]Check, error) {
	length := t.o.length(q.length)
	s, services, err := q.draw(seed, length)
	if err != nil {
		return nil, err
	}
	clock := loadgen.NewThreadClock()
	_, rows, err := t.load(loadgen.Config{Workers: q.servers, Schedule: s, Duration: length, Clock: clock}, serving(clock, services, q.servers > 1))
	if err != nil {
		return nil, err
	}
	sd, err := q.spread(length)
	if err != nil {
		return nil, err
	}
	oracle := loadgen.NewOracle(make([]int64, q.servers)...)
	beyond := column(rows, func(r results.Request) int64 {
		return r.StartedNS - r.DueNS - oracle.Wait(r.DueNS, r.DoneNS-r.StartedNS)
	})
	latency := column(rows, func(r results.Request) int64 { return r.DoneNS - r.DueNS })
	const perRequest = 400e-6 // waking a worker, and a server that sleeps
	tail := stats.Quantile(beyond, 0.99)
	why := disturbed(excess(rows, services), 0)
	if why == "" && tail > q.unexplainedTail {
		why = "the host wakes this process late"
	}
	return soften(why, []Check{
		within("queue."+q.name+".mean", average(latency), q.mean(q), 4*sd+perRequest, "ms; (closed form, 4 standard deviations)", 1e3),
		atMost("queue."+q.name+".unexplained_p50", stats.Quantile(beyond, 0.5), 200e-6, "us; beyond the ideal queue", 1e6),
		atMost("queue."+q.name+".unexplained_p99", tail, q.unexplainedTail, "us; beyond the ideal queue", 1e6),
	}), nil
}

// serving is a Target of planted services in the order of its calls.
func serving(clock loadgen.Clock, services []time.Duration, asleep bool) loadgen.Target {
	var n atomic.Int64
	return targetFunc(func() {
		until := clock.Now() + int64(services[(n.Add(1)-1)%int64(len(services))])
		if asleep {
			clock.WaitUntil(until)
		}
		for clock.Now() < until { //nolint:revive // it spins
		}
	})
}

// excess is by how much services took longer than planted, ascending: the shortest is compared with the shortest, and so on.
func excess(rows []results.Request, services []time.Duration) []float64 {
	took := column(rows, func(r results.Request) int64 { return r.DoneNS - r.StartedNS })
	sorted := slices.Clone(services)
	slices.Sort(sorted)
	for i := range took {
		took[i] -= sorted[i].Seconds()
	}
	slices.Sort(took)
	return took
}

func average(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// full is the first instant at which so many requests are in flight: all workers have begun then, of which a busy host starts some later than others.
// It is the zero of the rows where there is none.
func full(rows []results.Request, workers int) int64 {
	for _, r := range rows {
		n := 0
		for _, other := range rows {
			if other.DueNS <= r.DueNS && r.DueNS < other.DoneNS {
				n++
			}
		}
		if n == workers {
			return r.DueNS
		}
	}
	return 0
}

// closedLoop keeps four requests in flight and looks for Little's law, N = X R, which holds in every run whatever the services.
func (t *tester) closedLoop() ([]Check, error) {
	const workers, service = 4, 5 * time.Millisecond
	clock := loadgen.NewThreadClock()
	o, rows, err := t.load(loadgen.Config{Workers: workers, Duration: t.o.length(2 * time.Second), Clock: clock}, serving(clock, []time.Duration{service}, true))
	if err != nil {
		return nil, err
	}
	// What of each request lies within the window is what it adds to the number in flight, also at the window's ends.
	from, to := full(rows, workers), o.MeasureEnd-o.WarmupStart
	inFlight := 0.0
	for _, r := range rows {
		inFlight += float64(max(0, min(r.DoneNS, to)-max(r.DueNS, from))) / float64(to-from)
	}
	planted := make([]time.Duration, len(rows))
	for i := range planted {
		planted[i] = service
	}
	return soften(disturbed(excess(rows, planted), 0), []Check{within("closed_loop.littles_law", inFlight, workers, 0.005*workers, "; in flight", 1)}), nil
}
