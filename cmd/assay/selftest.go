package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"assay/profiler"
	"assay/selftest"
)

// newSelftestCmd proves the generator on the host at hand.
func newSelftestCmd(a *app) *cobra.Command {
	var asJSON, full bool
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Hold the load generator and the statistics against known truths on this machine",
		Long: `Plants a stall, a queue with a closed form, a schedule and a target that does nothing, and compares what is measured with what must come
out. One line a check. "suspect" is a host that is too busy or too small to tell; runs on it will say so too. About 40 s; --full takes ten
times as long. Exit code 3 where a check failed, 4 where one is suspect.`,
		Example: "  assay selftest\n  assay selftest --json\n  assay selftest --full",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.selftest(ctx, asJSON, full)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&full, "full", false, "ten times as long")
	return cmd
}

func (a *app) selftest(ctx context.Context, asJSON, full bool) error {
	tell := func(c selftest.Check) {
		line := fmt.Sprintf("%-8s %-30s %s; expected %s", c.Verdict, c.Name, c.Measured, c.Expected)
		if c.Why != "" {
			line += " (" + c.Why + ")"
		}
		w := a.stdout
		if asJSON {
			w = a.stderr
		}
		fmt.Fprintln(w, line)
	}
	checks, err := selftest.Run(ctx, selftest.Options{Full: full, Sampler: startSampler, Cores: runtime.NumCPU()}, tell)
	if errors.Is(err, context.Canceled) {
		return withCode(exitInterrupted, errors.New("interrupted; the checks above are done"))
	}
	if err != nil {
		return err
	}
	verdict := selftest.Verdict(checks)
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"schema": "assay.selftest/1", "verdict": verdict, "checks": checks}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.stdout, "%s\n", verdict)
	}
	switch verdict {
	case selftest.Fail:
		return silentError{exitGateFailed}
	case selftest.Suspect:
		return silentError{exitInconclusive}
	}
	return nil
}

// startSampler watches this process as a run watches a trial, and returns what ends it.
func startSampler() (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(profiler.Config{PID: os.Getpid(), Every: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "sampler")
	cmd.Stdout = io.Discard
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the sampler: %w", err)
	}
	if _, err := stdin.Write(append(config, '\n')); err != nil {
		return nil, fmt.Errorf("start the sampler: %w", err)
	}
	return func() {
		stdin.Close()
		_ = cmd.Wait() // its figures are not wanted here
	}, nil
}
