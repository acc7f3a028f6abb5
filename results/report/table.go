package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"assay/results"
)

// tone is what a cell's colour says, where there is colour.
type tone int

const (
	toneNone tone = iota
	toneGood
	toneBad
	toneDoubt
	toneQuiet
)

// cell is one entry of a grid.
type cell struct {
	text string
	tone tone
}

// grid is a table before it is rendered as text or Markdown. The first column names the row.
type grid struct {
	title  string
	header []string
	rows   [][]cell
}

// notes collects footnotes; the same text is one note, and so is one reason of several figures.
type notes struct {
	texts   []string
	reasons map[string]*reason
}

// reason is why some figures are not there, and where its note stands.
type reason struct {
	note     int
	subjects []string
}

// markReason returns the reference to a note that says why a figure is not there.
func (n *notes) markReason(subject, why string) string {
	r := n.reasons[why]
	if r == nil {
		r = &reason{note: len(n.texts)}
		if n.reasons == nil {
			n.reasons = map[string]*reason{}
		}
		n.reasons[why] = r
		n.texts = append(n.texts, "")
	}
	if !slices.Contains(r.subjects, subject) {
		r.subjects = append(r.subjects, subject)
		n.texts[r.note] = strings.Join(r.subjects, ", ") + ": " + why
	}
	return fmt.Sprintf("(%d)", r.note+1)
}

// mark returns the reference to a note, adding it where it is new.
func (n *notes) mark(text string) string {
	i := slices.Index(n.texts, text)
	if i < 0 {
		i = len(n.texts)
		n.texts = append(n.texts, text)
	}
	return fmt.Sprintf("(%d)", i+1)
}

// marks joins the references of several notes.
func (n *notes) marks(texts []string) string {
	var b strings.Builder
	for _, t := range texts {
		b.WriteString(" " + n.mark(t))
	}
	return b.String()
}

// printable replaces what would move a cursor, colour a terminal or reorder a line: names and reasons come from files.
func printable(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	}), " ")
}

// summary is the figures of one load's arms.
func summary(r *results.Report, load string, n *notes) grid {
	arms := armsOf(r.Arms, load)
	metrics := keyMetrics(arms)
	g := grid{title: loadTitle(arms), header: []string{"arm", "trials"}}
	scales := make([]scale, len(metrics))
	for i, m := range metrics {
		scales[i] = columnScale(arms, m)
		g.header = append(g.header, headingWithUnit(m, scales[i]))
	}
	broken := slices.ContainsFunc(arms, func(a results.ArmReport) bool { return lostRequests(a) != "" })
	if broken {
		g.header = append(g.header, "requests lost")
	}
	for _, a := range arms {
		label := shortArm(a)
		if a.Baseline && compares(r) {
			label += " *"
		}
		row := []cell{{text: label}, trialsCell(a, n)}
		for i, m := range metrics {
			row = append(row, metricCell(a, m, scales[i], n))
		}
		if broken {
			row = append(row, cell{text: lostRequests(a), tone: toneBad})
		}
		g.rows = append(g.rows, row)
	}
	return g
}

// loadTitle names a load with its scenario, rate and profile: service (server, 212 requests/s).
func loadTitle(arms []results.ArmReport) string {
	a := arms[0]
	var parts []string
	if a.Scenario != "" && a.Scenario != a.Load {
		parts = append(parts, a.Scenario)
	}
	sameRate := !slices.ContainsFunc(arms, func(b results.ArmReport) bool { return b.Rate != a.Rate })
	if a.Rate > 0 && sameRate {
		parts = append(parts, fixed(a.Rate, significant(a.Rate, 3))+" requests/s")
	}
	if a.Profile != "" {
		parts = append(parts, "profile "+a.Profile)
	}
	if len(parts) == 0 {
		return a.Load
	}
	return a.Load + " (" + strings.Join(parts, ", ") + ")"
}

func headingWithUnit(metric string, s scale) string {
	if s.unit == "" {
		return heading(metric)
	}
	return heading(metric) + " (" + s.unit + ")"
}

// compares reports whether anything is compared: the baseline of a single variant is no baseline.
func compares(r *results.Report) bool { return len(r.Comparisons) > 0 }

// hasIntervals reports whether any figure has an interval.
func hasIntervals(r *results.Report) bool {
	for _, a := range r.Arms {
		for _, m := range a.Metrics {
			if estimateOf(m).bounded() && *m.High > *m.Low {
				return true
			}
		}
	}
	return false
}

// legend explains the signs of the tables.
func legend(r *results.Report) string {
	var parts []string
	if compares(r) {
		parts = append(parts, "* baseline")
	}
	if hasIntervals(r) {
		parts = append(parts, "intervals in brackets are two-sided, 95 %, over trials")
	}
	return strings.Join(parts, "; ")
}

// trialsCell is the count of trials that gave figures, with the failures as a note.
func trialsCell(a results.ArmReport, n *notes) cell {
	var remarks []string
	for _, note := range a.Notes {
		remarks = append(remarks, a.Name+": "+note)
	}
	if a.TrialsFailed == 0 {
		return cell{text: fmt.Sprint(a.Trials) + n.marks(remarks)}
	}
	text := fmt.Sprintf("%d of %d", a.Trials, a.Trials+a.TrialsFailed)
	return cell{text + n.marks(failures(a)) + n.marks(remarks), toneBad}
}

// failures are an arm's, those with the same cause as one.
func failures(a results.ArmReport) (out []string) {
	first, count := map[string]string{}, map[string]int{}
	var causes []string
	for _, f := range a.Failures {
		block, cause, _ := strings.Cut(f, ": ")
		if count[cause]++; count[cause] == 1 {
			first[cause] = block
			causes = append(causes, cause)
		}
	}
	for _, cause := range causes {
		text := fmt.Sprintf("%s: %s: %s", a.Name, first[cause], cause)
		if n := count[cause]; n > 1 {
			text = fmt.Sprintf("%s: %d trials, the first %s: %s", a.Name, n, first[cause], cause)
		}
		out = append(out, text)
	}
	return out
}

// findings are what the measurement of quality saw that no metric says.
func findings(r *results.Report) (out []string) {
	for _, info := range r.Quality {
		for _, f := range info.Findings {
			out = append(out, info.Variant+": "+f)
		}
	}
	return out
}

// metricCell prints one estimate, or says that there is none and why. An estimate that was not measured stays out of the column.
func metricCell(a results.ArmReport, metric string, s scale, n *notes) cell {
	m, ok := a.Metrics[metric]
	switch {
	case ok && m.Kind == "estimated":
		e := estimateOf(m)
		return cell{"not measured " + n.mark(fmt.Sprintf("%s: estimated at %s for %s (%s)", metric, e.with(scaleFor(m.Unit, m.Value)), a.Name, m.Method)), toneQuiet}
	case ok:
		figure := estimateOf(m).plain(s)
		if s.own() {
			figure = estimateOf(m).with(s.within(m))
		}
		return cell{text: figure + n.marks(m.Warnings)}
	}
	if why := a.NotMeasured[metric]; why != "" {
		return cell{"not measured " + n.markReason(metric, why), toneQuiet}
	}
	return cell{"not measured", toneQuiet}
}

// lostRequests counts what did not end well.
func lostRequests(a results.ArmReport) string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{a.Failed, "failed"}, {a.Dropped, "dropped"}, {a.Timeout, "timed out"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %d", strings.Join(parts, ", "), a.Requests)
}

// against is the comparisons of one load's arms with their baselines: a row an arm, a column a metric.
func against(r *results.Report, load string, n *notes) grid {
	arms := armsOf(r.Arms, load)
	metrics := comparedMetrics(r.Comparisons)
	g := grid{title: "change against the baseline", header: []string{"arm"}}
	g.header = append(g.header, metrics...)
	for _, a := range arms {
		row := []cell{{text: shortArm(a)}}
		found := false
		for _, m := range metrics {
			c, ok := comparisonOf(r, a, m)
			if !ok {
				row = append(row, cell{"not compared", toneQuiet})
				continue
			}
			found = true
			row = append(row, comparisonCell(c, n))
		}
		if found {
			g.rows = append(g.rows, row)
		}
	}
	return g
}

func comparisonCell(c results.Comparison, n *notes) cell {
	text := printable(c.Verdict)
	if e, s, ok := change(c); ok {
		text = e.with(s) + " " + text
	}
	return cell{text + n.marks(c.Warnings), verdictTone(c.Verdict)}
}

// verdictTone colours the verdicts of comparisons, gates and runs alike.
func verdictTone(verdict string) tone {
	switch verdict {
	case results.Better, results.GatePass, "valid":
		return toneGood
	case results.Worse, results.GateFail, "invalid":
		return toneBad
	case results.Unclear, results.GateInconclusive, results.GateNothing, "suspect":
		return toneDoubt
	}
	return toneQuiet
}

// decisionLine says what to ship.
func decisionLine(d results.Decision) string {
	if d.Ship == nil {
		return "no recommendation"
	}
	return "ship " + printable(*d.Ship)
}

// hypothesis is the run's, unless the conclusion repeats it.
func hypothesis(r *results.Report) string {
	h := strings.TrimSuffix(r.Run.Hypothesis, ".")
	if h == "" || strings.Contains(r.Decision.Conclusion, h) {
		return ""
	}
	return printable(h)
}

// runLine is the run in one line.
func runLine(r *results.Report) string {
	blocks := fmt.Sprintf("%d of %d blocks", r.Run.Blocks, r.Run.Planned)
	if r.Run.Blocks == r.Run.Planned {
		blocks = plural(r.Run.Blocks, "block")
	}
	of := []string{plural(len(r.Arms), "arm"), blocks}
	if r.Capacity != nil {
		of = []string{plural(len(r.Capacity.Probes), "probe")}
	}
	parts := append([]string{printable(r.Run.Name)}, of...)
	parts = append(parts, fixed(r.Run.Seconds, significant(r.Run.Seconds, 3))+" s", fmt.Sprintf("seed %d", r.Run.Seed))
	if r.Run.Status != "" && r.Run.Status != "complete" {
		parts = append(parts, printable(r.Run.Status))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
