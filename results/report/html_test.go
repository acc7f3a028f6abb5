package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/results"
)

func htmlOf(t *testing.T, r *results.Report) []byte {
	t.Helper()
	return render(t, func(w io.Writer) error { return HTML(w, r) })
}

func TestHTMLGolden(t *testing.T) {
	golden(t, "rich.html", htmlOf(t, rich()))
	golden(t, "single.html", htmlOf(t, single()))
}

func TestHTMLIsDeterministic(t *testing.T) {
	if !bytes.Equal(htmlOf(t, rich()), htmlOf(t, rich())) {
		t.Error("two pages of one report differ")
	}
}

// every gives the pages that must all hold what the tests below ask.
func every(t *testing.T) map[string]string {
	empty := &results.Report{Verdict: "invalid", Reasons: []string{"nothing: no trial gave a figure"}}
	pages := map[string]string{}
	for name, r := range map[string]*results.Report{"rich": rich(), "single": single(), "fast": fast(), "hostile": hostile(), "empty": empty} {
		pages[name] = string(htmlOf(t, r))
	}
	return pages
}

func TestHTMLAllowsItsOwnScriptAndStyleAlone(t *testing.T) {
	for name, page := range every(t) {
		policy := html.UnescapeString(regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)[1])
		for _, element := range []string{"style", "script"} {
			inline := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(page, -1)
			if len(inline) != 1 {
				t.Fatalf("%s: %d inline %s elements", name, len(inline), element)
			}
			sum := sha256.Sum256([]byte(inline[0][1]))
			if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q does not allow its own %s", name, policy, element)
			}
		}
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", name, policy)
		}
	}
}

func TestHTMLLoadsNothingAndRunsNothingOfTheReports(t *testing.T) {
	elements := regexp.MustCompile(`(?s)<script type="application/json".*?</script>|<textarea.*?</textarea>|<script>.*?</script>|<style>.*?</style>`)
	for name, page := range every(t) {
		if got := len(regexp.MustCompile(`(?i)<script`).FindAllString(page, -1)); got != 2 {
			t.Errorf("%s: %d script elements, want the data and the program", name, got)
		}
		markup := elements.ReplaceAllString(page, "")
		for what, pattern := range map[string]string{
			"an address":       `(?i)https?://|//[a-z]|@import|url\((?:[^#)]|$)`,
			"a reference":      `(?i)<[^>]*\s(?:src|href|action|formaction|xlink:href)=`,
			"an inline style":  `<[^>]*\sstyle=`,
			"an event handler": `<[^>]*\son[a-z]+=`,
			"a bad number":     `="[^"]*\b(?:NaN|[+-]?Inf)\b[^"]*"`,
		} {
			if m := regexp.MustCompile(pattern).FindString(markup); m != "" {
				t.Errorf("%s: %s: %.200q", name, what, m)
			}
		}
		page = regexp.MustCompile(`<script type="application/json".*?</script>`).ReplaceAllString(page, "") // what data says stays as it is
		if i := strings.IndexFunc(page, func(r rune) bool { return r != '\n' && r < ' ' || r == '\u202e' }); i >= 0 {
			t.Errorf("%s holds %q", name, page[max(0, i-30):i+20])
		}
	}
}

func TestHTMLCarriesItsNumbers(t *testing.T) {
	for name, r := range map[string]*results.Report{"rich": rich(), "hostile": hostile()} {
		page := string(htmlOf(t, r))
		var got results.Report
		document := regexp.MustCompile(`(?s)<script type="application/json" id="report">(.*?)</script>`).FindStringSubmatch(page)[1]
		if err := json.Unmarshal([]byte(document), &got); err != nil {
			t.Fatal(err)
		}
		if got.Run.Name != r.Run.Name || len(got.Arms) != len(r.Arms) || got.Arms[1].Metrics["latency.p99"].Value != r.Arms[1].Metrics["latency.p99"].Value {
			t.Errorf("%s: the embedded report is another", name)
		}
		table := html.UnescapeString(regexp.MustCompile(`(?s)<textarea id="csv"[^>]*>\n(.*?)</textarea>`).FindStringSubmatch(page)[1])
		rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want, err := csv.NewReader(bytes.NewReader(render(t, func(w io.Writer) error { return CSV(w, r) }))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if name == "rich" && len(rows) != len(want) {
			t.Errorf("%d rows of CSV, want %d", len(rows), len(want))
		}
	}
}

// Elements must nest, or a browser guesses.
func TestHTMLIsWellFormed(t *testing.T) {
	void := regexp.MustCompile(`^(meta|br|rect|line|circle|polyline)$`)
	skip := regexp.MustCompile(`(?s)<script.*?</script>|<style>.*?</style>|<textarea.*?</textarea>|<!doctype html>`)
	tag := regexp.MustCompile(`<(/?)([a-z0-9]+)(?:\s[^<>]*?)?(/?)>`)
	for name, page := range every(t) {
		var open []string
		markup := skip.ReplaceAllString(page, "")
		for _, m := range tag.FindAllStringSubmatch(markup, -1) {
			switch {
			case m[3] == "/" || void.MatchString(m[2]):
			case m[1] == "":
				open = append(open, m[2])
			case len(open) == 0 || open[len(open)-1] != m[2]:
				t.Fatalf("%s: </%s> closes %v", name, m[2], open)
			default:
				open = open[:len(open)-1]
			}
		}
		if len(open) > 0 {
			t.Errorf("%s: %v stay open", name, open)
		}
		if left := strings.Count(tag.ReplaceAllString(markup, ""), "<"); left > 0 {
			t.Errorf("%s: %d stray <", name, left)
		}
	}
}

func TestHTMLChartsHaveNamesAndStayInside(t *testing.T) {
	page := string(htmlOf(t, rich()))
	for _, svg := range regexp.MustCompile(`<svg [^>]*>`).FindAllString(page, -1) {
		nested := strings.Contains(svg, "preserveAspectRatio")
		if !nested && !strings.Contains(svg, `aria-label="`) && !strings.Contains(svg, `aria-hidden="true"`) {
			t.Errorf("a chart that a screen reader cannot name: %s", svg)
		}
	}
	for _, m := range regexp.MustCompile(`(?:cx|x1|x2|x)="(-?[0-9.]+)%"`).FindAllStringSubmatch(page, -1) {
		if v, err := strconv.ParseFloat(m[1], 64); err != nil || v < 0 || v > 100 {
			t.Errorf("%s lies outside its chart", m[0])
		}
	}
}

func TestHTMLShowsWhatMatters(t *testing.T) {
	page := htmlText(string(htmlOf(t, rich())))
	for _, want := range []string{
		"suspect", "Hypothesis", "ship int8", "host.steal: 0.8 %", "energy.per_inference was not measured: no CPU energy counter: permission denied",
		"4 of 5 trials", "b003: oom: killed by the kernel for memory", "requests lost: 3 failed, 41 dropped of", "inconclusive", "about 4 more blocks would settle it",
		"on the frontier", "behind, within the intervals", "failed or invalid: 1", "accuracy by stroke", "only the baseline right", "Example Processor 9000", "int8-static of fp32",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	page = htmlText(string(htmlOf(t, single())))
	for _, unwanted := range []string{"Change against the baseline", "Gates", "Speed against quality"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("a run of one arm has a section %q", unwanted)
		}
	}
}

// htmlText is what a reader sees.
func htmlText(page string) string {
	page = regexp.MustCompile(`(?s)<script.*?</script>|<style>.*?</style>|<textarea.*?</textarea>`).ReplaceAllString(page, "")
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, ""))
}

func TestFrontier(t *testing.T) {
	arm := func(name string, latency, accuracy float64) results.ArmReport {
		return results.ArmReport{Name: name, Metrics: map[string]results.Metric{
			"latency.p50":      {Value: latency, Low: ptr(latency * 0.9), High: ptr(latency * 1.1)},
			"quality.accuracy": {Value: accuracy, Low: ptr(accuracy - 0.01), High: ptr(accuracy + 0.01)}}}
	}
	got := map[string]string{}
	for _, p := range pointsOf([]results.ArmReport{arm("slow", 4, 0.9), arm("exact", 3, 0.99), arm("twin", 3.1, 0.985), arm("fast", 1, 0.9), arm("same", 1, 0.9), {Name: "unmeasured"}}, "latency.p50", "quality.accuracy") {
		got[p.arm.Name] = p.note()
	}
	want := map[string]string{"slow": "dominated", "exact": "on the frontier", "twin": "behind, within the intervals", "fast": "on the frontier", "same": "on the frontier"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
