package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"assay/plan"
	"assay/results"
	"assay/results/analysis"
	"assay/results/report"
	"assay/runner"
	"assay/runner/child"
)

// engineOptions are the flags that bench and run share.
type engineOptions struct {
	out        string
	json       bool
	quiet      bool
	strict     bool
	metrics    string // address of live metrics
	nvml       string
	ortLibrary string

	resume bool
	dryRun bool
	fast   bool
	arms   string
}

func (o *engineOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "", "the run's directory (default ./assay-runs/<UTC>-<name>-<4 hex>)")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	f.BoolVar(&o.strict, "strict", false, "exit with 5 when the run's verdict is invalid")
	f.StringVar(&o.metrics, "metrics-listen", "", "serve live Prometheus metrics on this address while the run lasts, such as :9464")
	f.StringVar(&o.nvml, "nvml-library", "", "library that reads GPU sensors (default the system's libnvidia-ml.so.1)")
	f.StringVar(&o.ortLibrary, "ort-library", "", "ONNX Runtime library to use in place of the installed ones")
}

// execute resolves an experiment, carries it out and prints its report.
func (a *app) execute(ctx context.Context, e *plan.Experiment, baseDir, asked string, o engineOptions) error {
	spec, err := e.Resolve(plan.Host{Cores: usableCores(), BaseDir: baseDir})
	if err != nil {
		return usageError(err)
	}
	if err := errors.Join(sendable(spec), makeable(spec)); err != nil {
		return usageError(err)
	}
	if err := keepArms(spec, o.arms); err != nil {
		return err
	}
	if o.dryRun {
		return a.forecast(spec, "", o.json)
	}
	config, err := a.configure(spec, e, asked, o)
	if err != nil {
		return err
	}
	ctx, stop := a.interruptible(ctx)
	defer stop()
	watch, err := a.observe(spec, o)
	if err != nil {
		return err
	}
	defer watch.Close()
	config.Observer = watch
	_, err = os.Stat(config.Dir)
	existed := err == nil
	run, err := runner.Run(ctx, config)
	watch.Close()
	var mistake *runner.UsageError
	switch {
	case errors.Is(err, runner.ErrLocked): // the directory is another process's
		return usageError(err)
	case errors.As(err, &mistake):
		discard(config.Dir, existed)
		return usageError(err)
	case run == nil && errors.Is(err, runner.ErrInterrupted):
		discard(config.Dir, existed)
		return withCode(exitInterrupted, errors.New("interrupted before anything was measured"))
	case run == nil:
		discard(config.Dir, existed)
		return unwritable(config.Dir, err)
	}
	return a.conclude(config.Dir, run, err, o)
}

// conclude computes the report from what is on disk, saves it, prints it, and turns the run's end into an exit code.
func (a *app) conclude(dir string, run *results.Run, runErr error, o engineOptions) error {
	rep, err := analysis.Analyze(dir)
	if err != nil {
		return cmp.Or(unwritable(dir, runErr), unreadable(dir, err))
	}
	unsaved := saveReport(dir, rep)
	if o.json {
		err = report.JSON(a.stdout, rep)
	} else {
		err = report.Text(a.stdout, rep, textOptions(a.stdout, dir))
	}
	switch {
	case errors.Is(runErr, runner.ErrInterrupted):
		fmt.Fprintf(a.stderr, "assay: interrupted; what was measured is in %s\n", dir)
		return silentError{exitInterrupted}
	case runErr != nil || unsaved != nil:
		return unwritable(dir, cmp.Or(runErr, unsaved))
	case err != nil:
		return err
	case run.Status == "incomplete" || measured(rep) == 0:
		return withCode(exitIncomplete, fmt.Errorf("incomplete: %s", firstFailure(rep, run)))
	case o.strict && rep.Verdict == "invalid":
		return withCode(exitIncomplete, errors.New("the run is invalid: "+strings.Join(rep.Reasons, "; ")))
	}
	return nil
}

// unwritable makes a disk that takes no more an incomplete run, which is no fault of the program's; other errors stay as they are.
func unwritable(dir string, err error) error {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		if errors.Is(err, cause) {
			return withCode(exitIncomplete, fmt.Errorf("%w; make room in %s (`assay run --resume` goes on with a run), or choose another --out", err, dir))
		}
	}
	return err
}

// measured counts the trials that gave figures.
func measured(rep *results.Report) (n int) {
	for _, arm := range rep.Arms {
		n += arm.Trials
	}
	return n
}

// firstFailure names one trial that failed and says how many did.
func firstFailure(rep *results.Report, run *results.Run) string {
	for _, arm := range rep.Arms {
		if len(arm.Failures) > 0 {
			return fmt.Sprintf("%s; the first of %s: %s", run.Reason, arm.Name, arm.Failures[0])
		}
	}
	return run.Reason
}

// saveReport writes report.json and report.html into the run's directory.
func saveReport(dir string, rep *results.Report) error {
	d := results.Dir(dir)
	if err := d.WriteReport(rep); err != nil {
		return err
	}
	return results.WriteFile(filepath.Join(dir, "report.html"), func(w io.Writer) error { return report.HTML(w, rep) })
}

// sendable reads what schedules are drawn from, so that a mistake in it shows before anything is measured.
func sendable(spec *results.Spec) error {
	var problems []error
	for i := range spec.Loads {
		l := &spec.Loads[i]
		if l.Scenario != "server" {
			continue
		}
		var err error
		if file, ok := strings.CutPrefix(l.Arrivals, "trace:"); ok {
			err = fitTrace(l, file)
		} else {
			_, err = child.ArrivalsOf(*l)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("load %s: %w", l.Name, err))
		}
	}
	return errors.Join(problems...)
}

// fitTrace reads a trace, with which the window ends; where another length was asked for, the load says so.
func fitTrace(l *results.Load, file string) error {
	trace, err := child.ReadTrace(file, l.TimeScale)
	if err != nil {
		return err
	}
	l.Inputs = trace.WantedInputs()
	if end := time.Duration(trace.Offsets[len(trace.Offsets)-1]) + time.Millisecond; end < l.Duration {
		if l.Duration != plan.Untimed {
			l.Asked = l.Duration
		}
		l.Duration = end
	}
	return nil
}

// keepArms drops the arms that a pattern does not match; a compared arm keeps its baseline only if that matches too.
func keepArms(spec *results.Spec, pattern string) error {
	if pattern == "" {
		return nil
	}
	keep := map[string]bool{}
	var arms []results.Arm
	for _, arm := range spec.Arms {
		ok, err := path.Match(pattern, arm.Name)
		if err != nil {
			return usageError(fmt.Errorf("--arm %q: %w", pattern, err))
		}
		if ok {
			keep[arm.Name] = true
			arms = append(arms, arm)
		}
	}
	if len(arms) == 0 {
		return usageError(fmt.Errorf("--arm %q matches none of the %d arms; the first is %s", pattern, len(spec.Arms), spec.Arms[0].Name))
	}
	for i := range arms {
		if !keep[arms[i].Against] {
			arms[i].Against = ""
		}
	}
	spec.Arms = arms
	for i, order := range spec.Order {
		var kept []string
		for _, name := range order {
			if keep[name] {
				kept = append(kept, name)
			}
		}
		spec.Order[i] = kept
	}
	return nil
}

// configure names the run and its directory and wires what the runner needs of the machine.
func (a *app) configure(spec *results.Spec, e *plan.Experiment, asked string, o engineOptions) (runner.Config, error) {
	dir, id, err := runDirectory(o.out, spec.Name, time.Now().UTC())
	if err != nil {
		return runner.Config{}, err
	}
	if o.resume && o.out == "" {
		return runner.Config{}, usageError(errors.New("--resume needs --out: the directory of the run to go on with"))
	}
	text, err := json.Marshal(askedText(e, asked))
	if err != nil {
		return runner.Config{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return runner.Config{}, fmt.Errorf("find this program: %w", err)
	}
	cache, err := variantCache()
	if err != nil {
		return runner.Config{}, err
	}
	c := runner.Config{
		Run:         results.Run{ID: id, Name: spec.Name, Command: "assay " + asked, Assay: version(), Asked: text, Resolved: *spec},
		Dir:         dir,
		Resume:      o.resume,
		Child:       runner.Command{Path: self, Args: []string{"trial"}},
		Sampler:     runner.Command{Path: self, Args: []string{"sampler"}},
		NVML:        o.nvml,
		Cache:       cache,
		Library:     libraryFinder(o.ortLibrary),
		Identify:    identifier(spec),
		Environment: func(r results.Runtime) (results.Environment, error) { return describeMachine(r, o.nvml) },
		State:       machineState,
		Settled:     gatesSettled,
	}
	return c, nil
}

// askedText is what a run was asked: the experiment's own text, or the command line that stands for one.
func askedText(e *plan.Experiment, commandLine string) string {
	if e != nil && e.Text() != "" {
		return e.Text()
	}
	return commandLine
}

// runDirectory chooses where a run goes and gives it its id.
func runDirectory(out, name string, now time.Time) (dir, id string, err error) {
	var suffix [2]byte
	if _, err := rand.Read(suffix[:]); err != nil {
		return "", "", err
	}
	id = fmt.Sprintf("%s-%s-%s", now.Format("20060102T150405Z"), name, hex.EncodeToString(suffix[:]))
	if out == "" {
		out = filepath.Join("assay-runs", id)
	}
	dir, err = filepath.Abs(out)
	return dir, id, err
}

// interruptible gives a context that the first Ctrl-C ends; the second ends the process, and with it every child.
func (a *app) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
			case <-done:
				return
			}
			if n > 0 {
				os.Exit(exitInterrupted)
			}
			fmt.Fprintln(a.stderr, "assay: stopping after this trial's requests; once more kills it")
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// discard takes back a run's directory in which nothing was measured: all of it where this run made it.
func discard(dir string, existed bool) {
	if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
		return
	}
	if !existed {
		_ = os.RemoveAll(dir)
		return
	}
	for _, name := range []string{"trials", "quality", ".lock"} {
		_ = os.Remove(filepath.Join(dir, name)) // fails, rightly, where something is in it
	}
}
