package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"assay/plan"
	"assay/results"
	"assay/results/analysis"
)

// newGateCmd judges a run's acceptance rules from its samples.
func newGateCmd(a *app) *cobra.Command {
	var file, runs string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "gate RUN",
		Short: "Judge a run's gates: pass, fail or inconclusive",
		Long: `Judges the gates of the run's experiment, or those of --gates FILE, from the run's samples. A gate passes when the whole interval
keeps its bound and fails when the whole interval breaks it; else it is inconclusive. Exit codes: 0 all pass, 3 one failed,
5 one had nothing measured, 4 one is inconclusive.`,
		Example: `  assay gate latest
  assay gate assay-runs/demo --json
  assay gate latest --gates gates.yaml`,
		Args: exactlyOne("a run's directory, or `latest`"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := findRunIn(runs, args[0])
			if err != nil {
				return err
			}
			gates, err := readGates(file)
			if err != nil {
				return err
			}
			rep, err := analysis.Gates(dir, gates)
			if err != nil {
				return usageError(err)
			}
			if len(rep.Gates) == 0 {
				return usageError(errors.New("this run has no gates; give some with --gates FILE"))
			}
			if err := a.printGates(rep, asJSON); err != nil {
				return err
			}
			if code := gateCode(rep.Gates); code != exitPass {
				return silentError{code}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "gates", "", "a file with `gates:` as in an experiment")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.StringVar(&runs, "runs", defaultRuns, "folder of runs, for `latest` and for names")
	return cmd
}

// readGates reads rules from a file; nil stands for the run's own.
func readGates(file string) ([]results.Gate, error) {
	if file == "" {
		return nil, nil
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError(fmt.Errorf("read the gates: %w", err))
	}
	gates, err := plan.ParseGates(src, file)
	if err != nil {
		return nil, usageError(err)
	}
	return gates, nil
}

// gateCode is the exit code of several gates: a failure outranks nothing measured, that outranks inconclusive.
func gateCode(gates []results.GateResult) int {
	count := map[string]int{}
	for _, g := range gates {
		count[g.Verdict]++
	}
	switch {
	case count[results.GateFail] > 0:
		return exitGateFailed
	case count[results.GateNothing] > 0:
		return exitIncomplete
	case count[results.GateInconclusive] > 0:
		return exitInconclusive
	}
	return exitPass
}

func (a *app) printGates(rep *results.Report, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(map[string]any{"verdict": rep.Verdict, "reasons": rep.Reasons, "gates": rep.Gates})
	}
	return printGateTable(a.stdout, rep)
}

func printGateTable(w io.Writer, rep *results.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "verdict\trule\tarm\tvalue\t95 % interval\twhy")
	for _, g := range rep.Gates {
		value, interval := "-", "-"
		if g.Value != nil {
			value = fmt.Sprintf("%.4g %s", *g.Value, g.Unit)
		}
		if g.Low != nil {
			interval = fmt.Sprintf("[%.4g, %.4g]", *g.Low, *g.High)
		}
		why := g.Why
		if g.MoreExamples > 0 {
			why += fmt.Sprintf("; about %d more examples would settle it", g.MoreExamples)
		} else if g.MoreBlocks > 0 {
			why += fmt.Sprintf("; about %d more blocks would settle it", g.MoreBlocks)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", g.Verdict, g.Rule, g.Arm, value, interval, why)
	}
	return t.Flush()
}
