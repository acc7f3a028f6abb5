package analysis

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"assay/results"
	"assay/results/quality"
)

// qualityData is every variant's predictions.
type qualityData struct {
	asked       *results.Quality
	seed        uint64
	baseline    string
	predictions map[string][]quality.Prediction
}

func (a *analyzer) readQuality() (*qualityData, error) {
	q := &qualityData{asked: a.spec.Quality, seed: a.spec.Seed, baseline: a.spec.Baseline, predictions: map[string][]quality.Prediction{}}
	if q.asked == nil {
		return q, nil
	}
	for _, v := range a.spec.Variants {
		ps, err := quality.Read(a.dir.QualityFile(v.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if other := q.predictions[q.baseline]; other != nil && len(other) != len(ps) {
			return nil, fmt.Errorf("%s has %d predictions, the baseline's %d: they are not of one data set", a.dir.QualityFile(v.Name), len(ps), len(other))
		}
		q.predictions[v.Name] = ps
	}
	return q, nil
}

func (q *qualityData) of(variant string) []quality.Prediction { return q.predictions[variant] }

func (q *qualityData) wants(metric string) bool {
	return q.asked != nil && slices.Contains(q.asked.Metrics, metric)
}

// metrics adds a variant's task metrics to one of its arms.
func (q *qualityData) metrics(arm *results.Arm, metrics map[string]results.Metric, notMeasured map[string]string) {
	if q.asked == nil {
		return
	}
	ps := q.of(arm.Variant)
	for _, name := range q.asked.Metrics {
		var e quality.Estimate
		ok := ps != nil
		why := "no predictions were made"
		switch {
		case !ok:
		case name == "accuracy":
			e = quality.Accuracy(ps)
		case name == "agreement":
			if ok = q.of(q.baseline) != nil; ok {
				e = quality.Agreement(q.of(q.baseline), ps)
			}
		case name == "ece":
			e, ok = quality.ECE(ps, q.seed)
			why = "the model gives classes without scores"
		default:
			ok, why = false, fmt.Sprintf("metric %q is not known", name)
		}
		if !ok {
			notMeasured["quality."+name] = why
			continue
		}
		low, high := e.Low, e.High
		metrics["quality."+name] = results.Metric{Value: e.Value, Unit: "ratio", Low: &low, High: &high, Confidence: 1 - alpha, Method: e.Method, N: e.N, Warnings: notFinite(ps)}
	}
}

// infos gives flips, slices and findings of every variant.
func (q *qualityData) infos(run *results.Run) []results.QualityInfo {
	var out []results.QualityInfo
	spec := &run.Resolved
	for _, v := range spec.Variants {
		ps := q.of(v.Name)
		if ps == nil {
			if f := run.Findings[v.Name]; len(f) > 0 {
				out = append(out, results.QualityInfo{Variant: v.Name, Findings: f})
			}
			continue
		}
		info := results.QualityInfo{Variant: v.Name, Dataset: q.asked.Dataset, Examples: len(ps), Findings: run.Findings[v.Name]}
		for _, arm := range spec.Arms {
			if arm.Variant == v.Name {
				info.Provider = arm.Provider
				break
			}
		}
		var base []quality.Prediction
		if v.Name != q.baseline {
			base = q.of(q.baseline)
		}
		if base != nil {
			f := quality.Compare(base, ps)
			info.Flips = map[string]int{"both_right": f.Both, "only_baseline_right": f.Baseline, "only_variant_right": f.Variant, "both_wrong": f.Neither}
		}
		for _, s := range quality.BySlice(base, ps) {
			info.Slices = append(info.Slices, results.SliceQuality{Column: s.Column, Value: s.Value, Metric: "accuracy", Examples: s.Accuracy.N,
				Estimate: s.Accuracy.Value, Low: s.Accuracy.Low, High: s.Accuracy.High})
		}
		info.Findings = append(info.Findings, notFinite(ps)...)
		out = append(out, info)
	}
	return out
}

// notFinite says how many examples a variant gave no numbers for.
func notFinite(ps []quality.Prediction) []string {
	n := 0
	for _, p := range ps {
		if !p.Finite {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d of %d examples gave NaN or infinite outputs; they count as wrong", n, len(ps))}
}
