package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"assay/environment"
	"assay/profiler"
	"assay/results"
	"assay/selftest"
)

// newSelftestCmd proves the generator on the host at hand.
func newSelftestCmd(a *app) *cobra.Command {
	var o selftestOptions
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Hold the load generator and the statistics against known truths on this machine",
		Long: `Plants a stall, a queue with a closed form, a schedule and a target that does nothing, and compares what is measured with what must come
out. One line a check. "suspect" is a host that is too busy or too small to tell; runs on it will say so too. About 45 s; --full takes ten
times as long.

Exit codes: 0 where every check passes, 3 where one failed, 4 where one is suspect and none failed.`,
		Example: "  assay selftest\n  assay selftest --json\n  assay selftest --markdown > selftest.md",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.json && o.markdown {
				return usageError(errors.New("--json and --markdown each print a document of their own; choose one"))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.selftest(ctx, o)
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&o.markdown, "markdown", false, "print a page for the documentation")
	cmd.Flags().BoolVar(&o.full, "full", false, "ten times as long")
	return cmd
}

type selftestOptions struct{ json, markdown, full bool }

func (a *app) selftest(ctx context.Context, o selftestOptions) error {
	host := selftestHost()
	tell := func(c selftest.Check) {
		line := fmt.Sprintf("%-8s %-30s %s; expected %s", c.Verdict, c.Name, c.Measured, c.Expected)
		if c.Why != "" {
			line += " (" + c.Why + ")"
		}
		w := a.stdout
		if o.json || o.markdown {
			w = a.stderr
		}
		fmt.Fprintln(w, line)
	}
	checks, err := selftest.Run(ctx, selftest.Options{Full: o.full, Sampler: startSampler, Cores: runtime.NumCPU()}, tell)
	if errors.Is(err, context.Canceled) {
		return withCode(exitInterrupted, errors.New("interrupted; the checks above are done"))
	}
	if err != nil {
		return err
	}
	verdict := selftest.Verdict(checks)
	switch {
	case o.json:
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(map[string]any{"schema": "assay.selftest/1", "verdict": verdict, "host": host, "checks": checks})
	case o.markdown:
		_, err = io.WriteString(a.stdout, selftestPage(host, verdict, checks))
	default:
		fmt.Fprintln(a.stdout, verdict)
	}
	if err != nil {
		return err
	}
	switch verdict {
	case selftest.Fail:
		return silentError{exitGateFailed}
	case selftest.Suspect:
		return silentError{exitInconclusive}
	}
	return nil
}

// selftestHost says where and when; what the machine does not tell is absent.
func selftestHost() map[string]any {
	host := map[string]any{"date": time.Now().UTC().Format(time.DateOnly), "assay": version(), "cores": runtime.NumCPU()}
	env, err := environment.Collect(environment.System, environment.GPUs{}, results.Runtime{})
	if err != nil {
		return host
	}
	for _, key := range []string{"cpu_model", "kernel", "memory_gib"} {
		if v, ok := env.Identity[key]; ok {
			host[key] = v
		}
	}
	if load, ok := env.State["load_1m"]; ok {
		host["load_1m"] = load
	}
	if p := schedulingPolicy(); p != "" {
		host["scheduling"] = p
	}
	return host
}

// schedulingPolicy names the kernel's class of this process where it is not the usual one: real-time priority makes a busy machine look idle.
func schedulingPolicy() string {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return ""
	}
	// The name in parentheses may hold spaces; the policy is the 41st field, the 39th behind it (linux Documentation/filesystems/proc.rst).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 39 {
		return ""
	}
	return map[string]string{"1": "real-time (fifo)", "2": "real-time (round robin)", "3": "batch", "5": "idle", "6": "deadline"}[fields[38]]
}

// selftestPage is the page of the documentation.
func selftestPage(host map[string]any, verdict string, checks []selftest.Check) string {
	var b strings.Builder
	b.WriteString("# What `assay selftest` finds on one machine\n\n")
	b.WriteString("Made by `assay selftest --markdown`; on another machine the figures differ, so run it on yours. `load 1m` is the machine's load average before it began; `scheduling` is there where the command ran with another priority than usual.\n\n")
	for _, key := range slices.Sorted(maps.Keys(host)) {
		fmt.Fprintf(&b, "- %s: %v\n", strings.ReplaceAll(key, "_", " "), host[key])
	}
	fmt.Fprintf(&b, "\nVerdict: **%s**\n\n| check | measured | expected | verdict |\n|:---|---:|:---|:---|\n", verdict)
	for _, c := range checks {
		if c.Why != "" {
			c.Verdict += ": " + c.Why
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Name, c.Measured, c.Expected, c.Verdict)
	}
	return b.String()
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
