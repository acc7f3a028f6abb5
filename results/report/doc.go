// Package report shows a results.Report to people and programs: text for a terminal, Markdown, one self-contained HTML page, CSV and JSON.
// Each form is a pure function of the report: it computes no statistic, reads no file, and gives the same bytes for the same report.
//
// Numbers are scaled to readable units here and nowhere else, and rounded to two significant digits of their interval's half-width.
package report
