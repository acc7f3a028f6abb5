package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"assay/plan"
)

// newBenchCmd measures models with no file but the models.
func newBenchCmd(a *app) *cobra.Command {
	var f benchFlags
	var o engineOptions
	cmd := &cobra.Command{
		Use:   "bench MODEL [MODEL...]",
		Short: "Measure a model, or compare several as variants of one",
		Long: `Measures one ONNX model with no file but the model, or several as variants of one (the first is the baseline), in interleaved
blocks of fresh processes. Inputs come from --data, from --input, or are generated from the model's own types and names; the report says which.`,
		Example: `  assay bench model.onnx
  assay bench fp32=model.onnx int8=model-int8.onnx --batch 1,8
  assay bench model.onnx --scenario server --rate 60% --slo p99=20ms --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(fmt.Errorf("no model given; name an ONNX file, as in `assay bench model.onnx`"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := f.read(cmd, args)
			if err != nil {
				return err
			}
			experiment, err := b.Experiment()
			if err != nil {
				return usageError(err)
			}
			o.fast = b.Fast
			return a.execute(cmd.Context(), experiment, "", strings.Join(a.args, " "), o)
		},
	}
	f.add(cmd, true)
	o.addFlags(cmd)
	return cmd
}

// benchFlags are the flags that say what is measured; capacity shares those that its search leaves open.
type benchFlags struct {
	bench  plan.Bench
	seed   uint64
	warmup time.Duration
}

// read gives what the flags say of the models.
func (f *benchFlags) read(cmd *cobra.Command, models []string) (plan.Bench, error) {
	b := f.bench
	b.Models = models
	if cmd.Flags().Changed("seed") {
		b.Seed = &f.seed
	}
	if cmd.Flags().Changed("warmup") {
		b.Warmup = &f.warmup
	}
	if err := emptyFlags(cmd); err != nil {
		return b, err
	}
	return b, positiveFlags(cmd, "duration", "requests", "samples", "looks", "blocks", "batch", "intra-op-threads", "concurrency", "sample-every", "trial-timeout", "timeout", "budget")
}

// add defines the flags: all of them, or those alone that a search leaves to the user.
func (f *benchFlags) add(cmd *cobra.Command, all bool) {
	b, fs := &f.bench, cmd.Flags()
	fs.StringSliceVar(&b.Providers, "provider", nil, "execution providers, NAME[:key=value;...] (default cpu)")
	fs.IntSliceVar(&b.Batches, "batch", nil, "examples in a request (default 1)")
	fs.IntSliceVar(&b.Threads, "intra-op-threads", nil, "threads within an operator (default one less than the cores)")
	fs.StringVar(&b.Arrivals, "arrivals", "", "server: poisson, constant, gamma:SHAPE or trace:FILE (default poisson)")
	fs.IntSliceVar(&b.Concurrency, "concurrency", nil, "concurrency: requests outstanding; server: the most in flight; 1024 at most (default 1)")
	fs.DurationVar(&b.Duration, "duration", 0, "length of the measured window of a trial (default 2s)")
	fs.DurationVar(&f.warmup, "warmup", 500*time.Millisecond, "load before the measured window")
	fs.Uint64Var(&f.seed, "seed", 1, "draws the order of arms, arrivals and generated inputs")
	fs.StringSliceVar(&b.SLOs, "slo", nil, "objective on latency, such as p99=20ms")
	fs.StringVar(&b.Data, "data", "", "inputs: an .npz file, a folder of .npy files, or a folder of test_data_set_*")
	fs.StringArrayVar(&b.Inputs, "input", nil, "one input: NAME=FILE.npy or NAME=VALUE")
	fs.StringSliceVar(&b.Dims, "dim", nil, "size of a symbolic dimension: NAME=N; given again, sizes are taken in turn")
	fs.StringArrayVar(&b.Shapes, "shape", nil, "whole shape of an input: INPUT=1,3,224,224; given again, shapes are taken in turn")
	fs.StringArrayVar(&b.SessionConfig, "session-config", nil, "session configuration entry: KEY=VALUE")
	fs.DurationVar(&b.SampleEvery, "sample-every", 0, "how often sensors are read (default 100ms)")
	fs.DurationVar(&b.TrialTimeout, "trial-timeout", 0, "how long a trial's process may stay in one phase (default chosen from the load)")
	fs.DurationVar(&b.Timeout, "timeout", 0, "a request that ends later than this after it was due has status timeout; one that still waits then is not sent")
	fs.StringSliceVar(&b.Sampling, "sampling", nil, "which inputs requests take: in-turn, with-replacement, without-replacement, issue-same or issue-unique (default in-turn)")
	fs.StringSliceVar(&b.Spinning, "spinning", nil, "whether the model's threads spin while they wait for work: on, off (default the runtime's, on)")
	if !all {
		refuseSearched(fs)
		return
	}
	fs.StringVar(&b.Batching, "batching", "", "server: put requests together before they are sent: max=8,delay=2ms")
	fs.StringVar(&b.Until, "until", "", "stop rule: ci=2% or ci=2%:METRIC (at a look, every arm's interval is that narrow), or mlperf (windows last until --duration and --requests are both reached)")
	fs.IntSliceVar(&b.Looks, "looks", nil, "block counts at which the run may stop; the last is --blocks (default 5, 10, 20... with --until ci=)")
	fs.StringVar(&b.OnOverload, "on-overload", "", "server: stop a window once it cannot but be overloaded, or continue to its end (default continue)")
	fs.StringSliceVar(&b.Scenarios, "scenario", nil, "single-stream, multi-stream, server, offline or concurrency (default single-stream)")
	fs.StringSliceVar(&b.Rates, "rate", nil, "server: requests a second (200/s), or a share of the closed-loop rate (60%)")
	fs.StringVar(&b.Profile, "profile", "", "server: how the rate changes within the window, in multiples of --rate: ramp:FROM..TO, steps:A,B,C or sine:AMPLITUDE@PERIOD")
	fs.BoolVar(&b.Normalize, "normalize", false, "server: exactly as many requests as the rate (and profile) asks for, spread over the window")
	fs.StringVar(&b.TimeScale, "time-scale", "", "server: replay a trace stretched by this factor (default 1)")
	fs.IntVar(&b.Samples, "samples", 0, "multi-stream: samples in a query (default 8)")
	fs.IntVar(&b.Requests, "requests", 0, "requests of a trial; whichever of this and --duration comes first")
	fs.IntVar(&b.Blocks, "blocks", 0, "trials of each arm (default 5)")
	fs.StringVar(&b.Dataset, "dataset", "", "labelled examples (.npz) for quality beside speed")
	fs.StringVar(&b.Label, "label", "", "the array of labels in --dataset")
	fs.StringSliceVar(&b.Metrics, "metrics", nil, "quality metrics: accuracy, agreement, ece")
	fs.BoolVar(&b.Fast, "fast", false, "one short block: a look, never a verdict")
}

// emptyFlags refuses flags that were given with nothing in them, as a script does whose variable is not set: that would silently mean the default.
func emptyFlags(cmd *cobra.Command) error {
	var wrong []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if v := f.Value.String(); v == "" || v == "[]" {
			wrong = append(wrong, fmt.Sprintf("--%s is empty; give it a value, or leave it out", f.Name))
		}
	})
	if len(wrong) > 0 {
		return usageError(errors.New(strings.Join(wrong, "\n")))
	}
	return nil
}

// positiveFlags refuses zero and negative values of flags that were given: a zero there would silently mean the default.
func positiveFlags(cmd *cobra.Command, names ...string) error {
	var wrong []string
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		for _, v := range strings.Split(strings.Trim(f.Value.String(), "[]"), ",") {
			if strings.HasPrefix(v, "-") || v == "0" || v == "0s" {
				wrong = append(wrong, fmt.Sprintf("--%s: %s is not above 0", name, v))
			}
		}
	}
	if len(wrong) > 0 {
		return usageError(fmt.Errorf("%s", strings.Join(wrong, "\n")))
	}
	return nil
}
