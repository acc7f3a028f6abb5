package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"assay/results"
)

// csvColumns are what scripts rely on.
var csvColumns = []string{"arm", "metric", "unit", "value", "low", "high", "confidence", "n", "trials", "method"}

// CSV writes one row for each metric of each arm, in base units and full precision; what is not known is an empty field. The answer of a search stands
// in front, as metric `capacity`: its estimate, and the band as low and high; objective and verdict are in `method`.
func CSV(w io.Writer, r *results.Report) error {
	out := csv.NewWriter(w)
	if err := out.Write(csvColumns); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	if r.Capacity != nil {
		if err := out.Write(capacityRow(r.Capacity)); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
	}
	for _, a := range r.Arms {
		for _, name := range slices.Sorted(maps.Keys(a.Metrics)) {
			m := a.Metrics[name]
			confidence := ""
			if m.Low != nil || m.High != nil {
				confidence = full(m.Confidence)
			}
			row := []string{a.Name, name, m.Unit, full(m.Value), fullOrEmpty(m.Low), fullOrEmpty(m.High), confidence,
				strconv.Itoa(m.N), strconv.Itoa(m.Trials), m.Method}
			if err := out.Write(row); err != nil {
				return fmt.Errorf("write CSV: %w", err)
			}
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func capacityRow(c *results.Capacity) []string {
	requests, probes := 0, 0
	for _, p := range c.Probes {
		if !p.SetAside {
			requests, probes = requests+p.N, probes+1
		}
	}
	method := fmt.Sprintf("objective %s; verdict %s", c.SLO, c.Verdict)
	if c.Method != "" {
		method += "; " + c.Method
	}
	return []string{c.Arm, "capacity", "1/s", fullOrEmpty(c.Estimate), fullOrEmpty(c.Band.Passes), fullOrEmpty(c.Band.Fails), "",
		strconv.Itoa(requests), strconv.Itoa(probes), method}
}

// full prints the shortest number that reads back as v.
func full(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func fullOrEmpty(v *float64) string {
	if v == nil {
		return ""
	}
	return full(*v)
}
