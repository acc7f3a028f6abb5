package grafana

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/results/export"
	"assay/runner/live"
)

var update = flag.Bool("update", false, "rewrite assay.json and the tables of docs/metrics.md")

const docs = "../../docs/metrics.md"

func TestDashboardGolden(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out.Bytes()) {
		t.Fatal("not JSON")
	}
	if *update {
		if err := os.WriteFile("assay.json", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("assay.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("assay.json is not what the code makes; run `go test ./deploy/grafana -update`\n%s", diff)
	}
}

// metrics are the names that Assay shows, with the labels of each.
func metrics() map[string][]string {
	out := map[string][]string{}
	for _, d := range live.Definitions() {
		out[d.Name] = d.Labels
		if d.Type == "histogram" {
			out[d.Name+"_bucket"] = append(slices.Clone(d.Labels), "le")
		}
	}
	for _, d := range export.Definitions() {
		out[d.Name] = d.Labels
		if d.Type == "summary" {
			out[d.Name] = append(slices.Clone(d.Labels), "quantile")
		}
	}
	return out
}

func TestEveryMetricOfThePanelsExists(t *testing.T) {
	known := metrics()
	used := map[string]bool{}
	name := regexp.MustCompile(`assay_[a-z0-9_]+`)
	selector := regexp.MustCompile(`(assay_[a-z0-9_]+)\{([^}]*)\}`)
	check := func(where, text string) {
		for _, n := range name.FindAllString(text, -1) {
			used[strings.TrimSuffix(n, "_bucket")] = true
			if known[n] == nil {
				if _, ok := known[n]; !ok {
					t.Errorf("%s: no metric %s", where, n)
				}
			}
		}
		for _, m := range selector.FindAllStringSubmatch(text, -1) {
			for _, matcher := range strings.Split(m[2], ",") {
				label := strings.TrimRight(strings.SplitN(matcher, "=", 2)[0], "!~")
				if !slices.Contains(known[m[1]], label) {
					t.Errorf("%s: %s has no label %q", where, m[1], label)
				}
			}
		}
	}
	d := build()
	for _, v := range d.Templating.List {
		check("variable "+v.Name, v.Query)
	}
	for _, p := range d.Panels {
		check("panel "+p.Title, p.Description)
		for _, q := range p.Targets {
			check("panel "+p.Title, q.Expr)
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %s asks nothing", p.Title)
		}
	}
	unused := []string{"assay_build_info", "assay_run_start_timestamp_seconds"} // for people's own queries
	for n := range known {
		n = strings.TrimSuffix(n, "_bucket")
		if used[n] == slices.Contains(unused, n) {
			t.Errorf("%s: shown by a panel: %v", n, used[n])
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range build().Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= columns {
					t.Fatalf("%s lies on %q at %d,%d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// metricTables are the rows that docs/metrics.md must have, one a metric.
func metricTables() (liveTable, resultTable string) {
	head := "| name | type | labels | meaning |\n|:---|:---|:---|:---|\n"
	row := func(name, kind string, labels []string, help string) string {
		return fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, ", "), help)
	}
	liveTable, resultTable = head, head
	for _, d := range live.Definitions() {
		liveTable += row(d.Name, d.Type, d.Labels, d.Help)
	}
	for _, d := range export.Definitions() {
		resultTable += row(d.Name, d.Type, d.Labels, d.Help)
	}
	return liveTable, resultTable
}

func TestDocsListEveryMetric(t *testing.T) {
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	liveTable, resultTable := metricTables()
	want := string(page)
	for heading, table := range map[string]string{"## While a run lasts": liveTable, "## Results of the latest run": resultTable} {
		section := regexp.MustCompile(`(?s)(` + regexp.QuoteMeta(heading) + `\n.*?\n\n)(\|.*?\|\n)(\n|$)`)
		if !section.MatchString(want) {
			t.Fatalf("%s has no section %q with a table", docs, heading)
		}
		want = section.ReplaceAllString(want, "${1}"+table+"${3}")
	}
	if *update {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("%s does not list the metrics as they are; run `go test ./deploy/grafana -update`\n%s", docs, diff)
	}
}
