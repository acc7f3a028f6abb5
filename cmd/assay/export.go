package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"assay/results"
	"assay/results/export"
	"assay/results/report"
)

// exporters are the forms in which a run leaves for other systems, by the name that --to takes.
var exporters = map[string]func(io.Writer, *results.Report) error{
	"csv":                 report.CSV,
	"prometheus-textfile": export.Textfile,
}

// newExportCmd hands a run to another system.
func newExportCmd(a *app) *cobra.Command {
	var to, out, runs string
	forms := strings.Join(slices.Sorted(maps.Keys(exporters)), ", ")
	cmd := &cobra.Command{
		Use:   "export RUN",
		Short: "Hand a run's results to another system",
		Long: `Computes the report from the run's samples and writes it in another system's form.

  csv                  one row for each metric of each arm, in base units
  prometheus-textfile  gauges for the textfile collector of node_exporter; the file appears whole or not at all
                       (docs/metrics.md lists the names)`,
		Example: `  assay export latest --to csv -o results.csv
  assay export latest --to prometheus-textfile -o assay.prom`,
		Args: exactlyOne("a run's directory, or `latest`"),
		RunE: func(_ *cobra.Command, args []string) error {
			write, ok := exporters[to]
			if !ok {
				return usageError(fmt.Errorf("--to %q is none of %s", to, forms))
			}
			_, rep, err := loadReport(runs, args[0])
			if err != nil {
				return err
			}
			return a.write(out, func(w io.Writer) error { return write(w, rep) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "", forms)
	f.StringVarP(&out, "output", "o", "", "write to this file (default stdout)")
	f.StringVar(&runs, "runs", defaultRuns, "folder of runs, for `latest` and for names")
	return cmd
}
