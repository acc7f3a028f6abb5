// Package export hands a report to other systems in the form that they read. Like package report it computes no statistic: each form is a
// pure function of a results.Report.
package export
