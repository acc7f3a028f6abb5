package report

import (
	"fmt"
	"slices"

	"assay/results"
)

// point is one arm on the trade-off between cost and quality.
type point struct {
	arm      results.ArmReport
	x, y     estimate
	frontier bool
	close    bool // behind by the estimates alone: its intervals meet those of every arm that is ahead
}

// note says where a point stands.
func (p point) note() string {
	switch {
	case p.frontier:
		return "on the frontier"
	case p.close:
		return "behind, within the intervals"
	}
	return "dominated"
}

// meets reports whether two intervals have a value in common; an estimate without one is not known to lie apart.
func (e estimate) meets(f estimate) bool {
	return !e.bounded() || !f.bounded() || *e.low <= *f.high && *f.low <= *e.high
}

// tradeoffPanels set latency (throughput for offline loads) against the first quality metric, one panel for each set of comparable arms.
func tradeoffPanels(r *results.Report, l look) []panel {
	metrics := qualityMetrics(r.Arms)
	if len(metrics) == 0 {
		return nil
	}
	var out []panel
	for _, f := range l.facets(r.Arms) {
		x := "latency.p50"
		if f.arms[0].Scenario == "offline" {
			x = "throughput"
		}
		if points := pointsOf(f.arms, x, metrics[0]); len(points) > 0 {
			out = append(out, tradeoffPanel(f, points, x, metrics[0], l))
		}
	}
	return out
}

// pointsOf are the arms that have both figures, the best in x first, with the frontier marked: no other arm is at least as good in both
// and better in one. It goes by the estimates alone; the crosses show how sure they are.
func pointsOf(arms []results.ArmReport, x, y string) []point {
	var points []point
	for _, a := range arms {
		mx, okX := a.Metrics[x]
		my, okY := a.Metrics[y]
		if okX && okY {
			points = append(points, point{arm: a, x: estimateOf(mx), y: estimateOf(my)})
		}
	}
	atLeast := func(metric string, a, b float64) bool {
		if higherIsBetter(metric) {
			return a >= b
		}
		return a <= b
	}
	for i := range points {
		p := &points[i]
		p.frontier, p.close = true, true
		for _, q := range points {
			if atLeast(x, q.x.value, p.x.value) && atLeast(y, q.y.value, p.y.value) && (q.x.value != p.x.value || q.y.value != p.y.value) {
				p.frontier = false
				p.close = p.close && q.x.meets(p.x) && q.y.meets(p.y)
			}
		}
	}
	slices.SortStableFunc(points, func(a, b point) int {
		if a.x.value == b.x.value {
			return 0
		}
		if atLeast(x, a.x.value, b.x.value) {
			return -1
		}
		return 1
	})
	return points
}

func (e estimate) ends() []float64 {
	if e.bounded() {
		return []float64{e.value, *e.low, *e.high}
	}
	return []float64{e.value}
}

func tradeoffPanel(f facet, points []point, xMetric, yMetric string, l look) panel {
	sx, sy := scaleOfMetric(f.arms, xMetric), scaleOfMetric(f.arms, yMetric)
	var xs, ys []float64
	for _, p := range points {
		for _, v := range p.x.ends() {
			xs = append(xs, v/sx.factor)
		}
		for _, v := range p.y.ends() {
			ys = append(ys, v/sy.factor)
		}
	}
	x := axisOver(xs, slices.Min(xs) > 0 && slices.Max(xs)/slices.Min(xs) > 4)
	y := axisOver(ys, false)
	xTicks, yTicks := x.ticks(5), y.ticks(6)
	p := panel{Title: f.Title, YAxis: yAxis(y, yTicks, plainTicks(yTicks)), YLabel: headingWithUnit(yMetric, sy), XLabel: heading2(xMetric) + " (" + unitLabel(sx.unit) + ")"}
	if x.log {
		p.XLabel += ", logarithmic"
	}
	if higherIsBetter(xMetric) {
		p.XLabel += ", higher is better"
	} else {
		p.XLabel += ", lower is better"
	}
	var d, onTop svg // the frontier covers what it dominates
	d.open("plot", plotTop+plotHeight+ticksHeight, "Trade-off "+f.Title, heading2(xMetric)+" across, "+heading(yMetric)+" up; the list below gives every point")
	for _, t := range yTicks {
		d.line("grid", 0, yAt(y, t), 100, yAt(y, t))
	}
	for _, t := range xTicks {
		d.line("grid", x.at(t), plotTop, x.at(t), plotTop+plotHeight)
		d.text("tick middle", x.at(t), plotTop+plotHeight+16, typographic(tickLabel(t, xTicks)))
	}
	drawFrontier(&d, points, x, y, sx, sy)
	for _, q := range points {
		note := q.note()
		xText, yText := typographic(q.x.point(sx)+sx.suffix()), typographic(q.y.point(sy)+sy.suffix())
		into := &onTop
		if !q.frontier {
			into = &d
		}
		drawPoint(into, q, x, y, sx, sy, l.class(q.arm.Variant), fmt.Sprintf("%s\n%s %s (%s)\n%s %s (%s)\n%s",
			q.arm.Variant, heading2(xMetric), xText, span(q.x, sx), heading(yMetric), yText, span(q.y, sy), note))
		p.Legend = append(p.Legend, legendEntry{l.class(q.arm.Variant), printable(q.arm.Variant) + "  " + xText + ", " + yText, note})
	}
	d.raw(onTop.b.String())
	d.close()
	p.Plot = d.html()
	return p
}

// drawFrontier joins the points that nothing dominates by steps: between them no measured arm does better.
func drawFrontier(d *svg, points []point, x, y axis, sx, sy scale) {
	var path [][2]float64
	for _, q := range points {
		if !q.frontier {
			continue
		}
		px, py := x.at(q.x.value/sx.factor), yAt(y, q.y.value/sy.factor)
		if n := len(path); n > 0 {
			path = append(path, [2]float64{px, path[n-1][1]})
		}
		path = append(path, [2]float64{px, py})
	}
	if len(path) > 1 {
		d.area(plotTop + plotHeight)
		d.path("frontier", path, "")
		d.close()
	}
}

func drawPoint(d *svg, q point, x, y axis, sx, sy scale, class, tip string) {
	px, py := x.at(q.x.value/sx.factor), yAt(y, q.y.value/sy.factor)
	d.printf(`<g class="v %s"%s>`, class, tipAttr(tip))
	if q.x.bounded() {
		d.line("whisker", x.at(*q.x.low/sx.factor), py, x.at(*q.x.high/sx.factor), py)
	}
	if q.y.bounded() {
		d.line("whisker", px, yAt(y, *q.y.low/sy.factor), px, yAt(y, *q.y.high/sy.factor))
	}
	mark := "mark hollow"
	if q.frontier {
		mark = "mark"
	}
	d.dot(mark, px, py, 5.5, "")
	d.raw(`</g>`)
}
