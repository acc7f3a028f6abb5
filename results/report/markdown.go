package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"assay/results"
)

// Markdown writes the report for a pull request or a job's summary.
func Markdown(w io.Writer, r *results.Report) error {
	var out bytes.Buffer
	var n notes
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("## %s: %s\n", md(strings.ToUpper(r.Verdict)), md(r.Run.Name))
	for _, reason := range slices.Concat(r.Reasons, r.Findings) {
		line("- %s", md(reason))
	}
	if len(r.Reasons)+len(r.Findings) > 0 {
		line("")
	}
	if r.Capacity != nil {
		return markdownCapacity(w, &out, r)
	}
	line("**Decision: %s.** %s\n", md(decisionLine(r.Decision)), md(r.Decision.Why))
	if r.Decision.Conclusion != "" {
		line("%s\n", md(r.Decision.Conclusion))
	}
	if h := hypothesis(r); h != "" {
		line("Hypothesis: %s\n", md(h))
	}
	line("%s\n", md(runLine(r)))
	for _, load := range loadsOf(r.Arms) {
		markdownGrid(&out, summary(r, load, &n))
		if g := against(r, load, &n); len(g.rows) > 0 {
			markdownGrid(&out, g)
		}
	}
	if l := legend(r); l != "" {
		line("%s\n", md(l))
	}
	if texts := findings(r); len(texts) > 0 {
		line("### quality findings\n")
		for _, t := range texts {
			line("- %s", md(t))
		}
		line("")
	}
	markdownGates(&out, r.Gates)
	if g := certificate(r); len(g.rows) > 0 {
		markdownGrid(&out, g)
	}
	for i, text := range n.texts {
		line("- (%d) %s", i+1, md(text))
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func markdownGrid(out *bytes.Buffer, g grid) {
	fmt.Fprintf(out, "### %s\n\n", md(g.title))
	for _, h := range g.header {
		fmt.Fprintf(out, "| %s ", md(h))
	}
	fmt.Fprintf(out, "|\n|:---%s|\n", strings.Repeat("|---:", len(g.header)-1))
	for _, row := range g.rows {
		for _, c := range row {
			fmt.Fprintf(out, "| %s ", md(c.text))
		}
		fmt.Fprintln(out, "|")
	}
	fmt.Fprintln(out)
}

func markdownGates(out *bytes.Buffer, gates []results.GateResult) {
	if len(gates) == 0 {
		return
	}
	fmt.Fprint(out, "### gates\n\n| verdict | rule | arm | measured | why |\n|:---|:---|:---|---:|:---|\n")
	for _, g := range gates {
		fmt.Fprintf(out, "| **%s** | %s | %s | %s | %s |\n", md(g.Verdict), md(g.Rule), md(g.Arm), md(gateFigure(g)), md(gateWhy(g)))
	}
	fmt.Fprintln(out)
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `|`, `\|`, `[`, `\[`, `]`, `\]`, `~`, `\~`, `#`, `\#`,
	`<`, `&lt;`, `>`, `&gt;`, `&`, `&amp;`)

// md makes s plain text in Markdown: no markup, no HTML, no line break.
func md(s string) string { return markdownEscapes.Replace(printable(s)) }

// markdownCapacity writes the answer of a search and its probes.
func markdownCapacity(w io.Writer, out *bytes.Buffer, r *results.Report) error {
	fmt.Fprintf(out, "**%s.**\n\n", md(capacityLine(r.Capacity)))
	for _, fact := range capacityFacts(r.Capacity) {
		fmt.Fprintf(out, "%s\n\n", md(fact))
	}
	fmt.Fprintf(out, "%s\n\n", md(runLine(r)))
	markdownGrid(out, capacityGrid(r.Capacity))
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the report as Markdown: %w", err)
	}
	return nil
}
