package report

import (
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"assay/results"
)

// htmlSummary is the table of arms: one body a load, one column a metric.
type htmlSummary struct {
	Columns []summaryColumn
	Loads   []summaryLoad
	Missing []definition // metrics that no arm has, with the reasons
}

type summaryColumn struct{ Heading, Unit, Metric string }

type summaryLoad struct {
	Title string
	Rows  []summaryRow
}

type summaryRow struct {
	Class, Variant, Shape, Arm string
	Baseline                   bool
	Trials                     string
	Notes                      []int
	Cells                      []summaryCell
}

type summaryCell struct {
	Value, Span     string
	Sort            string // the base value, for sorting
	Change, Verdict string
	Missing         bool
	Notes           []int
}

// definition is a term with its explanation.
type definition struct{ Term, Text string }

// ref is a note's number.
func (n *notes) ref(text string) int {
	n.mark(text)
	return slices.Index(n.texts, text) + 1
}

func htmlSummaryOf(r *results.Report, l look, n *notes) htmlSummary {
	var s htmlSummary
	var metrics []string
	for _, m := range keyMetrics(r.Arms) {
		if strings.HasPrefix(m, "quality.") && len(qualityMetrics(r.Arms)) > 1 && m != qualityMetrics(r.Arms)[0] {
			continue // the others have a section of their own
		}
		if reason, none := missingEverywhere(r.Arms, m); none {
			s.Missing = append(s.Missing, definition{m, reason})
			continue
		}
		metrics = append(metrics, m)
	}
	within := l
	within.load = false // the group says it
	for _, load := range loadsOf(r.Arms) {
		arms := armsOf(r.Arms, load)
		group := summaryLoad{Title: printable(loadTitle(arms))}
		for _, a := range arms {
			row := summaryRow{Class: l.class(a.Variant), Variant: printable(a.Variant), Shape: within.shape(a), Arm: printable(a.Name), Baseline: a.Baseline && compares(r)}
			row.Trials, row.Notes = trialsOf(a, n)
			for _, m := range metrics {
				row.Cells = append(row.Cells, summaryCellOf(r, a, m, columnScale(r.Arms, m), n))
			}
			group.Rows = append(group.Rows, row)
		}
		s.Loads = append(s.Loads, group)
	}
	for _, m := range metrics {
		s.Columns = append(s.Columns, summaryColumn{heading2(m), unitLabel(columnScale(r.Arms, m).unit), m})
	}
	return s
}

// missingEverywhere reports that no arm has a measured metric, and why: the distinct reasons.
func missingEverywhere(arms []results.ArmReport, metric string) (string, bool) {
	var reasons []string
	for _, a := range arms {
		m, ok := a.Metrics[metric]
		if ok && m.Kind != "estimated" {
			return "", false
		}
		why := a.NotMeasured[metric]
		if ok {
			why = fmt.Sprintf("estimated at %s for %s (%s)", typographic(estimateOf(m).with(scaleFor(m.Unit, m.Value))), a.Name, m.Method)
		}
		if why != "" && !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	if len(reasons) == 0 {
		return "no reason was recorded", true
	}
	return printable(strings.Join(reasons, "; ")), true
}

func trialsOf(a results.ArmReport, n *notes) (text string, refs []int) {
	text = plural(a.Trials, "trial")
	if a.TrialsFailed > 0 {
		text = fmt.Sprintf("%d of %d trials", a.Trials, a.Trials+a.TrialsFailed)
		for _, f := range failures(a) {
			refs = append(refs, n.ref(printable(f)))
		}
	}
	for _, note := range a.Notes {
		refs = append(refs, n.ref(printable(a.Name+": "+note)))
	}
	if lost := lostRequests(a); lost != "" {
		refs = append(refs, n.ref(printable(a.Name+": requests lost: "+lost)))
	}
	return text, refs
}

func summaryCellOf(r *results.Report, a results.ArmReport, metric string, s scale, n *notes) summaryCell {
	m, ok := a.Metrics[metric]
	if !ok || m.Kind == "estimated" {
		c := summaryCell{Missing: true}
		if why := a.NotMeasured[metric]; why != "" {
			n.markReason(metric, printable(why))
			c.Notes = []int{n.reasons[printable(why)].note + 1}
		}
		return c
	}
	e := estimateOf(m)
	c := summaryCell{Value: typographic(e.point(s.within(m))), Span: span(e, s.within(m)), Sort: full(m.Value)}
	if s.own() {
		c.Value = typographic(e.point(s.within(m)) + s.within(m).suffix())
	}
	for _, warning := range m.Warnings {
		c.Notes = append(c.Notes, n.ref(printable(warning)))
	}
	if against, found := comparisonOf(r, a, metric); found {
		if e, s, ok := change(against); ok {
			c.Change, c.Verdict = typographic(e.point(s)+s.suffix()), printable(against.Verdict)
		}
	}
	return c
}

// htmlGate is one gate with its interval drawn against its bound.
type htmlGate struct {
	Verdict, Rule, Class, Arm, Figure, Span, Why string
	Plot                                         template.HTML
}

func htmlGates(r *results.Report, l look) []htmlGate {
	var out []htmlGate
	for _, g := range r.Gates {
		h := htmlGate{Verdict: printable(g.Verdict), Rule: printable(g.Rule), Arm: printable(g.Arm), Why: printable(gateWhy(g)), Figure: "not measured"}
		if i := slices.IndexFunc(r.Arms, func(a results.ArmReport) bool { return a.Name == g.Arm || a.Variant == g.Arm }); i >= 0 {
			h.Class = l.class(r.Arms[i].Variant)
			if r.Arms[i].Name == g.Arm {
				h.Arm = l.label(r.Arms[i])
			}
		}
		if g.Value != nil {
			e, s := estimate{*g.Value, g.Low, g.High}, gateScale(g)
			own := figureScale(g)
			h.Figure, h.Span = typographic(e.point(own)+own.suffix()), span(e, own)
			h.Plot = gatePlot(e, g.Bound, s, h.Class, wantsAtLeast(g))
		}
		out = append(out, h)
	}
	return out
}

// gatePlot draws a gate's interval with the side of its bound that is allowed.
func gatePlot(e estimate, bound float64, s scale, class string, atLeast bool) template.HTML {
	values := []float64{bound / s.factor}
	for _, v := range e.ends() {
		values = append(values, v/s.factor)
	}
	a := axisOver(values, false)
	margin := (a.max - a.min) * 0.12
	a.min, a.max = a.min-margin, a.max+margin
	var d svg
	d.printf(`<svg class="gate-plot %s" width="100%%" height="26" aria-hidden="true">`, class)
	at := a.at(bound / s.factor)
	if atLeast {
		d.rect("allowed", at, 5, 100-at, 16, "")
	} else {
		d.rect("allowed", 0, 5, at, 16, "")
	}
	d.line("bound", at, 1, at, 25)
	if e.bounded() {
		d.line("whisker", a.at(*e.low/s.factor), 13, a.at(*e.high/s.factor), 13)
	}
	d.dot("mark", a.at(e.value/s.factor), 13, 4.5, "")
	d.close()
	return d.html()
}

// htmlQuality is what quality has beyond the metric of the summary.
type htmlQuality struct {
	Dataset  string
	Metrics  *qualityTable
	Slices   []qualityTable
	Flips    []flipRow
	Findings []string
	Notes    []string
}

// qualityTable has a row for each variant.
type qualityTable struct {
	Title   string
	Columns []string
	Rows    []qualityRow
}

type qualityRow struct {
	Class, Variant string
	Cells          []summaryCell
}

type flipRow struct {
	Class, Variant                                  string
	BothRight, OnlyBaseline, OnlyVariant, BothWrong int
}

func htmlQualityOf(r *results.Report, l look) htmlQuality {
	var n notes
	q := htmlQuality{Metrics: qualityMetricTable(r, l, &n)}
	q.Notes = n.texts
	for _, info := range r.Quality {
		if q.Dataset == "" && info.Dataset != "" {
			q.Dataset = fmt.Sprintf("%s, %s", printable(info.Dataset), plural(info.Examples, "example"))
		}
		name := printable(info.Variant)
		if f := info.Flips; len(f) > 0 {
			q.Flips = append(q.Flips, flipRow{l.class(info.Variant), name, f["both_right"], f["only_baseline_right"], f["only_variant_right"], f["both_wrong"]})
		}
	}
	for _, text := range findings(r) {
		q.Findings = append(q.Findings, printable(text))
	}
	q.Slices = sliceTables(r.Quality, l)
	return q
}

// qualityMetricTable has one row for each variant, from the first of its arms: quality does not depend on batch or load.
func qualityMetricTable(r *results.Report, l look, n *notes) *qualityTable {
	metrics := qualityMetrics(r.Arms)
	if len(metrics) == 0 {
		return nil
	}
	t := &qualityTable{Title: "Metrics"}
	for _, m := range metrics {
		t.Columns = append(t.Columns, headingWithUnit(m, columnScale(r.Arms, m)))
	}
	for _, name := range l.variants {
		i := slices.IndexFunc(r.Arms, func(a results.ArmReport) bool { return a.Variant == name })
		if i < 0 {
			continue
		}
		row := qualityRow{Class: l.class(name), Variant: printable(name)}
		for _, m := range metrics {
			row.Cells = append(row.Cells, summaryCellOf(r, r.Arms[i], m, columnScale(r.Arms, m), n))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// sliceTables has one table for each slice column and metric, one column for each of the slice's values.
func sliceTables(infos []results.QualityInfo, l look) []qualityTable {
	type key struct{ column, metric string }
	var keys []key
	values := map[key][]string{}
	for _, info := range infos {
		for _, s := range info.Slices {
			k := key{s.Column, s.Metric}
			if values[k] == nil {
				keys = append(keys, k)
			}
			if !slices.Contains(values[k], s.Value) {
				values[k] = append(values[k], s.Value)
			}
		}
	}
	var out []qualityTable
	for _, k := range keys {
		t := qualityTable{Title: printable(k.metric + " by " + k.column)}
		for _, v := range values[k] {
			t.Columns = append(t.Columns, printable(v))
		}
		for _, info := range infos {
			row := qualityRow{Class: l.class(info.Variant), Variant: printable(info.Variant)}
			found := false
			for _, v := range values[k] {
				c := summaryCell{Missing: true}
				if i := slices.IndexFunc(info.Slices, func(s results.SliceQuality) bool { return s.Column == k.column && s.Metric == k.metric && s.Value == v }); i >= 0 {
					s, percent := info.Slices[i], scale{0.01, "%"}
					e := estimate{s.Estimate, &s.Low, &s.High}
					c, found = summaryCell{Value: e.point(percent) + "%", Span: span(e, percent), Change: fmt.Sprintf("n %d", s.Examples)}, true
				}
				row.Cells = append(row.Cells, c)
			}
			if found {
				t.Rows = append(t.Rows, row)
			}
		}
		out = append(out, t)
	}
	return out
}

// factGroup is a block of the environment.
type factGroup struct {
	Title string
	Facts []definition
}

func factsOf(r *results.Report) []factGroup {
	e := r.Environment
	runtime := flatten("", map[string]any{"name": e.Runtime.Name, "version": e.Runtime.Version, "variant": e.Runtime.Variant, "build": e.Runtime.Build,
		"library SHA-256": e.Runtime.LibrarySHA256, "providers": strings.Join(e.Runtime.Providers, ", ")})
	identity := flatten("", e.Identity)
	if e.IdentityHash != "" {
		identity = append(identity, definition{"hash", printable(e.IdentityHash)})
	}
	run := flatten("", map[string]any{"id": r.Run.ID, "command": r.Run.Command, "assay": r.Run.Assay, "seed": strconv.FormatUint(r.Run.Seed, 10), "status": r.Run.Status})
	var out []factGroup
	for _, g := range []factGroup{{"Run", run}, {"Runtime", runtime}, {"Machine (identity)", identity}, {"State when it began", flatten("", e.State)},
		{"State when it ended", flatten("", e.StateAfter)}, {"Provenance", flatten("", e.Provenance)}} {
		if len(g.Facts) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// flatten lists the leaves of nested maps by dotted name; empty ones are left out.
func flatten(prefix string, m map[string]any) []definition {
	var out []definition
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch v := m[k].(type) {
		case map[string]any:
			out = append(out, flatten(prefix+k+".", v)...)
		case nil:
		default:
			if text := factText(v); text != "" {
				out = append(out, definition{printable(prefix + k), text})
			}
		}
	}
	return out
}

func factText(v any) string {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 { // a count, such as bytes
			return strconv.FormatFloat(v, 'f', 0, 64)
		}
		return full(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = factText(e)
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		parts := flatten("", v)
		texts := make([]string, len(parts))
		for i, p := range parts {
			texts[i] = p.Term + " " + p.Text
		}
		return strings.Join(texts, ", ")
	}
	return printable(fmt.Sprint(v))
}

// rawRow is one metric of one arm in base units.
type rawRow struct {
	Arm, Metric, Value, Low, High, Unit, N, Trials, Method string
}

func rawRows(r *results.Report) []rawRow {
	var out []rawRow
	for _, a := range r.Arms {
		names := make([]string, 0, len(a.Metrics))
		for name := range a.Metrics {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			m := a.Metrics[name]
			out = append(out, rawRow{printable(a.Name), printable(name), full(m.Value), fullOrEmpty(m.Low), fullOrEmpty(m.High), printable(m.Unit),
				strconv.Itoa(m.N), strconv.Itoa(m.Trials), printable(m.Method)})
		}
	}
	return out
}
