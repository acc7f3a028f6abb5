package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/results"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run `go test ./results/report -update`", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func render(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTextGolden(t *testing.T) {
	for name, c := range map[string]struct {
		report  *results.Report
		options Options
	}{
		"rich.txt":       {rich(), Options{Dir: "assay-runs/digits", Files: []string{"run.json", "trials/"}}},
		"rich-80.txt":    {rich(), Options{Width: 80}},
		"rich-color.txt": {rich(), Options{Width: 120, Color: true}},
		"single.txt":     {single(), Options{Width: 100}},
		"fast.txt":       {fast(), Options{Width: 100}},
		"empty.txt":      {&results.Report{Verdict: "invalid", Reasons: []string{"nothing: no trial gave a figure"}}, Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, render(t, func(w io.Writer) error { return Text(w, c.report, c.options) }))
		})
	}
}

func TestMarkdownGolden(t *testing.T) {
	golden(t, "rich.md", render(t, func(w io.Writer) error { return Markdown(w, rich()) }))
	golden(t, "single.md", render(t, func(w io.Writer) error { return Markdown(w, single()) }))
}

func TestTextFitsTheTerminal(t *testing.T) {
	text := render(t, func(w io.Writer) error { return Text(w, rich(), Options{Width: 80}) })
	for _, line := range strings.Split(string(text), "\n") {
		// A gate's first line is one unbroken fact; everything else keeps to the width.
		if n := len([]rune(line)); n > 80 && !strings.Contains(line, " at_most ") && !strings.Contains(line, "loss_at_most") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestTextCarriesNoControlCharacters(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"text":     func(w io.Writer) error { return Text(w, hostile(), Options{}) },
		"markdown": func(w io.Writer) error { return Markdown(w, hostile()) },
	} {
		out := string(render(t, write))
		if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && (r < ' ' || r == '\u202e') }); i >= 0 {
			t.Errorf("%s holds %q", name, out[max(0, i-20):i+10])
		}
		if name == "markdown" && strings.Contains(out, "<script") {
			t.Error("markdown holds a script element")
		}
	}
}

func TestCSV(t *testing.T) {
	out := render(t, func(w io.Writer) error { return CSV(w, rich()) })
	golden(t, "rich.csv", out)
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rows[0], ","); got != "arm,metric,unit,value,low,high,confidence,n,trials,method" {
		t.Errorf("columns %s", got)
	}
	arms := map[string]results.ArmReport{}
	count := 0
	for _, a := range rich().Arms {
		arms[a.Name] = a
		count += len(a.Metrics)
	}
	if len(rows)-1 != count {
		t.Errorf("%d rows, want %d", len(rows)-1, count)
	}
	for _, row := range rows[1:] {
		value, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		if want := arms[row[0]].Metrics[row[1]].Value; value != want {
			t.Errorf("%s %s: %v, want %v to the last digit", row[0], row[1], value, want)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for name, r := range map[string]*results.Report{"rich": rich(), "hostile": hostile()} {
		var got results.Report
		if err := json.Unmarshal(render(t, func(w io.Writer) error { return JSON(w, r) }), &got); err != nil {
			t.Fatal(err)
		}
		var again results.Report
		if err := json.Unmarshal(render(t, func(w io.Writer) error { return JSON(w, &got) }), &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got.Schema != "assay.report/1" || len(got.Arms) != len(r.Arms) || got.Arms[0].Metrics["latency.p50"].Value != r.Arms[0].Metrics["latency.p50"].Value {
			t.Errorf("%s: schema %q, %d arms", name, got.Schema, len(got.Arms))
		}
	}
}

func TestJSONOfNothingHasNoNulls(t *testing.T) {
	out := string(render(t, func(w io.Writer) error { return JSON(w, &results.Report{Arms: []results.ArmReport{{}}}) }))
	for _, key := range []string{"reasons", "arms", "comparisons", "gates", "variants", "trials", "metrics", "not_measured"} {
		if regexp.MustCompile(`"` + key + `": null`).MatchString(out) {
			t.Errorf("%s is null", key)
		}
	}
	if err := JSON(io.Discard, &results.Report{Decision: results.Decision{}, Run: results.RunSummary{Seconds: math.NaN()}}); err == nil {
		t.Error("NaN was written as JSON")
	}
}
