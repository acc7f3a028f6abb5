package plan

import (
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"assay/results"
)

// plantRun writes a run of two arms whose trials share a drift of the block and differ by a spread of their own.
func plantRun(t *testing.T, blocks int, spread, drift float64) results.Dir {
	t.Helper()
	dir := results.Dir(t.TempDir())
	if err := os.MkdirAll(dir.TrialsDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	arms := []results.Arm{{Name: "a", Baseline: true}, {Name: "b", Against: "a"}}
	if err := dir.WriteRun(&results.Run{Resolved: results.Spec{Arms: arms}}); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for block := range blocks {
		shared := drift * rng.NormFloat64()
		for _, a := range arms {
			latency := 1e6 * math.Exp(shared+spread*rng.NormFloat64())
			left := 100
			err := results.WriteRequests(dir.RequestsFile(block, a.Name), func(buf []results.Request) (int, error) {
				n := min(left, len(buf))
				for i := range buf[:n] {
					buf[i] = results.Request{DoneNS: int64(latency)}
				}
				left -= n
				return n, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			trial := results.Trial{Block: block, Arm: a.Name, Status: results.TrialOK, Counts: results.Counts{OK: 100},
				Phases: []results.Phase{{Name: "measure", EndNS: int64(100 * latency)}}}
			if err := dir.WriteTrial(&trial); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestSpreadOf: the spread is what trials do not share with their block.
func TestSpreadOf(t *testing.T) {
	spreads, err := SpreadOf(plantRun(t, 60, 0.02, 0.3))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range spreads {
		if s.Value < 0.015 || s.Value > 0.025 || s.Pairs != 60 {
			t.Errorf("%+v, want about 0.02 of 60 pairs", s)
		}
	}
	if spreads[0].Metric != "latency.p50" || len(spreads) != 3 {
		t.Errorf("%+v", spreads)
	}
}

func TestSpreadOfTooFew(t *testing.T) {
	if _, err := SpreadOf(plantRun(t, 1, 0.02, 0)); err == nil || !strings.Contains(err.Error(), "fewer than two finished blocks") {
		t.Errorf("err = %v", err)
	}
	if _, err := SpreadOf(results.Dir(t.TempDir())); err == nil || !strings.Contains(err.Error(), "is not a run") {
		t.Errorf("err = %v", err)
	}
}
