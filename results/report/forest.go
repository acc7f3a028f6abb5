package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"assay/results"
)

// forest is one metric's comparisons with their baselines: a row an arm, its effect as a dot on a line.
type forest struct {
	Metric string
	Better string // which side is good, in words
	Rows   []forestRow
	Axis   template.HTML
}

type forestRow struct {
	Class, Label, Arm string
	Plot              template.HTML
	Value, Span       string
	Verdict           string
}

// The band within which a difference is called "same" (cli.md: [1/1.02, 1.02]).
const sameBand = 1.02

func forestsOf(r *results.Report, l look) []forest {
	var out []forest
	for _, metric := range comparedMetrics(r.Comparisons) {
		var rows []results.Comparison
		for _, c := range r.Comparisons {
			if _, _, ok := change(c); ok && c.Metric == metric {
				rows = append(rows, c)
			}
		}
		rows, byVariant := oncePerVariant(rows, r.Arms)
		if len(rows) > 0 {
			out = append(out, forestOf(metric, rows, byVariant, r.Arms, l))
		}
	}
	return out
}

// oncePerVariant keeps one comparison of each variant where all its arms have the same: quality and size do not depend on batch or load.
func oncePerVariant(rows []results.Comparison, arms []results.ArmReport) ([]results.Comparison, bool) {
	if len(rows) == 0 || !strings.HasPrefix(rows[0].Metric, "quality.") && !strings.HasPrefix(rows[0].Metric, "size.") {
		return rows, false
	}
	variantOf := map[string]string{}
	for _, a := range arms {
		variantOf[a.Name] = a.Variant
	}
	var kept []results.Comparison
	first := map[string]results.Comparison{}
	for _, c := range rows {
		known, ok := first[variantOf[c.Arm]]
		if !ok {
			first[variantOf[c.Arm]] = c
			kept = append(kept, c)
			continue
		}
		a, _, _ := change(c)
		b, _, _ := change(known)
		if !a.equal(b) || c.Verdict != known.Verdict {
			return rows, false
		}
	}
	return kept, true
}

func forestOf(metric string, rows []results.Comparison, byVariant bool, arms []results.ArmReport, l look) forest {
	ratio := rows[0].Ratio != nil
	_, s, _ := change(rows[0])
	a := forestAxis(rows, s, ratio)
	f := forest{Metric: metric, Better: "lower is better"}
	if higherIsBetter(metric) {
		f.Better = "higher is better"
	}
	if slices.ContainsFunc(rows, isExploratory) {
		f.Better += ", exploratory"
	}
	ticks := a.ticks(4)
	for _, c := range rows {
		i := slices.IndexFunc(arms, func(a results.ArmReport) bool { return a.Name == c.Arm })
		if i < 0 || (c.Ratio != nil) != ratio {
			continue
		}
		e, _, _ := change(c)
		label := l.label(arms[i])
		if byVariant {
			label = printable(arms[i].Variant)
		}
		row := forestRow{Class: l.class(arms[i].Variant), Label: label, Arm: printable(c.Arm),
			Value: typographic(e.point(s) + s.suffix()), Span: span(e, s), Verdict: printable(c.Verdict)}
		row.Plot = forestPlot(a, ticks, e, s, ratio, row.Class, row.Label+"\n"+metric+" "+row.Value+" "+row.Span+"\n"+row.Verdict+tipP(c))
		f.Rows = append(f.Rows, row)
	}
	f.Axis = forestTicks(a, ticks, s)
	return f
}

// isExploratory reports whether a comparison warns that its p-value is not corrected for the number of comparisons.
func isExploratory(c results.Comparison) bool {
	return slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.HasPrefix(w, "exploratory") })
}

func tipP(c results.Comparison) string {
	switch {
	case c.PAdjusted != nil:
		return fmt.Sprintf(", p %s (adjusted)", pValue(*c.PAdjusted))
	case c.P != nil:
		return fmt.Sprintf(", p %s (not adjusted)", pValue(*c.P))
	}
	return ""
}

func pValue(p float64) string {
	if p < 0.0001 {
		return "< 0.0001"
	}
	return fixed(p, significant(p, 2))
}

// forestAxis covers every effect and the line of no change. Ends of very wide intervals may lie outside: they get arrows.
func forestAxis(rows []results.Comparison, s scale, ratio bool) axis {
	neutral := 0.0
	values := []float64{0}
	if ratio {
		neutral = 1
		values = []float64{1 / sameBand / 1.01, sameBand * 1.01}
	}
	reach := 0.0
	for _, c := range rows {
		e, _, _ := change(c)
		values = append(values, e.value/s.factor)
		if ratio {
			reach = math.Max(reach, math.Abs(math.Log(e.value)))
		} else {
			reach = math.Max(reach, math.Abs(e.value/s.factor-neutral))
		}
	}
	for _, c := range rows {
		e, _, _ := change(c)
		for _, end := range []*float64{e.low, e.high} {
			if end == nil {
				continue
			}
			v := *end / s.factor
			if ratio {
				limit := math.Exp(4*reach + 0.4)
				v = math.Min(math.Max(v, 1/limit), limit)
			}
			values = append(values, v)
		}
	}
	return axisOver(values, ratio)
}

const forestHeight = 26

func forestPlot(a axis, ticks []float64, e estimate, s scale, ratio bool, class, tip string) template.HTML {
	var d svg
	mid := forestHeight / 2.0
	d.printf(`<svg class="forest-plot %s" width="100%%" height="%d" aria-hidden="true">`, class, forestHeight)
	if ratio {
		d.rect("band", a.at(1/sameBand), 0, a.at(sameBand)-a.at(1/sameBand), forestHeight, "")
	}
	for _, t := range ticks {
		d.line("grid", a.at(t), 0, a.at(t), forestHeight)
	}
	neutral := 0.0
	if ratio {
		neutral = 1
	}
	d.line("neutral", a.at(neutral), 0, a.at(neutral), forestHeight)
	d.printf(`<g%s>`, tipAttr(tip))
	d.raw(`<rect class="hit" x="0" y="0" width="100%" height="100%"/>`)
	if e.bounded() {
		low, high := *e.low/s.factor, *e.high/s.factor
		d.line("whisker", a.at(low), mid, a.at(high), mid)
		if a.outside(low) {
			d.text("arrow", 0, mid+4, "‹")
		}
		if a.outside(high) {
			d.text("arrow end", 100, mid+4, "›")
		}
	}
	d.dot("mark", a.at(e.value/s.factor), mid, 4.5, "")
	d.raw(`</g>`)
	d.close()
	return d.html()
}

func forestTicks(a axis, ticks []float64, s scale) template.HTML {
	var d svg
	d.raw(`<svg class="axis" width="100%" height="18" aria-hidden="true">`)
	for _, t := range ticks {
		d.text("tick middle", a.at(t), 13, typographic(tickLabel(t, ticks)+s.suffix()))
	}
	d.close()
	return d.html()
}

// tile is one headline figure.
type tile struct {
	Label, Value, Sub, Verdict string
}

// tilesOf are the headline figures: how the variant to ship changes against its baseline, or a lone arm's own figures.
func tilesOf(r *results.Report, l look) (title string, tiles []tile) {
	if len(r.Comparisons) == 0 && len(r.Arms) > 0 {
		return printable(r.Arms[0].Name), ownTiles(r.Arms[0])
	}
	if r.Decision.Ship == nil {
		return "", nil
	}
	i := slices.IndexFunc(r.Arms, func(a results.ArmReport) bool { return a.Variant == *r.Decision.Ship && a.Against != "" })
	if i < 0 {
		return "", nil
	}
	arm := r.Arms[i]
	for _, metric := range []string{"latency.p50", "latency.p99", "throughput", "energy.per_inference", "quality.accuracy", "size.bytes"} {
		c, ok := comparisonOf(r, arm, metric)
		if !ok {
			continue
		}
		if e, s, ok := change(c); ok {
			tiles = append(tiles, tile{heading2(metric), typographic(e.point(s) + s.suffix()), span(e, s), printable(c.Verdict)})
		}
	}
	if len(tiles) == 0 {
		return "", nil
	}
	title = printable(arm.Variant) + " against the baseline"
	if shape := l.shape(arm); shape != "" {
		title += " (" + shape + ")"
	}
	return title, tiles
}

func ownTiles(a results.ArmReport) []tile {
	var tiles []tile
	for _, metric := range []string{"latency.p50", "latency.p99", "throughput", "memory.host.peak"} {
		if m, ok := a.Metrics[metric]; ok {
			s := scaleFor(m.Unit, m.Value)
			tiles = append(tiles, tile{Label: heading2(metric), Value: typographic(estimateOf(m).point(s) + s.suffix()), Sub: span(estimateOf(m), s)})
		}
	}
	return tiles
}

// heading2 is a metric's title where no table says what its family is.
func heading2(metric string) string {
	if family, q, ok := strings.Cut(metric, "."); ok && (family == "latency" || family == "service") {
		return q + " " + family
	}
	if metric == "memory.host.peak" {
		return "peak memory"
	}
	return heading(metric)
}
