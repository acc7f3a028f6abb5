// Command assay benchmarks ONNX models and says which variant to ship, and how sure it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// app carries what commands need of the process: no command touches os.Stdin, os.Stdout or os.Stderr itself.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	args           []string // as given, for the record
}

// run executes one command line and returns the process's exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, args: args}
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	code := exitCodeOf(err)
	if err != nil && !errors.As(err, new(silentError)) {
		fmt.Fprintf(stderr, "assay: %s\n", strings.TrimSpace(err.Error()))
	}
	return code
}

// newRootCmd wires every command. One file a command; each constructor takes the app.
func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "assay",
		Short: "Benchmark ONNX models; decide which variant to ship, and how sure you are",
		Long: `Assay drives ONNX models on their execution providers, measures latency, throughput, energy, memory and quality
in interleaved blocks of fresh processes, and says which variant to ship on this machine, with an interval and a verdict.`,
		Example: `  assay bench model.onnx
  assay bench fp32=model.onnx int8=model-int8.onnx --batch 1,8
  assay run testdata/digits/experiment.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return flagsFromEnvironment(cmd.Flags(), os.LookupEnv)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
	})
	root.AddCommand(commands(a)...)
	root.SetOut(a.stdout) // which completion takes when it is made
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	requireKnownSubcommand(root)
	return root
}

// requireKnownSubcommand makes a group of commands, and those within it, refuse a word that is none of them with exit code 2, where cobra prints its
// help and succeeds, and every command what it does not take.
func requireKnownSubcommand(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		requireKnownSubcommand(sub)
	}
	switch {
	case cmd.Name() == "help":
		cmd.Args = knownTopic
		return
	case cmd.Runnable() || !cmd.HasSubCommands():
		cmd.Args = refused(cmd.Args)
		return
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := fmt.Sprintf("see `%s --help`", cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean %q?", near[0])
		}
		return usageError(fmt.Errorf("unknown command %q for %q; %s", args[0], cmd.CommandPath(), hint))
	}
}

// knownTopic is the argument check of help.
func knownTopic(cmd *cobra.Command, args []string) error {
	if found, rest, err := cmd.Root().Find(args); err != nil || found == nil || len(rest) > 0 {
		return usageError(fmt.Errorf("no help for %q; see `%s --help`", strings.Join(args, " "), cmd.Root().Name()))
	}
	return nil
}

// refused makes a mistake in a command's arguments the user's.
func refused(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || errors.As(err, new(*exitError)) {
			return err
		}
		return usageError(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
	}
}

// noArgs is the argument check of commands that take none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Errorf("%s takes no arguments, got %q; see `%s --help`", cmd.CommandPath(), args[0], cmd.CommandPath()))
	}
	return nil
}

// flagsFromEnvironment sets flags that the command line left alone from ASSAY_<FLAG>, dashes as underscores.
func flagsFromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		name := "ASSAY_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := lookup(name)
		if !ok || value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", name, value, err))
		}
	})
	if len(errs) > 0 {
		return usageError(errors.Join(errs...))
	}
	return nil
}

// color reports whether w is a terminal that wants colours.
func color(w io.Writer) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	return isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
