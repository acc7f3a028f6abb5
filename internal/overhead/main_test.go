package main

import (
	"strings"
	"testing"
	"time"
)

func TestReportHoldsTheLimits(t *testing.T) {
	results := []result{{name: "C Run", minimum: 1000, median: 1100}, {name: "C RunWithBinding", minimum: 900, median: 950},
		{name: "Assay, bare", minimum: 950, median: 990}, {name: "Assay, stamped", minimum: 1050, median: 1090}}
	allocating := append([]result(nil), results...)
	allocating[stamped].allocations = 0.5
	for _, c := range []struct {
		results []result
		limit   limits
		want    string
	}{
		{results, limits{}, ""},
		{results, limits{ratio: 1.05, extra: 150}, ""},
		{results, limits{ratio: 1.04}, "1.0500 of C's Run, more than 1.0400"},
		{results, limits{extra: 149 * time.Nanosecond}, "150 ns more than C's RunWithBinding; at most 149ns"},
		{allocating, limits{}, "allocates 0.5 times"},
	} {
		var table strings.Builder
		err := report(&table, c.results, c.limit)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("limits %+v: %v, want %q", c.limit, err, c.want)
		}
		if !strings.Contains(table.String(), "+150.0 ns") || !strings.Contains(table.String(), "1.0500") {
			t.Errorf("the table:\n%s", table.String())
		}
	}
}
