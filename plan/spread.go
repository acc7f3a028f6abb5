package plan

import (
	"fmt"
	"math"
	"slices"

	"assay/results"
	"assay/results/stats"
)

// Spread is how much per-trial figures of an earlier run varied beyond what all arms of a block shared.
type Spread struct {
	Metric string
	Value  float64 // a coefficient of variation
	Pairs  int     // of trials that it was taken from
}

// SpreadOf measures the spread between trials in a run for latency.p50, latency.p99 and throughput, in this order: within blocks, from
// the differences between each arm and the one that it is compared with; in a run of single arms, from the trials themselves. It reads
// every trial's samples. The error says why where a run has too few trials to tell.
func SpreadOf(dir results.Dir) ([]Spread, error) {
	run, err := dir.ReadRun()
	if err != nil {
		return nil, err
	}
	trials, err := dir.ReadTrials()
	if err != nil {
		return nil, fmt.Errorf("read the trials of %s: %w", dir, err)
	}
	figures := map[string]map[int][3]float64{} // arm, block
	for _, t := range trials {
		if t.Status != results.TrialOK || t.Counts.OK == 0 {
			continue
		}
		logs, err := trialLogs(dir, t)
		if err != nil {
			return nil, err
		}
		if figures[t.Arm] == nil {
			figures[t.Arm] = map[int][3]float64{}
		}
		figures[t.Arm][t.Block] = logs
	}
	var spreads []Spread
	for i, metric := range [3]string{"latency.p50", "latency.p99", "throughput"} {
		s := Spread{Metric: metric}
		var squares float64
		var freedom int
		for _, values := range comparable(run.Resolved.Arms, figures, i) {
			if len(values) < 2 {
				continue
			}
			squares += sumOfSquares(values)
			freedom += len(values) - 1
			s.Pairs += len(values)
		}
		if freedom == 0 {
			return nil, fmt.Errorf("%s has fewer than two finished blocks, so its spread between trials cannot be told", dir)
		}
		s.Value = math.Sqrt(squares / float64(freedom))
		spreads = append(spreads, s)
	}
	return spreads, nil
}

// comparable returns for each comparison of the run its values a block: logarithms of ratios over the square root of two, so that they
// vary as much as one arm's own. A run without comparisons gives each arm's logarithms.
func comparable(arms []results.Arm, figures map[string]map[int][3]float64, i int) [][]float64 {
	var paired, single [][]float64
	for _, a := range arms {
		var alone, pairs []float64
		for block, f := range figures[a.Name] {
			alone = append(alone, f[i])
			if base, ok := figures[a.Against][block]; ok {
				pairs = append(pairs, (f[i]-base[i])/math.Sqrt2)
			}
		}
		single = append(single, alone)
		if a.Against != "" {
			paired = append(paired, pairs)
		}
	}
	if len(paired) > 0 {
		return paired
	}
	return single
}

func sumOfSquares(values []float64) float64 {
	slices.Sort(values) // a sum in the order of a map would differ in its last digits from run to run
	var sum, squares float64
	for _, v := range values {
		sum += v
	}
	mean := sum / float64(len(values))
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return squares
}

// trialLogs returns the logarithms of a trial's median and 99th percentile of latency and of its requests a second.
func trialLogs(dir results.Dir, t results.Trial) ([3]float64, error) {
	var latencies []float64
	err := results.ScanRequests(dir.RequestsFile(t.Block, t.Arm), func(rows []results.Request) error {
		for _, r := range rows {
			if r.Status == results.RequestOK {
				latencies = append(latencies, float64(r.DoneNS-r.DueNS))
			}
		}
		return nil
	})
	measure, ok := t.Phase("measure")
	switch {
	case err != nil:
		return [3]float64{}, err
	case len(latencies) == 0 || !ok || measure.Seconds() <= 0:
		return [3]float64{}, fmt.Errorf("trial %s has no finished request, though its record says so", results.TrialName(t.Block, t.Arm))
	}
	slices.Sort(latencies)
	return [3]float64{math.Log(stats.Quantile(latencies, 0.5)), math.Log(stats.Quantile(latencies, 0.99)),
		math.Log(float64(len(latencies)) / measure.Seconds())}, nil
}
