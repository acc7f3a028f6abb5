package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"

	"assay/results"
)

// panel is a chart with a vertical axis of its own width, a title above and ticks below.
type panel struct {
	Title  string
	YAxis  template.HTML
	Plot   template.HTML
	Legend []legendEntry
	YLabel string
	XLabel string
}

type legendEntry struct {
	Class, Text, Note string
}

const (
	plotHeight  = 240.0
	plotTop     = 8.0 // room for the topmost tick's text
	ticksHeight = 22.0
)

// yAt turns a percentage of an axis into pixels down.
func yAt(a axis, v float64) float64 { return plotTop + plotHeight*(1-a.at(v)/100) }

// yAxis prints the labels that stand left of a plot.
func yAxis(a axis, ticks []float64, label func(float64) string) template.HTML {
	var d svg
	d.printf(`<svg class="y-axis" width="100%%" height="%s" aria-hidden="true">`, num(plotTop+plotHeight+ticksHeight))
	for _, t := range ticks {
		d.text("tick end", 100, yAt(a, t)+4, typographic(label(t)))
	}
	d.close()
	return d.html()
}

// plainTicks labels ticks with numbers alone.
func plainTicks(ticks []float64) func(float64) string {
	return func(v float64) string { return tickLabel(v, ticks) }
}

// levelAxis spreads quantile levels by nines: 50 %, 90 %, 99 % and so on stand equally far apart in the tail.
type levelAxis struct{ max float64 } // in nines; level 1 stands at max

func (l levelAxis) at(level float64) float64 {
	return 100 * math.Min(nines(level), l.max) / l.max
}

// nines is 0 for level 0, 1 for 0.9, 2 for 0.99.
func nines(level float64) float64 {
	if level >= 1 {
		return math.Inf(1)
	}
	return -math.Log10(1 - math.Max(level, 0))
}

// latencyPanels draws every trial's quantile curve: one panel for each set of arms that differ in the variant alone.
func latencyPanels(r *results.Report, l look) []panel {
	var out []panel
	for _, f := range l.facets(r.Arms) {
		curves := curvesOf(r.Trials, f.arms)
		if len(curves) > 0 {
			out = append(out, latencyPanel(f, curves, l))
		}
	}
	return out
}

type curve struct {
	trial results.TrialPoint
	arm   results.ArmReport
}

// curvesOf are the trials of some arms that have a distribution to draw.
func curvesOf(trials []results.TrialPoint, arms []results.ArmReport) []curve {
	var out []curve
	for _, t := range trials {
		i := slices.IndexFunc(arms, func(a results.ArmReport) bool { return a.Name == t.Arm })
		if i >= 0 && len(t.QuantileLevels) > 1 && len(t.LatencySeconds) == len(t.QuantileLevels) {
			out = append(out, curve{t, arms[i]})
		}
	}
	return out
}

func latencyPanel(f facet, curves []curve, l look) panel {
	x := levelAxis{max: 1}
	var values []float64
	for _, c := range curves {
		values = append(values, c.trial.LatencySeconds...)
		for _, level := range c.trial.QuantileLevels {
			if level < 1 {
				x.max = math.Max(x.max, nines(level)+0.6)
			}
		}
	}
	s := scaleOf("s", values)
	for i := range values {
		values[i] /= s.factor
	}
	lo, hi := slices.Min(values), slices.Max(values)
	y := axisOver(values, lo > 0 && hi/lo > 4)
	yTicks := y.ticks(6)
	label, unit := plainTicks(yTicks), " ("+unitLabel(s.unit)+")"
	if y.log && hi/lo > mixedSpread {
		unit = ""
		label = func(v float64) string {
			v *= s.factor
			own := scaleFor("s", v)
			return fixed(v/own.factor, 0) + own.suffix()
		}
	}
	p := panel{Title: f.Title, YAxis: yAxis(y, yTicks, label), YLabel: "latency" + unit, XLabel: "quantile: this share of requests is at most so slow"}
	if y.log {
		p.YLabel += ", logarithmic"
	}
	var d svg
	d.open("plot", plotTop+plotHeight+ticksHeight, "Latency by quantile "+f.Title,
		fmt.Sprintf("%s; each line is one trial; the figures are in the summary table", plural(len(curves), "trial")))
	for _, t := range yTicks {
		d.line("grid", 0, yAt(y, t), 100, yAt(y, t))
	}
	for _, t := range levelTicks(x) {
		d.line("grid", t.at, plotTop, t.at, plotTop+plotHeight)
		d.text("tick "+t.anchor, t.at, plotTop+plotHeight+16, t.text)
	}
	d.area(plotTop + plotHeight)
	for _, c := range curves {
		points := make([][2]float64, len(c.trial.QuantileLevels))
		for i, level := range c.trial.QuantileLevels {
			points[i] = [2]float64{x.at(level), yAt(y, c.trial.LatencySeconds[i]/s.factor)}
		}
		class := "curve v " + l.class(c.arm.Variant)
		if c.trial.Verdict != "valid" {
			class += " doubtful"
		}
		d.path(class, points, curveTip(c))
	}
	d.close()
	d.close()
	p.Plot = d.html()
	return p
}

func curveTip(c curve) string {
	tip := fmt.Sprintf("%s, block %d (%s)", c.arm.Variant, c.trial.Block, plural(c.trial.Requests, "request"))
	for _, want := range []float64{0.5, 0.99} {
		if i := slices.Index(c.trial.QuantileLevels, want); i >= 0 {
			v := c.trial.LatencySeconds[i]
			tip += typographic(fmt.Sprintf("\np%g %s", want*100, estimate{value: v}.with(scaleFor("s", v))))
		}
	}
	if c.trial.Verdict != "valid" && c.trial.Verdict != "" {
		tip += "\n" + c.trial.Verdict
	}
	return tip
}

type levelTick struct {
	at           float64
	text, anchor string
}

func levelTicks(x levelAxis) []levelTick {
	ticks := []levelTick{{x.at(0.5), "p50", "middle"}}
	for n := 1.0; n < x.max-0.3; n++ {
		level := 1 - math.Pow10(-int(n))
		ticks = append(ticks, levelTick{x.at(level), "p" + strconv.FormatFloat(100*level, 'g', 12, 64), "middle"})
	}
	return append(ticks, levelTick{100, "max", "end"})
}
