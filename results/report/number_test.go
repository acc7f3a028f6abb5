package report

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEstimates(t *testing.T) {
	for _, c := range []struct {
		unit             string
		value, low, high float64
		want             string
	}{
		{"s", 0.00123456, 0.0012, 0.0013, "1.235 ms [1.200, 1.300]"},
		{"s", 0.00123456, 0.0011, 0.00163, "1.23 ms [1.10, 1.63]"},
		{"s", 950e-6, 720e-6, 1180e-6, "950 us [720, 1180]"},
		{"s", 0.9996, 0.95, 1.05, "1.000 s [0.950, 1.050]"},
		{"s", 0.24, 0.0009, 0.25, "240 ms [0.9, 250]"},
		{"s", 0, -0.0004, 0.0003, "0 ns [-400000, 300000]"},
		{"1/s", 12345.6, 12000, 12700, "12350/s [12000, 12700]"},
		{"1/s", 1.5e6, 1.4e6, 1.6e6, "1500k/s [1400, 1600]"},
		{"B", 52 << 20, 51 << 20, 54 << 20, "52.0 MiB [51.0, 54.0]"},
		{"J", 0.0123, 0.0119, 0.0128, "12.30 mJ [11.90, 12.80]"},
		{"ratio", 0.9733, 0.9621, 0.9816, "97.33% [96.21, 98.16]"},
		{"nits", 5, 4, 6, "5.0 nits [4.0, 6.0]"},
	} {
		e := estimate{c.value, &c.low, &c.high}
		if got := e.with(scaleFor(c.unit, c.value)); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.value, c.unit, got, c.want)
		}
	}
	for _, c := range []struct {
		unit  string
		value float64
		want  string
	}{{"s", 0.00123456, "1.23 ms"}, {"B", 291840, "285 KiB"}, {"s", 0, "0 ns"}, {"s", math.MaxFloat64, fixed(math.MaxFloat64, 0) + " s"}} {
		if got := (estimate{value: c.value}).with(scaleFor(c.unit, c.value)); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.value, c.unit, got, c.want)
		}
	}
	if e := (estimate{1024, ptr(1024.0), ptr(1024.0)}); e.with(scaleFor("B", 1024)) != "1.00 KiB" {
		t.Errorf("an exact value prints %q", e.with(scaleFor("B", 1024)))
	}
}

// What is printed differs from the estimate by at most half of the last of its interval's two digits.
func TestRoundingKeepsTheInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := math.Pow(10, rapid.Float64Range(-5, 5).Draw(t, "exponent"))
		half := value * rapid.Float64Range(1e-4, 2).Draw(t, "relative")
		low, high := value-half, value+half
		printed := estimate{value, &low, &high}.point(scale{1, ""})
		got, err := strconv.ParseFloat(printed, 64)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got-value) > half*0.05+1e-6/2*1.001 {
			t.Errorf("%v with half-width %v prints %s", value, half, printed)
		}
		if digits := strings.TrimLeft(strings.ReplaceAll(fixed(half, decimals(half)), ".", ""), "0"); half < 10 && half > 1e-4 && len(digits) != 2 {
			t.Errorf("half-width %v prints as %s", half, fixed(half, decimals(half)))
		}
	})
}

func TestAScaleTakesNoNumberBeyondTheLargest(t *testing.T) {
	low, high := 1.0, math.MaxFloat64
	if got := (estimate{0, &low, &high}).with(scaleFor("s", 0)); strings.Contains(got, "Inf") {
		t.Errorf("%.60s", got)
	}
}
