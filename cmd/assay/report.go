package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"assay/results"
	"assay/results/analysis"
	"assay/results/report"
)

var reportFormats = []string{"text", "markdown", "html", "json", "csv"}

// newReportCmd shows a run again, from its samples.
func newReportCmd(a *app) *cobra.Command {
	var format, out, runs string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "Show a run as text, Markdown, HTML, JSON or CSV",
		Long: `Computes the report from the run's samples, on any machine, and shows it. RUN is a run's directory, its name under the
folder of runs, or ` + "`latest`" + `.`,
		Example: `  assay report latest
  assay report latest --format html -o report.html
  assay report assay-runs/demo --format csv`,
		Args: exactlyOne("a run's directory, or `latest`"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				if cmd.Flags().Changed("format") && format != "json" {
					return usageError(fmt.Errorf("--json and --format %s contradict each other", format))
				}
				format = "json"
			}
			if !slices.Contains(reportFormats, format) {
				return usageError(fmt.Errorf("--format %q is none of %s", format, strings.Join(reportFormats, ", ")))
			}
			dir, rep, err := loadReport(runs, args[0])
			if err != nil {
				return err
			}
			return a.write(out, func(w io.Writer) error { return writeReport(w, rep, format, dir) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&format, "format", "text", strings.Join(reportFormats, ", "))
	f.BoolVar(&asJSON, "json", false, "the same as --format json")
	f.StringVarP(&out, "output", "o", "", "write to this file")
	f.StringVar(&runs, "runs", defaultRuns, "folder of runs, for `latest` and for names")
	return cmd
}

// loadReport finds a run and computes its report. A run that cannot be read is the user's mistake.
func loadReport(runs, arg string) (dir string, rep *results.Report, err error) {
	if dir, err = findRunIn(runs, arg); err != nil {
		return "", nil, err
	}
	rep, err = analysis.Analyze(dir)
	return dir, rep, unreadable(dir, err)
}

// unreadable sorts out why a run gave no report: what its files lack is the user's to mend.
func unreadable(dir string, err error) error {
	for _, cause := range []error{results.ErrNewer, results.ErrDamaged, fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, cause) {
			return usageError(err)
		}
	}
	if err != nil {
		return fmt.Errorf("compute the report of %s: %w", dir, err)
	}
	return nil
}

func writeReport(w io.Writer, rep *results.Report, format, dir string) error {
	switch format {
	case "markdown":
		return report.Markdown(w, rep)
	case "html":
		return report.HTML(w, rep)
	case "json":
		return report.JSON(w, rep)
	case "csv":
		return report.CSV(w, rep)
	}
	return report.Text(w, rep, textOptions(w, dir))
}

// runFiles are what a run's directory may hold, in the order in which it is said; a folder ends in a slash.
var runFiles = []string{"run.json", "capacity.jsonl", "report.json", "report.html", "trials/", "quality/"}

// textOptions shape the text form on w of the run in dir.
func textOptions(w io.Writer, dir string) report.Options {
	o := report.Options{Color: color(w), Width: terminalWidth(w), Dir: dir}
	for _, name := range runFiles {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			o.Files = append(o.Files, name)
		}
	}
	return o
}

// write sends what a command prints to stdout, or to a file that is then whole or not there.
func (a *app) write(path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(a.stdout)
	}
	err := results.WriteFile(path, write)
	var where *fs.PathError
	if errors.As(err, &where) {
		return usageError(fmt.Errorf("write %s: %w; choose another -o", filepath.Clean(path), where.Err))
	}
	return err
}
