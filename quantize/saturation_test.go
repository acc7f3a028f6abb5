//go:build cgo && linux

package quantize

import (
	"math"
	"strings"
	"testing"
)

// A processor without VNNI loses what weights in 7 bits keep, and the result says so; one with VNNI loses nothing.
func TestSaturationIsMeasuredAndSaid(t *testing.T) {
	full, _ := faithful(t, convolutional(17), 28, nil)
	reduced, _ := faithful(t, convolutional(17), 22, func(q *Request) { q.Options.ReduceRange = true })
	if (full.Exact != nil) != saturates || (reduced.Exact != nil) != saturates {
		t.Fatalf("measured without saturation: %v and %v, on a processor that has it: %v", full.Exact, reduced.Exact, saturates)
	}
	if has(full.Warnings, "saturate") != saturates || has(reduced.Warnings, "saturate") {
		t.Errorf("warnings %q, and with weights in 7 bits %q", full.Warnings, reduced.Warnings)
	}
	if !saturates {
		return
	}
	if lost := *full.Exact.SQNR - *full.Quality.SQNR; lost < 3 {
		t.Errorf("%v dB are lost to saturation", lost)
	}
	if lost := *reduced.Exact.SQNR - *reduced.Quality.SQNR; math.Abs(lost) > leastLoss {
		t.Errorf("%v dB are lost with weights in 7 bits", lost)
	}
}

func TestSaturationWarningNamesTheLossAndTheRemedy(t *testing.T) {
	at := func(db float64) Fidelity { return Fidelity{Outputs: []OutputFidelity{{Name: "y", SQNR: &db}}} }
	equal := Fidelity{Outputs: []OutputFidelity{{Name: "y", Identical: true}}}
	static := DefaultOptions()
	for _, c := range []struct {
		o           Options
		here, exact Fidelity
		want        string
	}{
		{static, at(12.3), at(30.1), "output y loses 17.8 dB (12.3 instead of 30.1); for processors like this one make it with --reduce-range"},
		{static, at(30.08), at(30.1), ""},
		{static, at(31), at(30.1), ""},
		{static, equal, at(30), ""},
		{static, at(30), equal, "y is at 30.0 dB instead of equal"},
		{Options{Scheme: SchemeInt8Dynamic}, at(12), at(30), "for processors like this one make it with --reduce-range"},
		{Options{Scheme: SchemeInt8Dynamic, ReduceRange: true}, at(12), at(30), "run it with --session-config session.x64quantprecision=1"},
	} {
		if got := saturationWarning(c.o, c.here, c.exact); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s and %s: %q, want %q", shown(c.here), shown(c.exact), got, c.want)
		}
	}
}
