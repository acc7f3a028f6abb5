package stats

import (
	"fmt"
	"math"
	"slices"

	descriptive "github.com/montanaflynn/stats"
	"gonum.org/v1/gonum/stat/distuv"
)

// PerTrial estimates the typical value over trials of a figure that each trial has one of (throughput, CPU seconds per inference, peak
// memory): the geometric mean with a t interval of confidence 1 - alpha on the log scale, or the mean on the raw scale where a value is not positive. Values
// that are all equal are exact from five trials on: fewer show nothing of how they vary.
func PerTrial(values []float64, alpha float64) Interval {
	out := Interval{Low: math.NaN(), High: math.NaN(), N: len(values), Trials: len(values)}
	if len(values) == 0 {
		out.Value = math.NaN()
		out.Warnings = append(out.Warnings, "no values")
		return out
	}
	if len(values) == 1 {
		out.Value, out.Method, out.Warnings = values[0], "the value of the only trial", []string{noInterval(1, "trial")}
		return out
	}
	if len(values) >= minTrials && slices.Min(values) == slices.Max(values) {
		out.Value, out.Method = values[0], "exact: equal in all trials"
		out.Low, out.High, out.Confidence = values[0], values[0], 1-alpha
		return out
	}
	logs, err := logarithms(values)
	back := math.Exp
	out.Method = "geometric mean of trials, t interval on the log scale"
	if err != nil {
		logs, back = values, func(x float64) float64 { return x }
		out.Method = "mean of trials, t interval"
	}
	mean, sd := meanSD(logs)
	out.Value = back(mean)
	if len(values) < minTrials {
		out.Warnings = append(out.Warnings, noInterval(len(values), "trial"))
		return out
	}
	k := float64(len(values))
	half := StudentT(1-alpha/2, k-1) * sd / math.Sqrt(k)
	out.Low, out.High, out.Confidence = back(mean-half), back(mean+half), 1-alpha
	return out
}

// noInterval warns that n trials or blocks are too few to show how they vary.
func noInterval(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("no interval: %d %s, it needs %d", n, what, minTrials)
}

// Effect is a comparison of two arms.
type Effect struct {
	Scale     string // ratio, difference
	Estimate  float64
	Low, High float64 // of confidence 1 - alpha, NaN where none can be given
	P         float64 // two-sided, NaN where none can be given
	SignFlip  float64 // p of the exact sign-flip test beside it
	N         int     // blocks
	SD        float64 // of the differences between blocks, on the scale of the test
	Method    string
	Warnings  []string
}

// Known reports whether the effect has an interval and a p-value.
func (e Effect) Known() bool { return !math.IsNaN(e.P) }

// Paired compares an arm with its baseline over blocks that hold one trial of each: a paired t test on the logs of the per-trial figures.
// The estimate is the ratio arm/baseline of geometric means. Where a figure is not positive the scale is the difference.
func Paired(baseline, arm []float64, alpha float64) Effect {
	e := Effect{Scale: "ratio", Low: math.NaN(), High: math.NaN(), P: math.NaN(), SignFlip: math.NaN(), N: len(arm)}
	e.Method = "paired-t on log per-trial values"
	differences, err := logDifferences(baseline, arm)
	back := math.Exp
	if err != nil {
		e.Scale, e.Method = "difference", "paired-t on per-trial values"
		back = func(x float64) float64 { return x }
		differences = make([]float64, len(arm))
		for i := range arm {
			differences[i] = arm[i] - baseline[i]
		}
	}
	if len(differences) == 0 {
		e.Estimate = math.NaN()
		e.Warnings = append(e.Warnings, "no block has both arms")
		return e
	}
	mean, sd := meanSD(differences)
	e.Estimate, e.SD = back(mean), sd
	if len(differences) < minTrials {
		e.Warnings = append(e.Warnings, noInterval(len(differences), "block"))
		return e
	}
	k := float64(len(differences))
	se := sd / math.Sqrt(k)
	if se == 0 {
		e.Method = "exact: the same in all blocks"
		e.Low, e.High, e.P = e.Estimate, e.Estimate, 1
		if mean != 0 {
			e.P = 0
		}
		return e
	}
	half := StudentT(1-alpha/2, k-1) * se
	e.Low, e.High = back(mean-half), back(mean+half)
	e.P = 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: k - 1}.Survival(math.Abs(mean/se))
	e.SignFlip = SignFlip(differences)
	return e
}

// SignFlip is the two-sided p-value of the exact sign-flip permutation test of differences against 0, for at most 20 of them; NaN above.
func SignFlip(differences []float64) float64 {
	n := len(differences)
	if n == 0 || n > 20 {
		return math.NaN()
	}
	observed := 0.0
	for _, d := range differences {
		observed += d
	}
	observed = math.Abs(observed)
	extreme := 0
	for signs := range 1 << n {
		sum := 0.0
		for i, d := range differences {
			if signs>>i&1 == 1 {
				sum -= d
			} else {
				sum += d
			}
		}
		if math.Abs(sum) >= observed*(1-1e-12) {
			extreme++
		}
	}
	return float64(extreme) / float64(int(1)<<n)
}

// Holm adjusts p-values for the chance of any false alarm among them. NaN stays NaN and counts for nothing.
func Holm(p []float64) []float64 {
	order := make([]int, 0, len(p))
	for i := range p {
		if !math.IsNaN(p[i]) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(p))
	for i := range out {
		out[i] = math.NaN()
	}
	running := 0.0
	for rank, i := range order {
		running = max(running, min(1, p[i]*float64(len(order)-rank)))
		out[i] = running
	}
	return out
}

// sameBand is how far a ratio may be from 1 and still be the same for every purpose: 2 %.
const sameBand = 1.02

// Verdict words a ratio: same when the whole interval is within 2 % of 1, better or worse when p is below 0.05, else unclear.
// lowerIsBetter says which way is better.
func Verdict(low, high, ratio, p float64, lowerIsBetter bool) string {
	switch {
	case math.IsNaN(low) || math.IsNaN(p):
		return "unclear"
	case low >= 1/sameBand && high <= sameBand:
		return "same"
	case p >= 0.05:
		return "unclear"
	case (ratio < 1) == lowerIsBetter:
		return "better"
	}
	return "worse"
}

func logarithms(values []float64) ([]float64, error) {
	logs := make([]float64, len(values))
	for i, v := range values {
		if !(v > 0) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v has no logarithm", v)
		}
		logs[i] = math.Log(v)
	}
	return logs, nil
}

func logDifferences(baseline, arm []float64) ([]float64, error) {
	a, err := logarithms(baseline)
	if err != nil {
		return nil, err
	}
	b, err := logarithms(arm)
	if err != nil {
		return nil, err
	}
	for i := range b {
		b[i] -= a[i]
	}
	return b, nil
}

// meanSD is the mean and the sample standard deviation; the latter is 0 for fewer than two values.
func meanSD(values []float64) (mean, sd float64) {
	mean, _ = descriptive.Mean(values)
	if len(values) < 2 {
		return mean, 0
	}
	sd, _ = descriptive.StandardDeviationSample(values)
	return mean, sd
}
