// Package grafana makes the dashboard that stands beside it as assay.json: a run while it lasts, and the latest results. It is written as
// Go so that panels share one style and a test can hold every metric that they name against those that Assay shows.
package grafana

import (
	"encoding/json"
	"fmt"
	"io"
)

// The parts of Grafana's dashboard JSON that we use.
type (
	dashboard struct {
		UID           string     `json:"uid"`
		Title         string     `json:"title"`
		Description   string     `json:"description"`
		Tags          []string   `json:"tags"`
		Timezone      string     `json:"timezone"`
		Editable      bool       `json:"editable"`
		GraphTooltip  int        `json:"graphTooltip"` // 1: the crosshair is shared
		SchemaVersion int        `json:"schemaVersion"`
		Refresh       string     `json:"refresh"`
		Time          timeRange  `json:"time"`
		Templating    templating `json:"templating"`
		Panels        []panel    `json:"panels"`
	}
	timeRange struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	templating struct {
		List []variable `json:"list"`
	}
	variable struct {
		Name       string      `json:"name"`
		Label      string      `json:"label"`
		Type       string      `json:"type"` // datasource, query
		Query      string      `json:"query"`
		Datasource *datasource `json:"datasource,omitempty"`
		Refresh    int         `json:"refresh,omitempty"` // 2: when the time range changes
		Multi      bool        `json:"multi,omitempty"`
		IncludeAll bool        `json:"includeAll,omitempty"`
		AllValue   string      `json:"allValue,omitempty"`
		Sort       int         `json:"sort,omitempty"`
		Current    *current    `json:"current,omitempty"`
	}
	current struct {
		Text  string `json:"text"`
		Value string `json:"value"`
	}
	datasource struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	panel struct {
		ID              int              `json:"id"`
		Title           string           `json:"title"`
		Description     string           `json:"description,omitempty"`
		Type            string           `json:"type"`
		Datasource      *datasource      `json:"datasource,omitempty"`
		GridPos         gridPos          `json:"gridPos"`
		Targets         []target         `json:"targets,omitempty"`
		FieldConfig     *fieldConfig     `json:"fieldConfig,omitempty"`
		Options         map[string]any   `json:"options,omitempty"`
		Transformations []transformation `json:"transformations,omitempty"`
		Collapsed       *bool            `json:"collapsed,omitempty"` // of rows
	}
	gridPos struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	}
	target struct {
		RefID        string `json:"refId"`
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat,omitempty"`
		Instant      bool   `json:"instant,omitempty"`
		Format       string `json:"format,omitempty"`
	}
	fieldConfig struct {
		Defaults  fieldDefaults `json:"defaults"`
		Overrides []override    `json:"overrides"`
	}
	fieldDefaults struct {
		Unit       string         `json:"unit,omitempty"`
		Min        *float64       `json:"min,omitempty"`
		NoValue    string         `json:"noValue,omitempty"`
		Mappings   []mapping      `json:"mappings,omitempty"`
		Thresholds *thresholds    `json:"thresholds,omitempty"`
		Custom     map[string]any `json:"custom,omitempty"`
	}
	override struct {
		Matcher    map[string]string `json:"matcher"`
		Properties []property        `json:"properties"`
	}
	property struct {
		ID    string `json:"id"`
		Value any    `json:"value"`
	}
	mapping struct {
		Type    string                   `json:"type"`
		Options map[string]mappingResult `json:"options"`
	}
	mappingResult struct {
		Text  string `json:"text"`
		Color string `json:"color"`
	}
	thresholds struct {
		Mode  string `json:"mode"`
		Steps []step `json:"steps"`
	}
	step struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"`
	}
	transformation struct {
		ID      string         `json:"id"`
		Options map[string]any `json:"options"`
	}
)

// prometheus is the data source that whoever looks at the dashboard picks.
var prometheus = &datasource{Type: "prometheus", UID: "${datasource}"}

// scraped and result select the arms that the variables name.
const (
	scraped  = `variant=~"$variant",provider=~"$provider"`
	result   = `model=~"$model",variant=~"$variant",provider=~"$provider"`
	arm      = `{{variant}} {{provider}} b{{batch}} t{{threads}} {{load}}`
	searched = `{{variant}} {{provider}} b{{batch}} t{{threads}} {{objective}}`
)

// Write writes the dashboard as JSON.
func Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(build()); err != nil {
		return fmt.Errorf("write the dashboard: %w", err)
	}
	return nil
}

func build() dashboard {
	var l layout
	liveRun(&l)
	latestResults(&l)
	return dashboard{
		UID: "assay", Title: "Assay", Description: "A benchmark run while it lasts, and the latest results. Metrics are listed in docs/metrics.md.",
		Tags: []string{"assay"}, Timezone: "browser", Editable: true, GraphTooltip: 1, SchemaVersion: 39, Refresh: "5s", Time: timeRange{"now-15m", "now"},
		Templating: templating{[]variable{
			{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus"},
			labelVariable("model", "Model", "label_values(assay_result_verdict, model)"),
			labelVariable("variant", "Variant", `label_values({__name__=~"assay_requests_total|assay_result_latency_seconds"}, variant)`),
			labelVariable("provider", "Provider", `label_values({__name__=~"assay_requests_total|assay_result_latency_seconds"}, provider)`),
		}},
		Panels: l.panels,
	}
}

func labelVariable(name, label, query string) variable {
	return variable{Name: name, Label: label, Type: "query", Query: query, Datasource: prometheus, Refresh: 2, Multi: true, IncludeAll: true, AllValue: ".*", Sort: 1,
		Current: &current{"All", "$__all"}}
}

// layout places panels from left to right on a grid of 24 columns.
type layout struct {
	panels  []panel
	x, y, h int
}

const columns = 24

func (l *layout) add(width, height int, p panel) {
	if l.x+width > columns {
		l.x, l.y, l.h = 0, l.y+l.h, 0
	}
	p.ID = len(l.panels) + 1
	p.GridPos = gridPos{H: height, W: width, X: l.x, Y: l.y}
	if p.Type != "row" {
		p.Datasource = prometheus
	}
	l.x += width
	l.h = max(l.h, height)
	l.panels = append(l.panels, p)
}

// row starts a titled section.
func (l *layout) row(title string) {
	open := false
	l.add(columns, 1, panel{Title: title, Type: "row", Collapsed: &open})
}
