package report

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"assay/results"
)

// A scale turns a base unit into one that reads well: 0.00123 s into 1.23 ms.
type scale struct {
	factor float64 // base units in one of unit
	unit   string
}

var scalesOf = map[string][]scale{
	"s":     {{1e-9, "ns"}, {1e-6, "us"}, {1e-3, "ms"}, {1, "s"}},
	"B":     {{1, "B"}, {1 << 10, "KiB"}, {1 << 20, "MiB"}, {1 << 30, "GiB"}},
	"J":     {{1e-6, "uJ"}, {1e-3, "mJ"}, {1, "J"}, {1e3, "kJ"}},
	"W":     {{1e-3, "mW"}, {1, "W"}, {1e3, "kW"}},
	"1/s":   {{1, "/s"}, {1e3, "k/s"}},
	"ratio": {{0.01, "%"}},
}

// scaleFor chooses the scale in which values of a base unit, of which typical is one, have one to three digits before the point.
// Rates stay whole up to 100 000/s, so that the throughputs of one table rarely mix units.
func scaleFor(unit string, typical float64) scale {
	scales := scalesOf[unit]
	if len(scales) == 0 {
		return scale{1, unit}
	}
	typical = math.Abs(typical)
	if unit == "1/s" {
		typical /= 100
	}
	best := scales[0]
	for _, s := range scales[1:] {
		if typical >= 0.9995*s.factor {
			best = s
		}
	}
	return best
}

// scaleOf chooses one scale for a column of values: the one that suits their lower median.
func scaleOf(unit string, values []float64) scale {
	if len(values) == 0 {
		return scaleFor(unit, 1)
	}
	sorted := slices.Clone(values)
	for i, v := range sorted {
		sorted[i] = math.Abs(v)
	}
	slices.Sort(sorted)
	return scaleFor(unit, sorted[(len(sorted)-1)/2])
}

// suffix is what follows a number: "%" and "/s" stick to it, other units stand apart.
func (s scale) suffix() string {
	if s.unit == "" || s.unit == "x" || s.unit == "%" || strings.HasSuffix(s.unit, "/s") {
		return s.unit
	}
	return " " + s.unit
}

// maxDecimals bounds what is printed of an interval that is nearly a point.
const maxDecimals = 6

// decimals returns how many digits after the point show two significant digits of half; negative values round before the point.
func decimals(half float64) int {
	if !(half > 0) || math.IsInf(half, 0) {
		return 0
	}
	d := 1 - int(math.Floor(math.Log10(half)))
	// 0.0996 has two digits at three decimals (0.100), but rounds up to 0.10 at two.
	if math.Round(half*math.Pow10(d)) >= 100 {
		d--
	}
	return min(d, maxDecimals)
}

// significant returns the decimals that show digits significant digits of v.
func significant(v float64, digits int) int {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	d := digits - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	return min(max(d, 0), maxDecimals)
}

// fixed prints v with so many decimals, rounding before the point where they are negative, and never as "-0".
func fixed(v float64, decimals int) string {
	v = min(max(v, -math.MaxFloat64), math.MaxFloat64) // a scale may have taken it beyond
	if decimals < 0 {
		unit := math.Pow10(-decimals)
		v, decimals = math.Round(v/unit)*unit, 0
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.HasPrefix(s, "-") && strings.Trim(s, "-0.") == "" {
		return s[1:]
	}
	return s
}

// estimate is a value with its interval in base units.
type estimate struct {
	value     float64
	low, high *float64
}

func estimateOf(m results.Metric) estimate { return estimate{m.Value, m.Low, m.High} }

// bounded reports whether both ends are known.
func (e estimate) bounded() bool { return e.low != nil && e.high != nil }

// equal reports whether two estimates have the same value and ends.
func (e estimate) equal(f estimate) bool {
	same := func(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }
	return e.value == f.value && same(e.low, f.low) && same(e.high, f.high)
}

// decimals chooses the digits of an estimate in a scale: by its interval where it has one, three significant digits otherwise.
func (e estimate) decimals(s scale) int {
	if e.bounded() && *e.high > *e.low {
		return decimals((*e.high - *e.low) / 2 / s.factor)
	}
	return significant(e.value/s.factor, 3)
}

// point prints the value alone, without its unit.
func (e estimate) point(s scale) string { return fixed(e.value/s.factor, e.decimals(s)) }

// interval prints "[low, high]", or nothing where there is none or its ends print alike.
func (e estimate) interval(s scale) string {
	if !e.bounded() {
		return ""
	}
	d := e.decimals(s)
	low, high := end(*e.low/s.factor, d), end(*e.high/s.factor, d)
	if low == high {
		return ""
	}
	return "[" + low + ", " + high + "]"
}

// end prints an interval's end. One that is not 0 does not print as 0, however wide the interval.
func end(v float64, decimals int) string {
	if text := fixed(v, decimals); v == 0 || strings.Trim(text, "-0.") != "" {
		return text
	}
	return fixed(v, significant(v, 1))
}

// plain prints value and interval without a unit: for columns whose heading names it.
func (e estimate) plain(s scale) string {
	return strings.TrimSpace(e.point(s) + " " + e.interval(s))
}

// with prints value, unit and interval.
func (e estimate) with(s scale) string {
	return strings.TrimSpace(e.point(s) + s.suffix() + " " + e.interval(s))
}
