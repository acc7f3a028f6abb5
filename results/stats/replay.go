package stats

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mathext"
)

// Call is one measured call of a model: how long it kept its server, and in which situation it began.
type Call struct {
	Seconds float64
	Busy    int  // other calls in progress when it began
	Waited  bool // every server was busy when it was due
	Failed  bool
}

// Replay predicts how many requests of a first-come first-served queue are late at any rate, from calls that were measured at some. It
// sends a long known schedule through the recursion of Kiefer and Wolfowitz; each request takes the length of a call that was measured in the
// same situation (as many other calls in progress, or after a wait), so that contention and the cost of waking up are kept. The arrivals are the
// generator's own and known, so the chance in them is averaged out: what is left is that of the calls. Where calls depend on one another beyond
// their situation, as on a machine that is fast for a second and slow for the next, they are taken in the order in which they were measured,
// a long piece at a time; else each is drawn by itself. Whoever uses it holds it against measured latencies.
type Replay struct {
	servers  int
	arrivals []float64 // at one request a second, ascending
	draws    []float32 // in [0, 1), one a request: equal for all rates, so that what is predicted rises with the rate
	calls    callTable
	without  []callTable // with a part of the calls left out
	n        int
	blocks   bool
	means    []float64 // of each part of the calls, seconds
	patience float64   // seconds; a request that waits for longer is not sent
}

// callTable gives the calls that requests of a replay take.
type callTable interface {
	// take is the length in seconds of the call that a request takes, negative for one that failed: u is its draw, from is the draw of the
	// piece that it belongs to, and i its place in that piece.
	take(situation int, u, from float32, i int) float64
	// piece is how many requests follow one another's calls.
	piece() int
}

// Into how many parts calls are cut, in the order in which they were measured, to see how far the prediction depends on them: longer ones where calls
// depend on one another.
const (
	drawnParts   = 40
	orderedParts = 20
)

// leastInSituation is how many calls stand for a situation; where there are fewer, those of its neighbour do.
const leastInSituation = 100

// NewReplay takes calls in the order in which they were measured, arrivals at a rate of 1 and as many draws; neither slice is changed.
func NewReplay(servers int, calls []Call, arrivals []float64, draws []float32) *Replay {
	r := &Replay{servers: servers, arrivals: arrivals, draws: draws, n: len(calls), means: partMeans(calls), patience: math.Inf(1)}
	if r.blocks = depend(servers, calls); r.blocks {
		r.calls, r.without = newOrderedTables(servers, calls)
		return r
	}
	sorted := make([]orderedCall, len(calls))
	for i, c := range calls {
		sorted[i] = orderedCall{c, i * drawnParts / len(calls)}
	}
	slices.SortFunc(sorted, func(a, b orderedCall) int { return cmp.Compare(a.Seconds, b.Seconds) })
	r.calls = newDrawnTable(servers, sorted, -1)
	for part := range drawnParts {
		r.without = append(r.without, newDrawnTable(servers, sorted, part))
	}
	return r
}

// LeaveAfter makes requests that have waited for so many seconds leave the queue unserved, and count as late.
func (r *Replay) LeaveAfter(seconds float64) { r.patience = seconds }

// orderedCall is a call with the part that it belongs to.
type orderedCall struct {
	Call
	part int
}

// N is how many calls there are.
func (r *Replay) N() int { return r.n }

// InOrder says that the calls depend on one another and are replayed in pieces.
func (r *Replay) InOrder() bool { return r.blocks }

// Parts is how many parts of the calls the prediction's uncertainty is known from.
func (r *Replay) Parts() int { return len(r.without) }

// Means are the shortest and the longest mean length of a part of the calls, a twentieth each in the order in which they were measured, seconds.
func (r *Replay) Means() (least, most float64) { return slices.Min(r.means), slices.Max(r.means) }

func partMeans(calls []Call) []float64 {
	out := make([]float64, min(orderedParts, len(calls)))
	for k := range out {
		own := calls[k*len(calls)/len(out) : (k+1)*len(calls)/len(out)]
		for i := range own {
			out[k] += own[i].Seconds / float64(len(own))
		}
	}
	return out
}

// situation is the row of a table for a call. The last is that after a wait.
func (c *Call) situation(servers int) int {
	if c.Waited {
		return servers
	}
	return min(c.Busy, servers-1)
}

// signed is the call's length, negative where it failed.
func (c *Call) signed() float64 {
	if c.Failed {
		return -c.Seconds
	}
	return c.Seconds
}

// drawnTable holds the lengths of calls by situation, ascending, of which each request draws one.
type drawnTable struct{ bySituation [][]float32 }

func (t *drawnTable) take(situation int, u, _ float32, _ int) float64 { return t.at(situation, u) }

func (t *drawnTable) at(situation int, u float32) float64 {
	lengths := t.bySituation[situation]
	return float64(lengths[int(float64(u)*float64(len(lengths)))])
}

func (t *drawnTable) piece() int { return 1 }

// newDrawnTable takes calls by ascending length and leaves one part out.
func newDrawnTable(servers int, sorted []orderedCall, without int) *drawnTable {
	t := &drawnTable{bySituation: make([][]float32, servers+1)}
	for i := range sorted {
		c := &sorted[i]
		if c.part == without {
			continue
		}
		situation := c.situation(servers)
		t.bySituation[situation] = append(t.bySituation[situation], float32(c.signed()))
	}
	lend(t.bySituation)
	return t
}

// lend gives situations that were seen too seldom the calls of the nearest one that was not, the busier one first.
func lend[T any](bySituation [][]T) {
	most, enough := 0, make([]bool, len(bySituation))
	for i, lengths := range bySituation {
		enough[i] = len(lengths) >= leastInSituation
		if len(lengths) > len(bySituation[most]) {
			most = i
		}
	}
	enough[most] = true
	for i := range bySituation {
		for distance := 1; !enough[i] && distance < len(enough); distance++ {
			for _, j := range []int{i + distance, i - distance} {
				if j >= 0 && j < len(enough) && enough[j] {
					bySituation[i] = bySituation[j]
					distance = len(enough)
					break
				}
			}
		}
	}
}

// Late is the predicted share of requests that take longer than each limit, or fail.
type Late struct {
	Share []float64 // of each limit
	Noise []float64 // standard error that the length of the replayed schedule leaves, of each limit
	Spans []float64 // variance of a share relative to that of independent requests: how many requests say as much as one independent one
}

// replayBatches is into how many parts a replayed schedule is cut to see how far its requests depend on one another.
const replayBatches = 32

// Late replays the first n arrivals at a rate in requests per second, or all of them where n is 0. limits are in seconds.
func (r *Replay) Late(rate float64, limits []float64, n int) Late {
	return r.late(r.calls, rate, limits, n)
}

func (r *Replay) late(t callTable, rate float64, limits []float64, n int) Late {
	if n == 0 || n > len(r.arrivals) {
		n = len(r.arrivals)
	}
	counts := r.run(t, rate, limits, n)
	size := float64(n / replayBatches)
	out := Late{Share: make([]float64, len(limits)), Noise: make([]float64, len(limits)), Spans: make([]float64, len(limits))}
	for k := range limits {
		shares := make([]float64, 0, replayBatches-1)
		for _, c := range counts[1:] { // the first part begins with an empty queue
			shares = append(shares, float64(c[k])/size)
		}
		mean, sd := meanSD(shares)
		out.Share[k], out.Noise[k], out.Spans[k] = mean, sd/math.Sqrt(float64(len(shares))), 1
		if independent := mean * (1 - mean) / size; independent > 0 {
			out.Spans[k] = max(1, sd*sd/independent)
		}
	}
	return out
}

// run counts the late requests of each part of the schedule for each limit. Time is in mean gaps between arrivals.
func (r *Replay) run(t callTable, rate float64, limits []float64, n int) [replayBatches][]int {
	var counts [replayBatches][]int
	for b := range counts {
		counts[b] = make([]int, len(limits))
	}
	scaled := make([]float64, len(limits))
	for k, limit := range limits {
		scaled[k] = limit * rate
	}
	q := newStation(r.servers)
	patience := r.patience * rate
	drawn, isDrawn := t.(*drawnTable) // which costs less where the compiler knows it
	size, piece, from := n/replayBatches, t.piece(), 0
	for part, late := range counts {
		for i := part * size; i < (part+1)*size; i++ {
			if i-from >= piece {
				from = i
			}
			at := r.arrivals[i]
			first, busy := q.next(at) // every server busy is the situation after a wait
			took, failed := math.Inf(1), true
			if q[first]-at <= patience {
				var length float64
				if isDrawn {
					length = drawn.at(busy, r.draws[i])
				} else {
					length = t.take(busy, r.draws[i], r.draws[from], i-from)
				}
				took, failed = q.serve(first, at, math.Abs(length)*rate), length < 0
			}
			for k := range scaled {
				if took > scaled[k] || failed {
					late[k]++
				}
			}
		}
	}
	return counts
}

// jackknife is the standard error of a figure from what it is without each part of the calls.
func jackknife(without []float64) float64 {
	mean, _ := meanSD(without)
	sum := 0.0
	for _, v := range without {
		sum += (v - mean) * (v - mean)
	}
	g := float64(len(without))
	return math.Sqrt((g - 1) / g * sum)
}

// spread is the standard error of the share above a limit that comes from the chance of the calls: by the jackknife over their parts.
func (r *Replay) spread(rate float64, limits []float64, n int) float64 {
	without := make([]float64, len(r.without))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				without[i] = r.late(r.without[i], rate, limits, n).Share[0]
			}
		})
	}
	for i := range without {
		next <- i
	}
	close(next)
	wg.Wait()
	return jackknife(without)
}

// half is how far a one-sided bound of the share at a level is from it: by the chance of the calls, and by the noise of the replay.
func (r *Replay) half(level, rate float64, limits []float64, n int, noise float64) float64 {
	return StudentT(level, float64(len(r.without)-1)) * math.Hypot(r.spread(rate, limits, n), noise)
}

// Bounds are one-sided 99 % bounds of the share of requests above one limit at a rate: of the calls' chance and that of the replay, and
// never narrower than as many independent requests as there are calls would allow. n arrivals are replayed; 0 stands for all.
func (r *Replay) Bounds(rate, limit float64, n int) (share, low, high float64) {
	limits := []float64{limit}
	late := r.Late(rate, limits, n)
	share = late.Share[0]
	half := r.half(0.99, rate, limits, n, late.Noise[0])
	binomialLow, binomialHigh := clopperPearson(share*float64(r.n), float64(r.n), 0.01)
	return share, max(0, min(share-half, binomialLow)), max(share+half, binomialHigh)
}

// clopperPearson bounds a share of which count of n were seen, one-sided at level alpha each.
func clopperPearson(count, n, alpha float64) (low, high float64) {
	high = 1
	if count > 0 {
		low = mathext.InvRegIncBeta(count, n-count+1, alpha)
	}
	if count < n {
		high = mathext.InvRegIncBeta(count+1, n-count, 1-alpha)
	}
	return low, high
}
