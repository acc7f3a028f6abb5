package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"

	"assay/results"
)

// spread is one arm's trials beside each other: how far each trial's median lies from the arm's.
type spread struct {
	Class, Label string
	Plot         template.HTML
	Range        string
}

// medianOf is one trial's median as a ratio to the median of its arm's trials.
type medianOf struct {
	trial results.TrialPoint
	ratio float64
}

// spreadsOf shows what intervals are made of: differences between trials, not between requests.
func spreadsOf(r *results.Report, l look) (rows []spread, axisMarkup template.HTML) {
	by := make([][]medianOf, len(r.Arms))
	var all []float64
	for i, a := range r.Arms {
		by[i] = mediansOf(r.Trials, a)
		for _, m := range by[i] {
			all = append(all, m.ratio)
		}
	}
	s := spreadScaleOf(all)
	ticks := s.axis.ticks(4)
	for i, a := range r.Arms {
		if len(by[i]) > 1 {
			rows = append(rows, spreadOf(a, by[i], s, ticks, l))
		}
	}
	return rows, forestTicks(s.axis, ticks, s.scale)
}

// mediansOf are the medians of an arm's trials.
func mediansOf(trials []results.TrialPoint, a results.ArmReport) []medianOf {
	var out []medianOf
	var sorted []float64
	for _, c := range curvesOf(trials, []results.ArmReport{a}) {
		if k := slices.Index(c.trial.QuantileLevels, 0.5); k >= 0 && c.trial.LatencySeconds[k] > 0 {
			out = append(out, medianOf{c.trial, c.trial.LatencySeconds[k]})
			sorted = append(sorted, c.trial.LatencySeconds[k])
		}
	}
	slices.Sort(sorted)
	for i := range out {
		out[i].ratio /= sorted[len(sorted)/2]/2 + sorted[(len(sorted)-1)/2]/2
	}
	return out
}

// spreadScale shows ratios as percent above and below, or as factors on a logarithmic axis where trials differ by half or more.
type spreadScale struct {
	axis
	scale
}

func spreadScaleOf(ratios []float64) spreadScale {
	reach := 1.005
	for _, v := range ratios {
		reach = math.Max(reach, math.Max(v, 1/v))
	}
	if reach > 1.5 {
		return spreadScale{axisOver([]float64{1 / reach, reach}, true), scale{1, "x"}}
	}
	far := 105 * (reach - 1)
	return spreadScale{axis{min: -far, max: far}, scale{1, "%"}}
}

// of gives a ratio's place on the axis.
func (s spreadScale) of(ratio float64) float64 {
	if s.unit == "%" {
		return 100 * (ratio - 1)
	}
	return ratio
}

// text prints a ratio as the axis does.
func (s spreadScale) text(ratio float64) string {
	v := s.of(ratio)
	switch {
	case s.unit == "x":
		return typographic(fixed(v, significant(v, 3)) + "x")
	case v > 0:
		return "+" + fixed(v, 1) + "%"
	}
	return typographic(fixed(v, 1) + "%")
}

func spreadOf(a results.ArmReport, medians []medianOf, s spreadScale, ticks []float64, l look) spread {
	const height = 20
	var d svg
	d.printf(`<svg class="forest-plot v %s" width="100%%" height="%d" aria-hidden="true">`, l.class(a.Variant), height)
	for _, t := range ticks {
		d.line("grid", s.at(t), 0, s.at(t), height)
	}
	d.line("neutral", s.at(s.of(1)), 0, s.at(s.of(1)), height)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, m := range medians {
		lo, hi = math.Min(lo, m.ratio), math.Max(hi, m.ratio)
		d.dot("strip", s.at(s.of(m.ratio)), height/2, 4, fmt.Sprintf("%s\nblock %d: median %s of the arm's", l.label(a), m.trial.Block, s.text(m.ratio)))
	}
	d.close()
	return spread{l.class(a.Variant), l.label(a), d.html(), s.text(lo) + " to " + s.text(hi)}
}
