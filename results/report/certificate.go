package report

import (
	"fmt"
	"slices"
	"strings"

	"assay/results"
)

// certificate is what the arms' certificates say, a row an arm; columns that no arm has a figure for are left out.
func certificate(r *results.Report) grid {
	columns := []struct {
		heading string
		of      func(*results.ArmCertificate) string
	}{
		{"asked, due, done (/s)", func(c *results.ArmCertificate) string {
			if c.ScheduledPerSecond == 0 {
				return ""
			}
			var rates []string
			for _, v := range []float64{c.ScheduledPerSecond, c.DuePerSecond, c.AchievedPerSecond} {
				rates = append(rates, fixed(v, significant(v, 4)))
			}
			return strings.Join(rates, ", ")
		}},
		{"late p99", func(c *results.ArmCertificate) string { return optional("s", c.LatenessP99) }},
		{"unexplained p99", func(c *results.ArmCertificate) string { return optional("s", c.UnexplainedP99) }},
		{"generator's share", func(c *results.ArmCertificate) string { return optional("ratio", c.GeneratorShare) }},
		{"stopped", func(c *results.ArmCertificate) string { return unlessZero("s", c.StoppedSeconds) }},
		{"others (cores)", func(c *results.ArmCertificate) string { return optional("", c.OthersCores) }},
		{"steal", func(c *results.ArmCertificate) string { return optional("ratio", c.StealRatio) }},
		{"throttled", func(c *results.ArmCertificate) string {
			if c.ThrottledSeconds == nil {
				return ""
			}
			return unlessZero("s", *c.ThrottledSeconds)
		}},
		{"GC", func(c *results.ArmCertificate) string { return unlessZero("", float64(c.GCCycles)) }},
	}
	g := grid{title: "certificate (the worst trial of each arm)", header: []string{"arm", "trials"}}
	var shown []func(*results.ArmCertificate) string
	for _, column := range columns {
		if slices.ContainsFunc(r.Arms, func(a results.ArmReport) bool { return a.Certificate != nil && column.of(a.Certificate) != "" }) {
			g.header = append(g.header, column.heading)
			shown = append(shown, column.of)
		}
	}
	for _, a := range r.Arms {
		if a.Certificate == nil {
			continue
		}
		row := []cell{{text: a.Name}, verdictsCell(a.Certificate)}
		for _, of := range shown {
			row = append(row, cell{text: of(a.Certificate)})
		}
		g.rows = append(g.rows, row)
	}
	return g
}

// verdictsCell counts an arm's trials by verdict: 4 valid, 1 suspect.
func verdictsCell(c *results.ArmCertificate) cell {
	var parts []string
	tone := toneGood
	for _, v := range []struct {
		n    int
		word string
	}{{c.Valid, results.Valid}, {c.Suspect, results.Suspect}, {c.Invalid, results.Invalid}} {
		if v.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", v.n, v.word))
			tone = verdictTone(v.word)
		}
	}
	return cell{strings.Join(parts, ", "), tone}
}

// optional prints a figure in its own scale, nothing where it is not known.
func optional(unit string, v *float64) string {
	if v == nil {
		return ""
	}
	s := scaleFor(unit, *v)
	return fixed(*v/s.factor, min(significant(*v/s.factor, 3), 2)) + s.suffix()
}

func unlessZero(unit string, v float64) string {
	if v == 0 {
		return ""
	}
	return optional(unit, &v)
}

// htmlGrid is a grid for the page.
type htmlGrid struct {
	Header []string
	Rows   [][]string
}

func htmlGridOf(g grid) htmlGrid {
	h := htmlGrid{Header: g.header}
	for _, row := range g.rows {
		var texts []string
		for _, c := range row {
			texts = append(texts, typographic(printable(c.text)))
		}
		h.Rows = append(h.Rows, texts)
	}
	return h
}
