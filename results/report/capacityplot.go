package report

import (
	"fmt"
	"math"

	"assay/results"
)

// htmlCapacity is the answer of a search on the page.
type htmlCapacity struct {
	Facts  []string
	Panel  *panel
	Probes htmlGrid
}

func htmlCapacityOf(r *results.Report) *htmlCapacity {
	c := r.Capacity
	if c == nil {
		return nil
	}
	return &htmlCapacity{Facts: capacityFacts(c), Panel: capacityPanel(c), Probes: htmlGridOf(capacityGrid(c))}
}

// capacityPanel draws latency at the binding quantile against the rate: what was measured as dots, what the replay predicts as a line, the limit, the band
// and the knee. nil where nothing can be drawn.
func capacityPanel(c *results.Capacity) *panel {
	limit := limitOf(c)
	var rates, latencies []float64
	for _, p := range c.Probes {
		if p.Kind != results.ProbeClosed && p.Latency != nil {
			rates, latencies = append(rates, p.Rate), append(latencies, *p.Latency)
		}
	}
	for _, p := range c.Curve {
		rates, latencies = append(rates, p.Rate), append(latencies, p.Latency)
	}
	if len(rates) == 0 || limit == 0 {
		return nil
	}
	latencies = append(latencies, limit)
	s := scaleOf("s", latencies)
	for i := range latencies {
		latencies[i] /= s.factor
	}
	x, y := axisOver(append(rates, 0, c.Closed), false), axisOver(latencies, true)
	x.min = 0
	d := &capacityDrawing{Capacity: c, x: x, y: y, factor: s.factor}
	yTicks := y.ticks(6)
	p := &panel{YAxis: yAxis(y, yTicks, plainTicks(yTicks)), YLabel: "latency at the objective's quantile (" + unitLabel(s.unit) + ")", XLabel: "requests a second"}
	if y.log {
		p.YLabel += ", logarithmic"
	}
	d.draw(limit, yTicks)
	p.Plot = d.html()
	p.Legend = []legendEntry{{Class: "cap pass", Text: "at a rate that meets it"}, {Class: "cap fail", Text: "at a rate that misses it"}, {Class: "cap unsure", Text: "at a rate of which one cannot tell"}}
	return p
}

// limitOf is the binding objective's limit in seconds, from the margin of any probe; 0 where none has one.
func limitOf(c *results.Capacity) float64 {
	for _, p := range c.Probes {
		if p.Margin != nil && p.Latency != nil && *p.Margin != 1 {
			return *p.Latency / (1 - *p.Margin)
		}
	}
	return 0
}

// capacityDrawing is the plot while it is drawn.
type capacityDrawing struct {
	*results.Capacity
	svg
	x, y   axis
	factor float64 // seconds in the unit of y
}

func (d *capacityDrawing) draw(limit float64, yTicks []float64) {
	d.open("plot", plotTop+plotHeight+ticksHeight, "Latency against the rate", fmt.Sprintf("%s; the figures are in the table of probes", plural(len(d.Probes), "probe")))
	if d.Band.Passes != nil && d.Band.Fails != nil {
		lo, hi := d.x.at(*d.Band.Passes), d.x.at(*d.Band.Fails)
		d.rect("cap band", lo, plotTop, math.Max(hi-lo, 0.3), plotHeight, capacityLine(d.Capacity))
	}
	for _, t := range yTicks {
		d.line("grid", 0, yAt(d.y, t), 100, yAt(d.y, t))
	}
	xTicks := d.x.ticks(6)
	for _, t := range xTicks {
		d.line("grid", d.x.at(t), plotTop, d.x.at(t), plotTop+plotHeight)
		d.text("tick middle", d.x.at(t), plotTop+plotHeight+16, typographic(tickLabel(t, xTicks)))
	}
	d.line("cap limit", 0, yAt(d.y, limit/d.factor), 100, yAt(d.y, limit/d.factor))
	d.text("start", 0.5, yAt(d.y, limit/d.factor)-5, d.SLO)
	if d.Knee != nil {
		d.line("cap knee", d.x.at(*d.Knee), plotTop, d.x.at(*d.Knee), plotTop+plotHeight)
		d.text("end", d.x.at(*d.Knee)-0.5, plotTop+12, "knee")
	}
	d.area(plotTop + plotHeight)
	points := make([][2]float64, len(d.Curve))
	for i, p := range d.Curve {
		points[i] = [2]float64{d.x.at(p.Rate), yAt(d.y, p.Latency/d.factor)}
	}
	if len(points) > 1 {
		d.path("cap curve", points, "predicted from the measured calls")
	}
	d.close()
	for _, p := range d.Probes {
		if p.Kind == results.ProbeClosed || p.Latency == nil {
			continue
		}
		class := map[string]string{results.GatePass: "pass", results.GateFail: "fail"}[p.Verdict]
		if class == "" {
			class = "unsure"
		}
		d.dot("cap "+class, d.x.at(p.Rate), yAt(d.y, *p.Latency/d.factor), 4, probeTip(p))
	}
	d.close()
}

func probeTip(p results.ProbeReport) string {
	tip := fmt.Sprintf("probe %d, %s requests/s: %s\n%s", p.Index+1, results.RateLabel(p.Rate), p.Verdict, plural(p.N, "request"))
	if p.Latency != nil {
		tip += typographic("\n" + estimate{value: *p.Latency}.with(scaleFor("s", *p.Latency)))
	}
	if p.Validity != results.Valid {
		tip += "\n" + p.Validity
	}
	return tip
}
