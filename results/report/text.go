package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"assay/results"
)

// Options shape the text form.
type Options struct {
	Color bool
	Width int      // columns of the terminal; 0 for no limit
	Dir   string   // of the run, to say where its files are; empty to leave that out
	Files []string // that are there, by name
}

// Text writes the report for a terminal: the verdict first, then the decision, a table for each load, comparisons, gates and notes.
func Text(w io.Writer, r *results.Report, o Options) error {
	p := &textPage{Options: o}
	if r.Capacity != nil {
		p.capacity(r)
	} else {
		p.body(r)
	}
	p.footnotes()
	if o.Dir != "" {
		p.line("")
		files := ""
		if len(o.Files) > 0 {
			files = " (" + printable(strings.Join(o.Files, ", ")) + ")"
		}
		p.line("Files: %s%s", printable(o.Dir), files)
	}
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// capacity writes the answer of a search and its probes.
func (p *textPage) capacity(r *results.Report) {
	c := r.Capacity
	p.line("%s  %s", p.bold(p.paint(verdictTone(r.Verdict), strings.ToUpper(printable(r.Verdict)))), runLine(r))
	for _, reason := range r.Reasons {
		p.paragraph("  - ", reason)
	}
	p.line("")
	p.paragraph("", capacityLine(c))
	for _, fact := range capacityFacts(c) {
		p.paragraph("  ", fact)
	}
	p.grid(capacityGrid(c))
}

// body writes the report of measured arms.
func (p *textPage) body(r *results.Report) {
	p.head(r)
	for _, load := range loadsOf(r.Arms) {
		p.grid(summary(r, load, &p.notes))
		if g := against(r, load, &p.notes); len(g.rows) > 0 {
			p.grid(g)
		}
	}
	p.paragraph("", legend(r))
	p.findings(findings(r))
	p.gates(r.Gates)
	if g := certificate(r); len(g.rows) > 0 {
		p.grid(g)
	}
}

// textPage accumulates the text form.
type textPage struct {
	Options
	out   bytes.Buffer
	notes notes
}

func (p *textPage) line(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

// paint colours s where the terminal takes it.
func (p *textPage) paint(t tone, s string) string {
	codes := map[tone]string{toneGood: "32", toneBad: "31", toneDoubt: "33", toneQuiet: "2"}
	if !p.Color || codes[t] == "" || s == "" {
		return s
	}
	return "\x1b[" + codes[t] + "m" + s + "\x1b[0m"
}

func (p *textPage) bold(s string) string {
	if !p.Color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (p *textPage) head(r *results.Report) {
	verdict := printable(r.Verdict)
	p.line("%s  %s", p.bold(p.paint(verdictTone(verdict), strings.ToUpper(verdict))), runLine(r))
	for _, reason := range r.Reasons {
		p.paragraph("  - ", reason)
	}
	for _, finding := range r.Findings {
		p.paragraph("  * ", finding)
	}
	p.line("")
	p.line("%s", p.bold("Decision: "+decisionLine(r.Decision)))
	p.paragraph("  ", r.Decision.Why)
	p.paragraph("  ", r.Decision.Conclusion)
	if h := hypothesis(r); h != "" {
		p.paragraph("  Hypothesis: ", h)
	}
}

// paragraph wraps text at the width, its first line after lead and the others indented like it. Empty text is nothing.
func (p *textPage) paragraph(lead, s string) {
	width := p.Width
	if width <= 0 || width > 120 {
		width = 120
	}
	indent := strings.Repeat(" ", text.StringWidthWithoutEscSequences(lead))
	for i, line := range wrap(printable(s), max(width-len(indent), 20)) {
		if i > 0 {
			lead = indent
		}
		p.line("%s", lead+line)
	}
}

// wrap breaks s between words into lines of at most width columns; a longer word stands alone.
func wrap(s string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		n := text.StringWidthWithoutEscSequences(word)
		switch {
		case line == "":
			line, used = word, n
		case used+1+n <= width:
			line, used = line+" "+word, used+1+n
		default:
			lines = append(lines, line)
			line, used = word, n
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// columnGap separates columns.
const columnGap = 2

// grid prints a table; where it is wider than the terminal, as several under each other, each with the row names.
func (p *textPage) grid(g grid) {
	p.line("")
	p.line("%s", p.bold(printable(g.title)))
	for i, columns := range p.pack(g) {
		if i > 0 {
			p.line("")
		}
		p.table(g, columns)
	}
}

// pack splits a grid's columns, the first excepted, into groups that fit the width.
func (p *textPage) pack(g grid) [][]int {
	widths := make([]int, len(g.header))
	for i, h := range g.header {
		widths[i] = text.StringWidthWithoutEscSequences(h)
		for _, row := range g.rows {
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(printable(row[i].text)))
		}
	}
	var groups [][]int
	var group []int
	used := widths[0]
	for i := 1; i < len(widths); i++ {
		if p.Width > 0 && len(group) > 0 && used+columnGap+widths[i] > p.Width {
			groups = append(groups, group)
			group, used = nil, widths[0]
		}
		group = append(group, i)
		used += columnGap + widths[i]
	}
	return append(groups, group)
}

// table prints the first column and the named ones.
func (p *textPage) table(g grid, columns []int) {
	t := table.NewWriter()
	t.SetStyle(table.Style{
		Box:     table.BoxStyle{PaddingRight: strings.Repeat(" ", columnGap), MiddleHorizontal: "-", MiddleSeparator: "-"},
		Format:  table.FormatOptions{Header: text.FormatDefault, Row: text.FormatDefault},
		Options: table.Options{SeparateHeader: true},
	})
	pick := func(cells []cell) table.Row {
		row := table.Row{p.paint(cells[0].tone, printable(cells[0].text))}
		for _, i := range columns {
			row = append(row, p.paint(cells[i].tone, printable(cells[i].text)))
		}
		return row
	}
	header := make([]cell, len(g.header))
	for i, h := range g.header {
		header[i].text = h
	}
	t.AppendHeader(pick(header))
	for _, row := range g.rows {
		t.AppendRow(pick(row))
	}
	for i, line := range strings.Split(t.Render(), "\n") {
		if i == 1 { // the rule runs on under the last column's padding
			line = line[:len(line)-columnGap]
		}
		p.line("%s", strings.TrimRight(line, " "))
	}
}

func (p *textPage) findings(texts []string) {
	if len(texts) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.bold("quality findings"))
	for _, t := range texts {
		p.paragraph("  - ", t)
	}
}

func (p *textPage) gates(gates []results.GateResult) {
	if len(gates) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.bold("gates"))
	for _, g := range gates {
		verdict := printable(g.Verdict)
		p.line("%s  %s  %s: %s", p.paint(verdictTone(verdict), fmt.Sprintf("%-12s", verdict)), printable(g.Rule), printable(g.Arm), gateFigure(g))
		p.paragraph(strings.Repeat(" ", 14), gateWhy(g))
	}
}

// gateWhy is a gate's reason with what would settle it.
func gateWhy(g results.GateResult) string {
	why := g.Why
	if g.Verdict != results.GateInconclusive {
		return why
	}
	if g.MoreBlocks > 0 {
		why += fmt.Sprintf(" (about %s would settle it)", plural(g.MoreBlocks, "more block"))
	}
	if g.MoreExamples > 0 {
		why += fmt.Sprintf(" (about %s would settle it)", plural(g.MoreExamples, "more example"))
	}
	return why
}

func (p *textPage) footnotes() {
	if len(p.notes.texts) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.bold("notes"))
	for i, n := range p.notes.texts {
		p.paragraph(fmt.Sprintf("%5s ", fmt.Sprintf("(%d)", i+1)), n)
	}
}
