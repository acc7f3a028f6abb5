package plan

import (
	"fmt"
	"slices"

	"assay/results"
)

// defaultQualityMetrics are measured where `quality` names none.
var defaultQualityMetrics = []string{"accuracy", "agreement"}

// metricUnits gives each metric that a gate may name its base unit; quality metrics are ratios.
var metricUnits = func() map[string]string {
	m := map[string]string{
		"throughput": "1/s", "throughput.requests": "1/s", "cpu.per_inference": "s", "energy.per_inference": "J",
		"memory.host.peak": "B", "memory.gpu.peak": "B", "size.bytes": "B", "load.session_create": "s", "load.first_inference": "s",
	}
	for _, family := range []string{"latency", "service", "queue_wait"} {
		for _, q := range quantiles {
			m[family+"."+q] = "s"
		}
	}
	for _, q := range qualityMetrics {
		m["quality."+q] = "ratio"
	}
	return m
}()

// Metrics lists the metrics that a gate may name, in alphabetical order.
func Metrics() []string {
	var names []string
	for name := range metricUnits {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

type gateBound struct{ key, text string }

func (g Gate) bounds() []gateBound {
	var given []gateBound
	for _, b := range []gateBound{{"at_most", string(g.AtMost)}, {"at_least", string(g.AtLeast)}, {"loss_at_most", string(g.LossAtMost)}} {
		if b.text != "" {
			given = append(given, b)
		}
	}
	return given
}

// checkGate looks at one gate by itself: its metric and its bound.
func (e *Experiment) checkGate(i int) {
	s, g := e.source, e.Gates[i]
	path := fmt.Sprintf("gates[%d]", i)
	if g.Arm == "" {
		s.require(path+".arm", "a variant, or an arm's full name")
	}
	if g.Metric == "" {
		s.require(path+".metric", "one such as latency.p99 or quality.accuracy")
	}
	if _, known := metricUnits[g.Metric]; !known && g.Metric != "" {
		s.add(path+".metric", "%s: unknown metric `%s`%s", path, g.Metric, suggestion(g.Metric, Metrics()))
		return
	}
	bounds := g.bounds()
	if len(bounds) == 0 {
		s.add(path, "%s: no bound; give at_most, at_least or loss_at_most", path)
	}
	if len(bounds) > 1 {
		s.add(path+"."+bounds[1].key, "%s: two bounds, %s and %s; write one gate for each", path, bounds[0].key, bounds[1].key)
	}
	for _, b := range bounds {
		if g.Metric == "" {
			break
		}
		if _, err := parseBound(g.Metric, b.key, b.text); err != nil {
			s.add(path+"."+b.key, "%s.%s: %v", path, b.key, err)
		}
	}
}

// bound is a gate's limit in base units.
type bound struct {
	relative bool // to the baseline
	value    float64
}

// parseBound reads the limit that key sets for metric: 0.8x of the baseline; an amount in the metric's own unit; a loss in points (pp, of
// quality metrics) or in percent of the baseline's value. A plain number is a quality metric's value of at most 1.
func parseBound(metric, key, text string) (bound, error) {
	want := metricUnits[metric]
	example := map[string]string{"s": "20ms", "1/s": "200/s", "J": "50mJ", "B": "500MB", "ratio": "97%"}[want]
	value, unit, err := parseQuantity(text)
	if err != nil {
		return bound{}, err
	}
	if key == "loss_at_most" {
		switch {
		case unit == "ratio", unit == "pp" && want == "ratio":
			return bound{relative: true, value: value}, nil
		case want == "ratio":
			return bound{}, fmt.Errorf("%q: write a loss in points, such as 1pp, or in percent of the baseline, such as 2%%", text)
		}
		return bound{}, fmt.Errorf("%q: write a loss of %s in percent of the baseline, such as 2%%", text, metric)
	}
	switch {
	case unit == "x":
		if value == 0 {
			return bound{}, fmt.Errorf("%q: a ratio must be greater than zero", text)
		}
		return bound{relative: true, value: value}, nil
	case unit == want, unit == "" && want == "ratio" && value <= 1:
		return bound{value: value}, nil
	case unit == "":
		return bound{}, fmt.Errorf("%s has no unit; write %sx of the baseline, or an amount such as %s", text, text, example)
	case unit == "ratio":
		return bound{}, fmt.Errorf("%q: write a ratio to the baseline as %sx, or an amount such as %s", text, formatNumber(value), example)
	}
	return bound{}, fmt.Errorf("%q is not in the unit of %s; write 0.9x of the baseline, or an amount such as %s", text, metric, example)
}

func (e *Experiment) resolveGates() []results.Gate {
	var gates []results.Gate
	for _, g := range e.Gates {
		gates = append(gates, results.Gate{Metric: g.Metric, Arm: g.Arm, AtMost: string(g.AtMost),
			AtLeast: string(g.AtLeast), LossAtMost: string(g.LossAtMost), Alpha: float64(g.Alpha)})
	}
	return gates
}
