package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's template, style and script
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"assay/results"
)

var (
	//go:embed page/page.tmpl
	pageTemplate string
	//go:embed page/style.css
	pageStyle string
	//go:embed page/script.js
	pageScript string
)

var parsedPage = template.Must(template.New("page").Funcs(template.FuncMap{"printable": printable, "typographic": typographic}).Parse(pageTemplate))

// page is what the template shows; every figure in it is text already.
type page struct {
	Policy              string
	Style               template.CSS
	Script              template.JS
	JSON                template.JS
	CSV                 string
	Report              *results.Report
	Title               string
	RunLine             string
	Started             string
	Decision            string
	Hypothesis          string
	Intervals, Compares bool
	Variants            []variantEntry
	Capacity            *htmlCapacity

	TilesTitle string
	Tiles      []tile
	Summary    htmlSummary
	Forests    []forest
	Latency    []panel
	Tradeoff   []panel
	Timeline   timeline
	Spreads    []spread
	SpreadAxis template.HTML
	Gates      []htmlGate
	Quality    htmlQuality
	Certified  htmlGrid
	Facts      []factGroup
	Methods    []definition
	Raw        []rawRow
	Notes      []string
}

type variantEntry struct {
	Class, Name, Origin, Size, SHA256 string
}

// HTML writes one self-contained page: no network, no file beside it; its policy allows its own style and script by hash and nothing else.
func HTML(w io.Writer, r *results.Report) error {
	p, err := pageOf(r)
	if err != nil {
		return fmt.Errorf("write the report as HTML: %w", err)
	}
	var out bytes.Buffer
	if err := parsedPage.Execute(&out, p); err != nil {
		return fmt.Errorf("write the report as HTML: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the report as HTML: %w", err)
	}
	return nil
}

func pageOf(r *results.Report) (*page, error) {
	l := lookOf(r)
	document, err := json.Marshal(normalized(r)) // escapes <, > and &, so it cannot end its element
	if err != nil {
		return nil, err
	}
	var table bytes.Buffer
	if err := CSV(&table, r); err != nil {
		return nil, err
	}
	var n notes
	p := &page{
		Policy: fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; base-uri 'none'; form-action 'none'", sourceHash(pageStyle), sourceHash(pageScript)),
		Style:  template.CSS(pageStyle), Script: template.JS(pageScript), JSON: template.JS(document), CSV: displayable(table.String()),
		Report: r, Title: printable(r.Run.Name), RunLine: runLine(r), Decision: decisionLine(r.Decision), Hypothesis: hypothesis(r), Intervals: hasIntervals(r), Compares: compares(r),
		Variants: variantEntries(r, l),
		Summary:  htmlSummaryOf(r, l, &n),
		Forests:  forestsOf(r, l), Latency: latencyPanels(r, l), Tradeoff: tradeoffPanels(r, l), Timeline: timelineOf(r, l),
		Gates: htmlGates(r, l), Quality: htmlQualityOf(r, l), Certified: htmlGridOf(certificate(r)),
		Facts: factsOf(r), Methods: definitionsOf(r), Raw: rawRows(r),
	}
	if p.Title == "" {
		p.Title = "unnamed run"
	}
	if !r.Run.Started.IsZero() {
		p.Started = r.Run.Started.UTC().Format("2 January 2006, 15:04 UTC")
	}
	if p.Capacity = htmlCapacityOf(r); p.Capacity != nil { // its arms are rates of one load: nothing to compare
		p.Decision = capacityLine(r.Capacity)
		p.Summary, p.Forests, p.Latency, p.Tradeoff, p.Certified = htmlSummary{}, nil, nil, nil, htmlGrid{}
		return p, nil
	}
	p.TilesTitle, p.Tiles = tilesOf(r, l)
	p.Spreads, p.SpreadAxis = spreadsOf(r, l)
	p.Notes = n.texts
	return p, nil
}

// displayable takes out of a whole text what printable takes out of a line.
func displayable(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// sourceHash is how a Content-Security-Policy names one inline style or script.
func sourceHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// variantEntries is the legend: every variant once, with its colour and where it comes from.
func variantEntries(r *results.Report, l look) []variantEntry {
	var out []variantEntry
	for _, name := range l.variants {
		e := variantEntry{Class: l.class(name), Name: printable(name)}
		if i := slices.IndexFunc(r.Variants, func(v results.VariantInfo) bool { return v.Name == name }); i >= 0 {
			e.Origin, e.SHA256 = origin(r.Variants[i]), r.Variants[i].SHA256
			if bytes := float64(r.Variants[i].Bytes); bytes > 0 {
				e.Size = estimate{value: bytes}.with(scaleFor("B", bytes))
			}
		}
		out = append(out, e)
	}
	return out
}

func origin(v results.VariantInfo) string {
	switch {
	case v.Quantize != "" && v.From != "":
		return printable(v.Quantize + " of " + v.From)
	case v.Quantize != "":
		return printable(v.Quantize)
	case v.DistilledFrom != "":
		return printable("distilled from " + v.DistilledFrom)
	}
	return ""
}
