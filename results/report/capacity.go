package report

import (
	"fmt"
	"strings"

	"assay/results"
)

// capacityLine is the answer of a search in a sentence.
func capacityLine(c *results.Capacity) string {
	switch {
	case c.Band.Passes != nil && c.Band.Fails != nil:
		return fmt.Sprintf("%s meets %s up to a rate between %s and %s requests/s", c.Arm, c.SLO, results.RateLabel(*c.Band.Passes), results.RateLabel(*c.Band.Fails))
	case c.Band.Passes != nil:
		return fmt.Sprintf("%s meets %s at %s requests/s and below; no rate was seen to miss it", c.Arm, c.SLO, results.RateLabel(*c.Band.Passes))
	case c.Band.Fails != nil:
		return fmt.Sprintf("%s misses %s at %s requests/s and above; no rate was seen to meet it", c.Arm, c.SLO, results.RateLabel(*c.Band.Fails))
	}
	return fmt.Sprintf("%s: no rate was found that meets or misses %s", c.Arm, c.SLO)
}

// capacityFacts are what stands below that sentence.
func capacityFacts(c *results.Capacity) []string {
	facts := []string{fmt.Sprintf("%s: %s.", c.Verdict, c.Reason)}
	closed := fmt.Sprintf("A closed loop with %s in flight does %s requests/s", plural(c.Servers, "request"), results.RateLabel(c.Closed))
	if c.Estimate != nil {
		closed += fmt.Sprintf("; the highest rate that meets the objective is about %s requests/s, %.0f %% of that", results.RateLabel(*c.Estimate), 100**c.Estimate/c.Closed)
	}
	facts = append(facts, closed+".")
	if c.Binding != "" && strings.Contains(c.SLO, ",") {
		facts = append(facts, "The objective that limits the rate: "+c.Binding+".")
	}
	if c.SetAside > 0 {
		facts = append(facts, fmt.Sprintf("Set aside: %s that the host disturbed; each was sent again.", plural(c.SetAside, "probe")))
	}
	if c.Knee != nil {
		facts = append(facts, fmt.Sprintf("From about %s requests/s on, that quantile is more than twice what it is without load.", results.RateLabel(*c.Knee)))
	}
	if c.Method != "" {
		facts = append(facts, "Method: "+c.Method+".")
	}
	return facts
}

// capacityGrid is the table of probes, in the order in which they were sent.
func capacityGrid(c *results.Capacity) grid {
	g := grid{title: "probes", header: []string{"#", "kind", "rate", "rate's verdict", "p50", "at the objective", "margin", "missed", "n", "n_eff", "late p99", "valid"}}
	seconds := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return estimate{value: *v}.with(scaleFor("s", *v))
	}
	for _, p := range c.Probes {
		margin, missed := "-", "-"
		if p.Margin != nil {
			margin = fmt.Sprintf("%+.0f %%", 100**p.Margin)
		}
		if p.Kind != results.ProbeClosed && !p.SetAside {
			missed = fmt.Sprintf("%.3g %%", 100*p.Missed)
		}
		verdict := orDash(p.Verdict)
		if p.SetAside {
			verdict = "set aside"
		}
		row := []cell{{text: fmt.Sprint(p.Index + 1)}, {text: p.Kind}, {text: results.RateLabel(p.Rate) + "/s"}, {text: verdict, tone: verdictTone(p.Verdict)},
			{text: seconds(p.Median)}, {text: seconds(p.Latency)}, {text: margin}, {text: missed}, {text: fmt.Sprint(p.N)}, {text: fmt.Sprintf("%.0f", p.NEff)},
			{text: seconds(p.Lateness)}, {text: orDash(p.Validity), tone: verdictTone(p.Validity)}}
		g.rows = append(g.rows, row)
	}
	return g
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
