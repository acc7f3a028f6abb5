package report

import "math"

// An axis maps values to 0..100 percent.
type axis struct {
	min, max float64
	log      bool
}

// axisOver covers values with a margin; logarithmic where asked for and every value is positive.
func axisOver(values []float64, log bool) axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		lo, hi = math.Min(lo, v), math.Max(hi, v)
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	a := axis{lo, hi, log && lo > 1e-100 && hi < 1e100} // beyond, margins would leave the numbers that there are
	if a.log {
		margin := math.Max(math.Log(hi/lo)*0.05, 0.01)
		a.min, a.max = lo*math.Exp(-margin), hi*math.Exp(margin)
		return a
	}
	margin := math.Max((hi-lo)*0.05, math.Abs(hi)*1e-3)
	if margin == 0 {
		margin = 1
	}
	a.min, a.max = lo-margin, hi+margin
	return a
}

// at returns where v stands, kept within the axis.
func (a axis) at(v float64) float64 {
	p := (v - a.min) / (a.max - a.min)
	if a.log {
		p = math.Log(v/a.min) / math.Log(a.max/a.min)
	}
	if math.IsNaN(p) {
		return 0
	}
	return 100 * math.Min(math.Max(p, 0), 1)
}

// outside reports whether v does not fit on the axis.
func (a axis) outside(v float64) bool { return v < a.min || v > a.max }

// ticks returns up to about n round values: 1, 2, 5 times powers of ten on a logarithmic axis that spans enough, even steps otherwise.
func (a axis) ticks(n int) []float64 {
	if a.log && a.max/a.min >= 4 {
		return a.logTicks(n)
	}
	step := niceStep((a.max - a.min) / float64(n))
	var out []float64
	for i := math.Ceil(a.min / step); i*step <= a.max && len(out) <= 2*n; i++ {
		out = append(out, i*step)
	}
	return out
}

func (a axis) logTicks(n int) []float64 {
	for _, mantissas := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		var out []float64
		for e := math.Floor(math.Log10(a.min)); e <= math.Log10(a.max); e++ {
			for _, m := range mantissas {
				if v := m * math.Pow10(int(e)); v >= a.min && v <= a.max {
					out = append(out, v)
				}
			}
		}
		if len(out) <= n+1 {
			return out
		}
	}
	var out []float64
	decades := math.Log10(a.max / a.min)
	every := int(math.Ceil(decades / float64(n)))
	for e := int(math.Ceil(math.Log10(a.min))); float64(e) <= math.Log10(a.max); e += every {
		out = append(out, math.Pow10(e))
	}
	return out
}

// niceStep rounds a step up to 1, 2, 2.5 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	if !(raw > 0) || math.IsInf(raw, 0) {
		return 1
	}
	power := math.Pow10(int(math.Floor(math.Log10(raw))))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if raw <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// tickLabel prints a tick with the digits that its axis needs.
func tickLabel(v float64, ticks []float64) string {
	step := math.Abs(v)
	for i := 1; i < len(ticks); i++ {
		step = math.Min(step, ticks[i]-ticks[i-1])
	}
	if len(ticks) > 1 && ticks[1]-ticks[0] != ticks[len(ticks)-1]-ticks[len(ticks)-2] && math.Abs((ticks[1]-ticks[0])/(ticks[len(ticks)-1]-ticks[len(ticks)-2])-1) > 1e-6 {
		return fixed(v, significant(v, 1))
	}
	d := significant(step, 1)
	if step != 0 && math.Abs(math.Round(step*math.Pow10(d))-step*math.Pow10(d)) > 1e-6 {
		d++
	}
	return fixed(v, min(d, maxDecimals))
}
