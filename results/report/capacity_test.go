package report

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"assay/results"
)

func searched() *results.Report {
	f := func(v float64) *float64 { return &v }
	c := &results.Capacity{SLO: "p99<=20ms", Arm: "m.cpu.b1.t1", Band: results.Band{Passes: f(757.5), Fails: f(781)}, Estimate: f(769.2), Verdict: "pass",
		Reason: "confirmed", Binding: "p99<=20ms", Validity: "valid", Method: "replay", Closed: 1000, Servers: 1, Agreement: f(-0.3), Knee: f(500), Seconds: 90,
		Curve: []results.CurvePoint{{Rate: 100, Latency: 0.005}, {Rate: 500, Latency: 0.0095}, {Rate: 770, Latency: 0.02}}}
	for i, rate := range []float64{1000, 125, 353.6, 594.6, 781, 757.5} {
		p := results.ProbeReport{Probe: results.Probe{Index: i, Kind: "search", Rate: rate, Verdict: "pass"}, N: 3000, NEff: 400, Missed: 0.004, Margin: f(0.6),
			Latency: f(0.008), Median: f(0.001), Lateness: f(0.0001), Validity: "valid"}
		switch i {
		case 0:
			p.Kind, p.Verdict, p.Margin, p.Latency, p.Lateness = "closed", "", nil, nil, nil
		case 4:
			p.Kind, p.Verdict, p.Margin, p.Latency = "confirm", "fail", f(-0.1), f(0.022)
		case 5:
			p.Kind, p.Verdict, p.Margin, p.Latency = "confirm", "inconclusive", nil, nil
		}
		c.Probes = append(c.Probes, p)
	}
	r := rich()
	r.Capacity = c
	return r
}

func TestCapacityInEveryForm(t *testing.T) {
	r := searched()
	var text, markdown, page bytes.Buffer
	if err := Text(&text, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&markdown, r); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&page, r); err != nil {
		t.Fatal(err)
	}
	for form, got := range map[string]string{"text": text.String(), "Markdown": markdown.String(), "HTML": page.String()} {
		for _, want := range []string{"757.5", "781", "769.2", "pass", "p99", "20ms", "confirmed", "77", "late p99", "353.6/s", "500"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s has no %q", form, want)
			}
		}
	}
	for _, want := range []string{"knee", "cap curve", "cap band", "cap limit", "cap pass", "cap fail"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(text.String(), "Decision:") || strings.Contains(markdown.String(), "Decision") {
		t.Error("a search decides on no variant")
	}
}

func TestCapacityAsCSV(t *testing.T) {
	r := searched()
	r.Capacity.Probes[5].SetAside = true
	found := render(t, func(w io.Writer) error { return CSV(w, r) })
	if want := "\nm.cpu.b1.t1,capacity,1/s,769.2,757.5,781,,15000,5,objective p99<=20ms; verdict pass; replay\n"; !strings.Contains(string(found), want) {
		t.Errorf("%s\nwant%s", found, want)
	}
	r.Capacity = &results.Capacity{SLO: "p99<=1ms", Arm: "m", Verdict: "inconclusive"}
	nothing := render(t, func(w io.Writer) error { return CSV(w, r) })
	if want := "\nm,capacity,1/s,,,,,0,0,objective p99<=1ms; verdict inconclusive\n"; !strings.Contains(string(nothing), want) {
		t.Errorf("%s\nwant%s", nothing, want)
	}
}

// TestCapacityThatFoundNothing has nothing to draw, and says so.
func TestCapacityThatFoundNothing(t *testing.T) {
	r := searched()
	r.Capacity = &results.Capacity{SLO: "p99<=1ms", Arm: "m", Verdict: "inconclusive", Reason: "no rate was tried yet", Probes: r.Capacity.Probes[:1], Closed: 10, Servers: 1}
	var out bytes.Buffer
	if err := HTML(&out, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "no rate was found") || strings.Contains(out.String(), "cap curve") {
		t.Error("the page of an empty search")
	}
}
