package loadgen

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestPicksWithReplacementAreUniform(t *testing.T) {
	const inputs = 10
	picks := must(Picks(WithReplacement, 3, inputs))
	counts := make([]float64, inputs)
	repeats := 0
	for i, p := range picks {
		counts[p]++
		if i > 0 && p == picks[i-1] {
			repeats++
		}
	}
	chi2, each := 0.0, float64(len(picks))/inputs
	for _, c := range counts {
		chi2 += (c - each) * (c - each) / each
	}
	if chi2 > 27.9 { // 0.1 % of chi squared with 9 degrees
		t.Errorf("chi squared %v of %v", chi2, counts)
	}
	if math.Abs(float64(repeats)-each) > 5*math.Sqrt(each) {
		t.Errorf("%d picks repeat the one before; independent draws give %v", repeats, each)
	}
	if slices.Equal(picks, must(Picks(WithReplacement, 4, inputs))) || !slices.Equal(picks, must(Picks(WithReplacement, 3, inputs))) {
		t.Error("picks are no pure function of the seed")
	}
}

func TestPicksWithoutReplacementTakeEachOnceBeforeAnyTwice(t *testing.T) {
	const inputs = 7
	picks := must(Picks(WithoutReplacement, 1, inputs))
	var cycles [][]int32
	for cycle := range slices.Chunk(picks, inputs) {
		cycles = append(cycles, slices.Clone(cycle))
		slices.Sort(cycle)
		if !slices.Equal(cycle, []int32{0, 1, 2, 3, 4, 5, 6}) {
			t.Fatalf("a cycle holds %v", cycle)
		}
	}
	if slices.Equal(cycles[0], cycles[1]) && slices.Equal(cycles[1], cycles[2]) {
		t.Error("every cycle has the same order")
	}
}

// TestRequestsTakeWhatWasPicked holds closed and open loops, warm-up apart, to the table.
func TestRequestsTakeWhatWasPicked(t *testing.T) {
	which := []int32{2, 0, 0, 1, 2}
	for name, schedule := range map[string]Schedule{"closed": nil, "open": must(Constant(1000, 100*time.Millisecond))} {
		synctest.Test(t, func(t *testing.T) {
			_, rows := runVirtual(t, t.Context(), Config{Schedule: schedule, Duration: 100 * time.Millisecond, Which: which, Inputs: 3}, constant(time.Millisecond))
			for i, r := range rows {
				if r.Input != which[i%len(which)] {
					t.Fatalf("%s: request %d took input %d", name, i, r.Input)
				}
			}
		})
	}
}

func TestUnknownSamplingIsRefused(t *testing.T) {
	if _, err := Picks("shuffled", 1, 3); err == nil {
		t.Error("accepted")
	}
}
