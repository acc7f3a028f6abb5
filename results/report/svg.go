package report

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Charts are SVG whose x coordinates are percentages and whose y coordinates are pixels: a chart is as wide as its place on the page,
// and its text and strokes keep their size on a phone and on a wide screen.

// svg accumulates markup. Text and attributes from the report go through escaping methods only.
type svg struct{ b strings.Builder }

func (s *svg) raw(markup string)                 { s.b.WriteString(markup) }
func (s *svg) printf(format string, args ...any) { fmt.Fprintf(&s.b, format, args...) }
func (s *svg) html() template.HTML               { return template.HTML(s.b.String()) }
func esc(text string) string                     { return template.HTMLEscapeString(printable(text)) }
func (s *svg) line(class string, x1, y1, x2, y2 float64) {
	s.printf(`<line class="%s" x1="%s%%" y1="%s" x2="%s%%" y2="%s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}
func (s *svg) rect(class string, x, y, w, h float64, tip string) {
	s.printf(`<rect class="%s" x="%s%%" y="%s" width="%s%%" height="%s"%s/>`, class, num(x), num(y), num(w), num(h), tipAttr(tip))
}
func (s *svg) dot(class string, x, y, r float64, tip string) {
	s.printf(`<circle class="%s" cx="%s%%" cy="%s" r="%s"%s/>`, class, num(x), num(y), num(r), tipAttr(tip))
}
func (s *svg) text(class string, x, y float64, text string) {
	s.printf(`<text class="%s" x="%s%%" y="%s">%s</text>`, class, num(x), num(y), esc(text))
}

// open starts a chart of a height in pixels, as wide as its place, with a title and a description for those who cannot see it.
func (s *svg) open(class string, height float64, title, description string) {
	s.printf(`<svg class="%s" width="100%%" height="%s" role="img" aria-label="%s">`, class, num(height), esc(title+". "+description))
}

// area starts a nested drawing whose coordinates are 0..1000 across and pixels down: for paths, which know no percentages.
func (s *svg) area(height float64) {
	s.printf(`<svg x="0" y="0" width="100%%" height="%s" viewBox="0 0 1000 %s" preserveAspectRatio="none">`, num(height), num(height))
}

func (s *svg) close() { s.raw(`</svg>`) }

// path draws a polyline through points of percent across and pixels down, within an area.
func (s *svg) path(class string, points [][2]float64, tip string) {
	s.printf(`<polyline class="%s"%s points="`, class, tipAttr(tip))
	for i, p := range points {
		if i > 0 {
			s.raw(" ")
		}
		s.raw(num(p[0]*10) + "," + num(p[1]))
	}
	s.raw(`"/>`)
}

// tipAttr is what a pointer over a shape shows; lines are separated by "\n".
func tipAttr(tip string) string {
	if tip == "" {
		return ""
	}
	lines := strings.Split(tip, "\n")
	for i, l := range lines {
		lines[i] = esc(l)
	}
	return ` data-tip="` + strings.Join(lines, "&#10;") + `"`
}

// num prints a coordinate with at most two decimals.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	s := strconv.FormatFloat(v, 'f', 2, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" || s == "" {
		return "0"
	}
	return s
}
