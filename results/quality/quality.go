// Package quality turns a model's outputs into predictions, and predictions into task metrics with intervals and paired comparisons.
// Examples are paired by their number: every variant predicts the same ones.
package quality

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"assay/results/stats"
)

// Prediction is what a variant said of one example.
type Prediction struct {
	Example    int64             `parquet:"example"`
	Label      int64             `parquet:"label"`
	Prediction int64             `parquet:"prediction"`
	Score      float64           `parquet:"score"`  // probability of the prediction, NaN where the model gives classes only
	Finite     bool              `parquet:"finite"` // no output was NaN or infinite
	Slices     map[string]string `parquet:"slices"` // slice column -> value
}

// Correct reports whether the prediction is the label.
func (p *Prediction) Correct() bool { return p.Finite && p.Prediction == p.Label }

// Estimate is a metric with a 95 % interval.
type Estimate struct {
	Value, Low, High float64
	N                int
	Method           string
}

// Accuracy is the share of right predictions, with Wilson's score interval.
func Accuracy(ps []Prediction) Estimate {
	k := 0
	for i := range ps {
		if ps[i].Correct() {
			k++
		}
	}
	return share(k, len(ps))
}

// Agreement is the share of examples on which two variants predict the same, right or wrong.
func Agreement(baseline, variant []Prediction) Estimate {
	k := 0
	for i := range variant {
		if baseline[i].Finite && variant[i].Finite && baseline[i].Prediction == variant[i].Prediction {
			k++
		}
	}
	return share(k, len(variant))
}

func share(k, n int) Estimate {
	low, high := stats.Wilson(k, n)
	return Estimate{Value: float64(k) / float64(n), Low: low, High: high, N: n, Method: "proportion of examples, Wilson score interval"}
}

const (
	eceBins   = 15
	bootstrap = 2000
)

// ECE is the expected calibration error: the mean distance between confidence and accuracy over 15 bins of equal width, weighted by their
// examples (Guo et al. 2017, arXiv 1706.04599). Its interval is the estimate and 1.96 bootstrap standard deviations either way, not below
// 0: resampling raises a calibration error, so percentiles of the draws may leave the estimate itself out. ok is false where there are no
// probabilities.
func ECE(ps []Prediction, seed uint64) (e Estimate, ok bool) {
	if !scored(ps) {
		return Estimate{}, false
	}
	e = around(ece(ps, identity(len(ps))), spread(len(ps), seed, func(index []int) float64 { return ece(ps, index) }))
	e.Low, e.N = max(0, e.Low), len(ps)
	e.Method = fmt.Sprintf("%d equal-width bins, normal interval from the bootstrap over examples (%d draws)", eceBins, bootstrap)
	return e, true
}

// ECEDifference is the variant's calibration error minus the baseline's, with an interval and a p-value from the bootstrap on the same
// resampled examples for both.
func ECEDifference(baseline, variant []Prediction, seed uint64) (e Estimate, p float64, ok bool) {
	if !scored(baseline) || !scored(variant) {
		return Estimate{}, math.NaN(), false
	}
	difference := func(index []int) float64 { return ece(variant, index) - ece(baseline, index) }
	sd := spread(len(variant), seed, difference)
	e = around(difference(identity(len(variant))), sd)
	e.N = len(variant)
	e.Method = fmt.Sprintf("normal interval from the paired bootstrap over examples (%d draws)", bootstrap)
	if e.Value == 0 {
		return e, 1, true
	}
	return e, 2 * distuv.UnitNormal.Survival(math.Abs(e.Value)/sd), true
}

func around(value, sd float64) Estimate {
	half := distuv.UnitNormal.Quantile(0.975) * sd
	return Estimate{Value: value, Low: value - half, High: value + half}
}

func scored(ps []Prediction) bool {
	return len(ps) > 0 && !slices.ContainsFunc(ps, func(p Prediction) bool { return math.IsNaN(p.Score) })
}

// spread draws examples with replacement and returns the standard deviation of f over the draws.
func spread(n int, seed uint64, f func(index []int) float64) float64 {
	rng := rand.New(rand.NewPCG(seed, 0x626f6f74)) // "boot"
	index := make([]int, n)
	sum, squares := 0.0, 0.0
	for range bootstrap {
		for j := range index {
			index[j] = rng.IntN(n)
		}
		v := f(index)
		sum += v
		squares += v * v
	}
	mean := sum / bootstrap
	return math.Sqrt(max(0, squares/bootstrap-mean*mean) * bootstrap / (bootstrap - 1))
}

func identity(n int) []int {
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	return index
}

func ece(ps []Prediction, index []int) float64 {
	var confidence, right, count [eceBins]float64
	for _, i := range index {
		b := min(eceBins-1, int(ps[i].Score*eceBins))
		confidence[b] += ps[i].Score
		count[b]++
		if ps[i].Correct() {
			right[b]++
		}
	}
	sum := 0.0
	for b := range count {
		sum += math.Abs(confidence[b] - right[b])
	}
	return sum / float64(len(index))
}

// Flips counts what became of the examples: right in both, in the baseline alone, in the variant alone, in neither.
type Flips struct{ Both, Baseline, Variant, Neither int }

// Compare pairs the examples of two variants.
func Compare(baseline, variant []Prediction) (f Flips) {
	for i := range variant {
		switch b, v := baseline[i].Correct(), variant[i].Correct(); {
		case b && v:
			f.Both++
		case b:
			f.Baseline++
		case v:
			f.Variant++
		default:
			f.Neither++
		}
	}
	return f
}

// N is how many examples were compared.
func (f Flips) N() int { return f.Both + f.Baseline + f.Variant + f.Neither }

// Slice is accuracy within one value of a slice column.
type Slice struct {
	Column, Value string
	Accuracy      Estimate
	Flips         Flips   // against the baseline; zero where there is none
	P             float64 // McNemar's mid-p, adjusted by Holm over all slices; NaN without a baseline
}

// BySlice gives accuracy in every slice, columns and values in order of name. baseline is nil for the baseline itself.
func BySlice(baseline, variant []Prediction) []Slice {
	groups := map[[2]string][]int{}
	for i := range variant {
		for column, value := range variant[i].Slices {
			groups[[2]string{column, value}] = append(groups[[2]string{column, value}], i)
		}
	}
	keys := make([][2]string, 0, len(groups))
	for k := range groups {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	out := make([]Slice, len(keys))
	ps := make([]float64, len(keys))
	for i, k := range keys {
		v := pick(variant, groups[k])
		out[i] = Slice{Column: k[0], Value: k[1], Accuracy: Accuracy(v)}
		ps[i] = math.NaN()
		if baseline != nil {
			out[i].Flips = Compare(pick(baseline, groups[k]), v)
			ps[i] = stats.McNemar(out[i].Flips.Baseline, out[i].Flips.Variant)
		}
	}
	for i, p := range stats.Holm(ps) {
		out[i].P = p
	}
	return out
}

func pick(ps []Prediction, index []int) []Prediction {
	out := make([]Prediction, len(index))
	for i, k := range index {
		out[i] = ps[k]
	}
	return out
}

// Loss is the accuracy that the variant loses against the baseline (baseline minus variant), with Tango's interval of confidence
// 1 - alpha, and McNemar's mid-p of no difference.
func Loss(f Flips, alpha float64) (loss, low, high, p float64) {
	difference, dLow, dHigh := stats.Tango(f.Baseline, f.Variant, f.N(), alpha)
	return -difference, -dHigh, -dLow, stats.McNemar(f.Baseline, f.Variant)
}

// MoreExamples estimates how many more examples would settle whether the loss is below margin, with power 0.8, if the observed loss and
// discordance are the true ones. Where the observed loss is at the margin, it asks instead for what a true loss of 0 would need.
func MoreExamples(f Flips, margin, alpha float64) int {
	n := f.N()
	if n == 0 {
		return 0
	}
	discordant := float64(f.Baseline+f.Variant) / float64(n)
	loss := float64(f.Baseline-f.Variant) / float64(n)
	need := 0
	if gap := math.Abs(margin - loss); gap > margin/10 {
		z := distuv.UnitNormal.Quantile(1-alpha/2) + distuv.UnitNormal.Quantile(0.8)
		need = int(math.Ceil(max(discordant, 1/float64(n)) * z * z / (gap * gap)))
	} else {
		need = stats.PairsFor(discordant, 0, margin, alpha, 0.8)
	}
	return max(0, need-n)
}
