package stats

import "gonum.org/v1/gonum/stat/distuv"

// orderedTable holds the calls in the order in which they were measured. Requests of a piece take calls that were measured one after the
// other: each the one of its own situation that was measured next to its place. This is the moving-block bootstrap (Künsch, The Annals of
// Statistics 17, 1989, 1217-1241), which keeps what calls have to do with those before them.
type orderedTable struct {
	nearest [][]float32 // by situation: the length of the call of that situation nearest to each place in the order
	n       int         // places
	// The places from outFrom to before outTo are left out.
	outFrom, outTo int
}

// piecesOfCalls is how many pieces the calls make.
const piecesOfCalls = 50

func (t *orderedTable) piece() int { return max(1, t.n/piecesOfCalls) }

func (t *orderedTable) take(situation int, _, from float32, i int) float64 {
	out := t.outTo - t.outFrom
	left := t.n - out
	// A piece begins where it does in the whole order, unless that is left out: so tables differ by what they lack and by nothing else.
	first := int(float64(from) * float64(t.n))
	switch {
	case first >= t.outTo:
		first -= out
	case first >= t.outFrom:
		first = (first - t.outFrom) * left / out
	}
	place := (first + i) % left
	if place >= t.outFrom {
		place += out
	}
	return float64(t.nearest[situation][place])
}

// newOrderedTables gives the table of all calls, and those with one part left out.
func newOrderedTables(servers int, calls []Call) (all callTable, without []callTable) {
	places := make([][]int, servers+1)
	for i := range calls {
		s := calls[i].situation(servers)
		places[s] = append(places[s], i)
	}
	lend(places)
	nearest := make([][]float32, servers+1)
	for s, at := range places {
		nearest[s] = make([]float32, len(calls))
		k := 0
		for i := range nearest[s] {
			for k+1 < len(at) && at[k+1]-i <= i-at[k] {
				k++
			}
			nearest[s][i] = float32(calls[at[k]].signed())
		}
	}
	for part := range orderedParts {
		without = append(without, &orderedTable{nearest: nearest, n: len(calls), outFrom: part * len(calls) / orderedParts, outTo: (part + 1) * len(calls) / orderedParts})
	}
	return &orderedTable{nearest: nearest, n: len(calls)}, without
}

// The scales at which calls are tested for dependence: how many runs they are cut into, as long as a run has leastInRun calls.
var (
	runCounts  = []int{orderedParts, 8 * orderedParts, 64 * orderedParts}
	leastInRun = 50
)

// dependenceLevel is how seldom independent calls may be taken for dependent ones, at each scale.
const dependenceLevel = 1e-4

// depend reports whether calls depend on those near them beyond their situation: whether the means of runs of calls, less what is usual for
// each call's situation, vary more than those of independent calls would, by the chi-squared test of a variance.
func depend(servers int, calls []Call) bool {
	residuals := residualsOf(servers, calls)
	_, sd := meanSD(residuals)
	if sd == 0 {
		return false
	}
	for _, runs := range runCounts {
		length := len(residuals) / runs
		if length < leastInRun {
			break
		}
		means := make([]float64, runs)
		for k := range means {
			means[k], _ = meanSD(residuals[k*length : (k+1)*length])
		}
		_, between := meanSD(means)
		ratio := between * between * float64(length) / (sd * sd)
		if ratio*float64(runs-1) > (distuv.ChiSquared{K: float64(runs - 1)}).Quantile(1-dependenceLevel) {
			return true
		}
	}
	return false
}

// residualsOf is by how much each call is longer than the mean of its situation.
func residualsOf(servers int, calls []Call) []float64 {
	sum, n := make([]float64, servers+1), make([]float64, servers+1)
	for i := range calls {
		s := calls[i].situation(servers)
		sum[s] += calls[i].Seconds
		n[s]++
	}
	out := make([]float64, len(calls))
	for i := range calls {
		s := calls[i].situation(servers)
		out[i] = calls[i].Seconds - sum[s]/n[s]
	}
	return out
}
