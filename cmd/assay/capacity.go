package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/capacity"
	"assay/loadgen"
	"assay/plan"
	"assay/results"
	"assay/results/analysis"
	"assay/results/report"
	"assay/runner"
)

// newCapacityCmd searches the highest rate that meets an objective.
func newCapacityCmd(a *app) *cobra.Command {
	var f benchFlags
	var o engineOptions
	var budget time.Duration
	cmd := &cobra.Command{
		Use:   "capacity MODEL --slo p99=20ms",
		Short: "Find the highest rate of requests that meets an objective",
		Long: `Searches the highest rate at which a model meets its objectives under open-loop arrivals, and says between which two rates it lies: at the lower
one they are met, at the upper one they are missed. A closed loop shows the most that can be done; bisection narrows the rate down; both ends of the
band are confirmed under fresh arrivals. About a minute and a half for a model of a millisecond, longer for slower ones, for objectives close to
the time that the model itself takes, and on a machine that others disturb. After a kill or Ctrl-C the same command with --resume and --out goes on, and so it does with a larger --budget.`,
		Example: `  assay capacity model.onnx --slo p99=20ms
  assay capacity model.onnx --slo p99=20ms,error=0.1% --concurrency 2 --json
  assay capacity model.onnx --slo p95=5ms --out runs/capacity
  assay capacity model.onnx --slo p95=5ms --out runs/capacity --resume --budget 20m`,
		Args: exactlyOne("one model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := f.read(cmd, args)
			if err != nil {
				return err
			}
			return a.capacity(cmd.Context(), b, budget, o)
		},
	}
	f.add(cmd, false)
	step := cmd.Flags().Lookup("duration")
	step.Usage, step.DefValue = "how long a step of the bisection lasts (default chosen from the closed-loop rate)", "0s"
	cmd.Flags().DurationVar(&budget, "budget", 0, "how long load may be sent to narrow the band, and as long again where calls do not predict what is measured (default two minutes, up to twenty for slow models); a search that ended goes on with more")
	cmd.Flags().BoolVar(&o.resume, "resume", false, "go on with the search in --out")
	o.addFlags(cmd)
	return cmd
}

// capacity carries the search out and prints its answer.
func (a *app) capacity(ctx context.Context, b plan.Bench, budget time.Duration, o engineOptions) error {
	spec, err := capacitySpec(b)
	if err != nil {
		return usageError(err)
	}
	asked, err := json.Marshal(spec) // without the budget, which may be another when the search goes on
	if err != nil {
		return err
	}
	spec.Capacity.Budget = budget
	config, err := a.configure(spec, nil, string(asked), o)
	if err != nil {
		return err
	}
	config.Run.Command = "assay " + strings.Join(a.args, " ")
	ctx, stop := a.interruptible(ctx)
	defer stop()
	watch, err := a.observe(spec, o)
	if err != nil {
		return err
	}
	defer watch.Close()
	config.Observer = quietTrials{watch}
	_, err = os.Stat(config.Dir)
	existed := err == nil
	probing, err := runner.OpenProbing(ctx, config)
	var mistake *runner.UsageError
	switch {
	case errors.Is(err, runner.ErrLocked):
		return usageError(err)
	case errors.As(err, &mistake):
		discard(config.Dir, existed)
		return usageError(err)
	case errors.Is(err, runner.ErrInterrupted):
		discard(config.Dir, existed)
		return withCode(exitInterrupted, errors.New("interrupted before anything was measured"))
	case err != nil:
		return err
	}
	return a.search(ctx, probing, config.Dir, watch, o)
}

// search carries a prepared search out, closes its run and concludes.
func (a *app) search(ctx context.Context, probing *runner.Probing, dir string, watch *watch, o engineOptions) error {
	p := *probing.Record().Resolved.Capacity
	d := results.Dir(dir)
	answer, err := capacity.Search(ctx, p, capacityArm(p.Arm), prober{probing, d}, capacity.Journal(d.JournalFile()), func(e capacity.Event) {
		watch.Progress.Note(probeLine(e))
	})
	watch.Close()
	interrupted := errors.Is(err, runner.ErrInterrupted) || errors.Is(err, context.Canceled)
	status, reason := "complete", ""
	switch {
	case interrupted:
		status = "interrupted"
	case err != nil:
		status, reason = "incomplete", err.Error()
	}
	if closing := probing.Close(status, reason); closing != nil {
		return errors.Join(err, closing)
	}
	switch {
	case answer == nil && interrupted:
		return withCode(exitInterrupted, errors.New("interrupted before anything was measured"))
	case answer == nil:
		return withCode(exitIncomplete, err)
	}
	if err := a.answer(dir, answer, o); err != nil {
		return err
	}
	switch {
	case interrupted:
		fmt.Fprintf(a.stderr, "assay: interrupted; what was measured is in %s; the same command with --out and --resume goes on\n", dir)
		return silentError{exitInterrupted}
	case err != nil:
		return withCode(exitIncomplete, err)
	case o.strict && answer.Validity == "invalid":
		return withCode(exitIncomplete, errors.New("the search is invalid: "+strings.Join(answer.Reasons, "; ")))
	}
	return nil
}

// answer saves the run's report and prints the search's answer.
func (a *app) answer(dir string, c *results.Capacity, o engineOptions) error {
	rep, err := analysis.Analyze(dir)
	if err != nil {
		return err
	}
	if err := saveReport(dir, rep); err != nil {
		return err
	}
	if o.json {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(c)
	}
	return report.Text(a.stdout, rep, textOptions(a.stdout, dir))
}

// capacitySpec is the run that a search makes of the flags: one arm, whose load stands for those of the probes.
func capacitySpec(b plan.Bench) (*results.Spec, error) {
	length := b.Duration
	if strings.HasPrefix(b.Arrivals, "trace:") {
		return nil, errors.New("--arrivals: a trace has its own rate, and a search changes it; use poisson, constant or gamma:SHAPE")
	}
	if slices.Contains(b.Sampling, loadgen.IssueUnique) {
		return nil, errors.New("--sampling: issue-unique ends where each input was sent once, and probes last as long as they must; use without-replacement")
	}
	b.Scenarios, b.Rates, b.Duration = []string{string(plan.Server)}, []string{"1/s"}, 0
	e, err := b.Experiment()
	if err != nil {
		return nil, err
	}
	spec, err := e.Resolve(plan.Host{Cores: usableCores()})
	if err != nil {
		return nil, err
	}
	switch {
	case len(spec.Arms) != 1:
		return nil, fmt.Errorf("a search measures one arm, and this would be %d; give one model, provider, batch, thread count and concurrency", len(spec.Arms))
	case len(spec.SLOs) == 0:
		return nil, errors.New("no objective given; say what must hold, as in --slo p99=20ms")
	}
	if err := sendable(spec); err != nil {
		return nil, err
	}
	latency := false
	for i := range spec.SLOs {
		spec.SLOs[i].Load = ""
		latency = latency || spec.SLOs[i].Metric != results.ErrorShare
	}
	if !latency {
		return nil, errors.New("--slo: a search needs an objective on latency, such as p99=20ms; failures alone do not set a rate")
	}
	spec.Capacity = &results.CapacityPlan{Objectives: spec.SLOs, Servers: max(1, spec.Loads[0].Concurrency), Arrivals: spec.Loads[0].Arrivals,
		Sampling: spec.Loads[0].Sampling, Seed: spec.Seed, Warmup: spec.Warmup, Length: length, Timeout: spec.Loads[0].Timeout, Arm: spec.Arms[0]}
	spec.SLOs = nil
	return spec, nil
}

// capacityArm is an arm's name without its load.
func capacityArm(arm results.Arm) string { return strings.TrimSuffix(arm.Name, "."+arm.Load) }

// prober sends the search's probes as trials of a run.
type prober struct {
	*runner.Probing
	dir results.Dir
}

// probeLoad is the load of a probe. Its name is of one length and rate: trials are told apart by it.
func probeLoad(r capacity.Request, p results.CapacityPlan) results.Load {
	l := results.Load{Name: "server-" + results.RateLabel(r.Rate), Scenario: string(plan.Server), Arrivals: p.Arrivals,
		Rate: r.Rate, Concurrency: r.Servers, Duration: r.Length, Timeout: r.Timeout}
	switch r.Kind {
	case results.ProbeClosed:
		l = results.Load{Name: fmt.Sprintf("concurrency-%d", r.Servers), Scenario: string(plan.Concurrency), Concurrency: r.Servers, Duration: r.Length}
		if r.Index > 0 {
			l.Name += "-long"
		}
	case results.ProbeExtend:
		l.Name += "-long"
	case results.ProbeConfirm:
		l.Name += fmt.Sprintf("-round%d", capacity.Round(r.Block))
	case results.ProbeMeasure:
		l.Name += "-measured-" + r.Length.String()
	}
	if r.Repeat > 0 {
		l.Name += fmt.Sprintf("-again%d", r.Repeat)
	}
	l.Sampling = p.Sampling
	return l
}

// Probe implements capacity.Prober. A trial that did not end well ends the search.
func (p prober) Probe(ctx context.Context, r capacity.Request) (capacity.Samples, string, error) {
	l := probeLoad(r, *p.Record().Resolved.Capacity)
	t, err := p.Trial(ctx, r.Block, l, r.Warmup, r.Seed, r.Seed+uint64(r.Index)<<32)
	if err != nil {
		return capacity.Samples{}, "", err
	}
	if t.Status != results.TrialOK {
		return capacity.Samples{}, "", fmt.Errorf("the probe at %s/s ended as %s: %s", results.RateLabel(r.Rate), t.Status, t.Reason)
	}
	r.Arm = t.Arm
	s, err := p.Load(r.Probe)
	return s, t.Arm, err
}

// Load implements capacity.Prober.
func (p prober) Load(probe results.Probe) (capacity.Samples, error) {
	return analysis.ProbeSamples(p.dir, probe)
}

// quietTrials lets the search speak for its trials; live metrics still see them.
type quietTrials struct{ *watch }

// TrialEnds keeps trials' own lines away.
func (q quietTrials) TrialEnds(_ int, _ results.Arm, t *results.Trial) {
	if q.Metrics != nil {
		q.Metrics.TrialEnds(t)
	}
}

// probeLine says in a line what a probe is about to do, or what came of it.
func probeLine(e capacity.Event) string {
	p := e.Probe
	what := map[string]string{results.ProbeClosed: "closed loop", results.ProbeSearch: "search", results.ProbeExtend: "search, longer", results.ProbeConfirm: "confirm",
		results.ProbeMeasure: "measure"}[p.Kind]
	if p.Rate > 0 {
		what += " " + results.RateLabel(p.Rate) + "/s"
	}
	line := fmt.Sprintf("probe %d, %s", p.Index+1, what)
	if e.Begins {
		line += fmt.Sprintf(" for %v", p.Length.Round(100*time.Millisecond))
	} else if p.SetAside {
		line += ": " + p.Reason
	} else if p.Verdict != "" {
		line += ": " + p.Verdict + ": " + p.Reason
	}
	if e.Left > 0 {
		line += fmt.Sprintf("; about %v of load left", e.Left.Round(time.Second))
	}
	return line
}
