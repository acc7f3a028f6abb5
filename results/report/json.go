package report

import (
	"encoding/json"
	"fmt"
	"io"

	"assay/results"
)

// JSON writes the report as one indented document of schema assay.report/1. Lists and maps that are always part of it are never null.
func JSON(w io.Writer, r *results.Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(normalized(r)); err != nil {
		return fmt.Errorf("write the report as JSON: %w", err)
	}
	return nil
}

// normalized returns a copy of r with its schema named and nothing null that scripts iterate over.
func normalized(r *results.Report) *results.Report {
	out := *r
	out.Schema = results.ReportSchema
	out.Reasons = orEmpty(r.Reasons)
	out.Arms = append([]results.ArmReport{}, r.Arms...)
	out.Comparisons = orEmpty(r.Comparisons)
	out.Gates = orEmpty(r.Gates)
	out.Variants = orEmpty(r.Variants)
	out.Trials = orEmpty(r.Trials)
	for i := range out.Arms {
		if out.Arms[i].Metrics == nil {
			out.Arms[i].Metrics = map[string]results.Metric{}
		}
		if out.Arms[i].NotMeasured == nil {
			out.Arms[i].NotMeasured = map[string]string{}
		}
	}
	return &out
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
