package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"assay/plan"
)

// newRunCmd carries out an experiment file.
func newRunCmd(a *app) *cobra.Command {
	var o engineOptions
	cmd := &cobra.Command{
		Use:   "run EXPERIMENT.yaml",
		Short: "Carry out an experiment file",
		Long: `Carries out an experiment: prepares its variants, runs one fresh process for each trial in randomized blocks, and writes a run
directory with every sample and a report. After a crash or Ctrl-C, the same command with --resume goes on where it stopped.`,
		Example: `  assay run testdata/digits/experiment.yaml
  assay run testdata/digits/experiment.yaml --out runs/digits
  assay run testdata/digits/experiment.yaml --out runs/digits --resume
  assay run testdata/digits/experiment.yaml --arm 'int8.*' --dry-run`,
		Args: exactlyOne("an experiment file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := os.ReadFile(args[0])
			if err != nil {
				return usageError(fmt.Errorf("read the experiment: %w", err))
			}
			experiment, err := plan.Parse(src, args[0])
			if err != nil {
				return usageError(err)
			}
			return a.execute(cmd.Context(), experiment, filepath.Dir(args[0]), strings.Join(a.args, " "), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.resume, "resume", false, "go on with the run in --out")
	f.StringVar(&o.arms, "arm", "", "only arms whose names match this pattern (* and ?)")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would run, and stop")
	o.addFlags(cmd)
	return cmd
}

// exactlyOne is the argument check of commands that take one thing.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError(fmt.Errorf("want %s, got %d arguments; see `%s --help`", what, len(args), cmd.CommandPath()))
		}
		return nil
	}
}
