package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"assay/backend"
	"assay/backend/ort"
	"assay/check"
	"assay/plan"
	"assay/results"
	"assay/runner"
)

// checkOptions are the flags of check.
type checkOptions struct {
	provider   string
	rtol, atol float64
	scaled     bool // atol was left alone
	timeout    time.Duration
	ortLibrary string
	json       bool

	against, data string
	batch         int
	seed          uint64
}

// checkJob is all that a worker has to know.
type checkJob struct {
	Library   runner.Library  `json:"library"`
	Options   backend.Options `json:"options"`
	Tolerance check.Tolerance `json:"tolerance"`
}

// newCheckCmd compares what models compute with what they should.
func newCheckCmd(a *app) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check DIR|MODEL...",
		Short: "Run models on the inputs beside them and compare with the outputs beside them",
		Long: `Runs every model that has folders test_data_set_* beside it (input_N.pb and output_N.pb, as the ONNX backend tests) and
compares the outputs with those expected. A folder is searched; a .tar.gz is unpacked first. Floats may differ by --rtol of the expected
value plus --atol, which by default is 1e-5 of the largest expected magnitude; NaN equals NaN, everything else is exact.

Of each case it says passed, failed (an output differs), unsupported (the runtime has no kernel, operator or operator set for it)
or error. It ends with 3 when a case failed or ended in an error.

With --against, two models run on the same data and their outputs are compared with each other.`,
		Example: `  assay check models/resnet50/
  assay check onnx-backend-tests.tar.gz --json
  assay check model.onnx --against model-int8.onnx --data examples.npz`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(errors.New("no model or folder to check; see `assay check --help`"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.scaled = !cmd.Flags().Changed("atol")
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if o.against != "" {
				return a.checkAgainst(ctx, args, o)
			}
			return a.check(ctx, args, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.provider, "provider", "cpu", "execution provider: cpu, cuda, webgpu, NAME[:key=value;...]")
	f.Float64Var(&o.rtol, "rtol", check.DefaultTolerance.Relative, "allowed difference as a share of the expected value")
	f.Float64Var(&o.atol, "atol", 0, "allowed absolute difference (default 1e-5 of the largest expected magnitude)")
	f.DurationVar(&o.timeout, "timeout", check.DefaultTimeout, "time for one model before it counts as hung")
	f.StringVar(&o.ortLibrary, "ort-library", "", "ONNX Runtime library to use in place of the installed ones")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.against, "against", "", "compare the outputs with those of this model")
	f.StringVar(&o.data, "data", "", "with --against: .npz, folder of .npy or of test_data_set_* (default: generated inputs)")
	f.IntVar(&o.batch, "batch", 1, "with --against: examples a request")
	f.Uint64Var(&o.seed, "seed", 1, "with --against: seed of generated inputs")
	return cmd
}

// job resolves flags to what workers need.
func (o checkOptions) job() (checkJob, error) {
	provider, err := plan.ParseProvider(o.provider)
	if err != nil {
		return checkJob{}, err
	}
	if o.rtol < 0 || o.atol < 0 {
		return checkJob{}, errors.New("--rtol and --atol cannot be negative")
	}
	if o.timeout <= 0 {
		return checkJob{}, errors.New("--timeout must be longer than 0s")
	}
	library, err := libraryFinder(o.ortLibrary)([]string{provider.Name})
	if err != nil {
		return checkJob{}, err
	}
	j := checkJob{
		Library: library,
		// One thread: small models gain nothing from more, and each session would start them anew.
		Options:   backend.Options{Provider: backend.Provider{Name: provider.Name, Options: provider.Options}, IntraOpThreads: 1},
		Tolerance: check.Tolerance{Relative: o.rtol, Absolute: o.atol},
	}
	if o.scaled {
		j.Tolerance.Scaled = check.DefaultTolerance.Scaled
	}
	return j, nil
}

// open loads the runtime into this process.
func (j checkJob) open() (backend.Backend, error) {
	return ort.Open(ort.Config{Library: j.Library.Path, SHA256: j.Library.SHA256, Preload: j.Library.Preload})
}

// check runs the cases of all paths in worker processes and prints what became of them.
func (a *app) check(ctx context.Context, paths []string, o checkOptions) error {
	if o.data != "" {
		return usageError(errors.New("--data goes with --against: without it, inputs are those that lie beside the model"))
	}
	job, err := o.job()
	if err != nil {
		return usageError(err)
	}
	temporary, err := os.MkdirTemp("", "assay-check-")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer os.RemoveAll(temporary)
	cases, err := findCases(ctx, paths, temporary)
	if err != nil {
		return usageError(err)
	}
	workers, err := checkWorkers(job, o.timeout)
	if err != nil {
		return err
	}
	observe := func(r check.Result) {
		if !o.json && (r.Status == check.Failed || r.Status == check.Error) {
			fmt.Fprintf(a.stdout, "%s %s: %s\n", r.Status, r.Name, r.Detail)
		}
	}
	summary, err := workers.RunAll(ctx, cases, observe)
	switch {
	case errors.Is(err, context.Canceled):
		return withCode(exitInterrupted, fmt.Errorf("interrupted after %d of %d cases", len(summary.Cases), len(cases)))
	case err != nil:
		return usageError(err)
	}
	if err := a.printSummary(summary, o.json); err != nil {
		return err
	}
	if !summary.OK() {
		return silentError{exitGateFailed}
	}
	return nil
}

func (a *app) printSummary(s *check.Summary, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(s)
	}
	_, err := fmt.Fprintf(a.stdout, "%d cases: %d passed, %d failed, %d unsupported, %d errors\n", len(s.Cases), s.Passed, s.Failed, s.Unsupported, s.Errors)
	if err == nil && s.Unsupported > 0 {
		_, err = fmt.Fprintln(a.stdout, "--json names every unsupported case with its reason")
	}
	return err
}

// findCases looks at every path; archives are unpacked into folders of temporary. Of several paths, each gives its name to
// its cases. All mistakes are reported at once.
func findCases(ctx context.Context, paths []string, temporary string) ([]check.Case, error) {
	var cases []check.Case
	var errs []error
	for i, path := range paths {
		root := path
		if isArchive(path) {
			root = filepath.Join(temporary, fmt.Sprint(i), archiveName(path))
			if err := os.MkdirAll(root, 0o755); err != nil {
				return nil, err
			}
			if err := check.Unpack(ctx, path, root); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		found, err := check.Discover(root)
		if err != nil {
			errs = append(errs, errors.New(strings.ReplaceAll(err.Error(), root, path)))
			continue
		}
		for _, c := range found {
			if base := filepath.Base(root); len(paths) > 1 && c.Model != root && c.Name != base {
				c.Name = base + "/" + c.Name
			}
			cases = append(cases, c)
		}
	}
	return cases, errors.Join(errs...)
}

func isArchive(path string) bool {
	return strings.HasSuffix(path, ".tar.gz") || strings.HasSuffix(path, ".tgz")
}

func archiveName(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".tgz"), ".tar.gz")
}

// checkWorkers starts this program again as a worker.
func checkWorkers(job checkJob, timeout time.Duration) (check.Workers, error) {
	self, err := os.Executable()
	if err != nil {
		return check.Workers{}, fmt.Errorf("find this program: %w", err)
	}
	text, err := json.Marshal(job)
	if err != nil {
		return check.Workers{}, err
	}
	return check.Workers{Timeout: timeout, Command: func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, self, "check-worker", string(text))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process, which then stops the worker
		return cmd
	}}, nil
}

// newCheckWorkerCmd is what check starts to run models in; people do not call it.
func newCheckWorkerCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "check-worker JOB",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			answers := os.NewFile(3, "answers")
			if info, err := answers.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
				return usageError(errors.New("`assay check-worker` is started by `assay check`, not by hand"))
			}
			var job checkJob
			if err := json.Unmarshal([]byte(args[0]), &job); err != nil {
				return fmt.Errorf("read the job: %w", err)
			}
			b, err := job.open()
			if err != nil {
				return err
			}
			return check.Serve(a.stdin, answers, func(c check.Case) check.Result {
				return check.Run(cmd.Context(), b, job.Options, c, job.Tolerance)
			})
		},
	}
}

// checkAgainst compares the outputs of two models on the same data, the first being the reference.
func (a *app) checkAgainst(ctx context.Context, paths []string, o checkOptions) error {
	if len(paths) != 1 {
		return usageError(fmt.Errorf("--against compares one model with one other, not %d", len(paths)))
	}
	job, err := o.job()
	if err != nil {
		return usageError(err)
	}
	b, err := job.open()
	if err != nil {
		return usageError(err)
	}
	job.Options.IntraOpThreads = 0
	var sessions []backend.Session
	for _, path := range []string{paths[0], o.against} {
		s, err := b.Open(ctx, path, job.Options)
		if err != nil {
			return usageError(err)
		}
		defer s.Close()
		sessions = append(sessions, s)
	}
	feeds, described, err := makeFeeds(paths[0], sessions[0].Inputs(), results.Input{Data: o.data}, o.batch, o.seed)
	if err != nil {
		return usageError(err)
	}
	for _, in := range sessions[0].Inputs() {
		fmt.Fprintf(a.stderr, "input %s: %s\n", in.Name, described[in.Name])
	}
	differences, err := check.Against(ctx, sessions[0], sessions[1], feeds)
	if err != nil {
		return usageError(fmt.Errorf("compare %s with %s: %w", paths[0], o.against, err))
	}
	if o.json {
		return json.NewEncoder(a.stdout).Encode(map[string][]check.Difference{"outputs": differences})
	}
	return a.printDifferences(differences, len(feeds))
}

func (a *app) printDifferences(differences []check.Difference, requests int) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OUTPUT\tSQNR dB\tCOSINE\tMAX ABS\tAGREEMENT\tELEMENTS")
	for _, d := range differences {
		fmt.Fprintf(w, "%s\t%s\t%d\n", d.Name, figures(d), d.Elements)
		if n := d.NonFinite + d.NonFiniteBoth; n > 0 {
			fmt.Fprintf(a.stderr, "warning: %d of %d elements of %s are infinite or NaN, %d of them alike in both models; the figures leave them out, and a NaN agrees with nothing\n",
				n, d.Elements, d.Name, d.NonFiniteBoth)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "over %d requests\n", requests)
	return err
}

// figures are the columns of a difference; "-" where not one element could be compared.
func figures(d check.Difference) string {
	if n := d.NonFinite + d.NonFiniteBoth; n > 0 && n == d.Elements {
		return "-\t-\t-\t" + percentage(d.Agreement)
	}
	return fmt.Sprintf("%.2f\t%.6f\t%.4g\t%s", d.SQNR, d.Cosine, d.MaxAbs, percentage(d.Agreement))
}

// percentage writes a share, or "-" where there is none.
func percentage(share float64) string {
	if share != share {
		return "-"
	}
	return fmt.Sprintf("%.2f%%", 100*share)
}
