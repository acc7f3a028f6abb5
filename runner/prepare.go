package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"assay/backend"
	"assay/results"
	"assay/runner/child"
)

// prepare settles everything that can be wrong before the first trial: files, providers, inputs, variants, rates, quality.
func (r *run) prepare(ctx context.Context) error {
	r.spec = &r.Run.Resolved
	r.Run.Started = time.Now().UTC()
	var err error
	if r.library, err = r.findLibrary(); err != nil {
		return err
	}
	if err := r.identifyModels(ctx); err != nil {
		return err
	}
	runtime, err := r.probeAll(ctx)
	if err != nil {
		return err
	}
	if r.Environment != nil {
		if r.Run.Environment, err = r.Environment(runtime); err != nil {
			return fmt.Errorf("describe the machine: %w", err)
		}
	}
	if err := r.measureQuality(ctx); err != nil {
		return err
	}
	return r.resolveRates(ctx)
}

// findLibrary asks for one library that serves all arms; provider null needs none.
func (r *run) findLibrary() (Library, error) {
	var wanted []string
	for _, a := range r.spec.Arms {
		if a.Provider != "null" && !slices.Contains(wanted, a.Provider) {
			wanted = append(wanted, a.Provider)
		}
	}
	if len(wanted) == 0 {
		return Library{}, nil
	}
	library, err := r.Library(wanted)
	if err != nil {
		return Library{}, &UsageError{err}
	}
	return library, nil
}

// identifyModels hashes the variants' files and makes those that are recipes, each after the variant that it is made from.
func (r *run) identifyModels(ctx context.Context) error {
	var problems []error
	waiting := make([]*results.Variant, 0, len(r.spec.Variants))
	for i := range r.spec.Variants {
		v := &r.spec.Variants[i]
		if v.Quantize != nil {
			waiting = append(waiting, v)
			continue
		}
		problems = append(problems, r.identify(v))
	}
	if err := errors.Join(problems...); err != nil {
		return &UsageError{err}
	}
	for len(waiting) > 0 {
		rest := waiting[:0:0]
		for _, v := range waiting {
			from := r.variant(v.Quantize.From)
			if from == nil || from.Model == "" {
				rest = append(rest, v)
				continue
			}
			if err := r.build(ctx, v, from); err != nil {
				return err
			}
		}
		if len(rest) == len(waiting) {
			return usage("variant %s: quantize.from %q leads to no model", rest[0].Name, rest[0].Quantize.From)
		}
		waiting = rest
	}
	return nil
}

func (r *run) identify(v *results.Variant) (err error) {
	if v.SHA256, v.Bytes, err = r.Identify(v.Model); err != nil {
		return fmt.Errorf("variant %s: %w", v.Name, err)
	}
	return nil
}

// build makes a quantized variant in a child process.
func (r *run) build(ctx context.Context, v, from *results.Variant) error {
	r.Observer.Note(fmt.Sprintf("quantizing %s from %s (%s)", v.Name, from.Name, v.Quantize.Scheme))
	c := child.Config{Kind: child.KindQuantize, Library: r.library.Path, LibrarySHA256: r.library.SHA256, Preload: r.library.Preload, Variant: r.library.Variant, Model: from.Model,
		Provider: backend.Provider{Name: "cpu"}, Recipe: v.Quantize, Cache: r.Cache, Seed: r.spec.Seed}
	if cal := v.Quantize.Calibration; cal != nil {
		c.Dataset = r.dataset(cal.Dataset)
	}
	e, err := r.ask(ctx, c)
	if err != nil {
		return fmt.Errorf("variant %s: %w", v.Name, err)
	}
	v.Model, v.Lineage = e.Built.Path, e.Built.Lineage
	for _, w := range e.Built.Warnings {
		r.find(v.Name, "quantization: "+w)
	}
	return r.identify(v)
}

// find notes what speaks against a variant, once: it may be looked at on several providers, and again in a run that is resumed.
func (r *run) find(variant, text string) {
	if r.Run.Findings == nil {
		r.Run.Findings = map[string][]string{}
	}
	if !slices.Contains(r.Run.Findings[variant], text) {
		r.Run.Findings[variant] = append(r.Run.Findings[variant], text)
	}
}

func (r *run) dataset(name string) *results.Dataset {
	for i := range r.spec.Datasets {
		if r.spec.Datasets[i].Name == name {
			return &r.spec.Datasets[i]
		}
	}
	return nil
}

// probeAll opens every variant on every provider that will be measured, makes its inputs and runs it once for each batch size; all
// mistakes are reported together.
func (r *run) probeAll(ctx context.Context) (results.Runtime, error) {
	type key struct{ variant, provider, options string }
	batches := map[key][]int{}
	var keys []key
	arms := map[key]results.Arm{}
	for _, a := range r.spec.Arms {
		k := key{a.Variant, a.Provider, fmt.Sprint(a.ProviderOptions)}
		known, seen := arms[k]
		if !seen {
			keys = append(keys, k)
		}
		if !seen || r.load(a.Load).Inputs > r.load(known.Load).Inputs { // whose trace asks for most
			arms[k] = a
		}
		for _, batch := range []int{a.Batch, max(a.Batch, r.load(a.Load).BatchMax)} {
			if !slices.Contains(batches[k], batch) {
				batches[k] = append(batches[k], batch)
			}
		}
	}
	var runtime results.Runtime
	var problems []error
	r.Run.Nodes = map[string]*results.Nodes{}
	for _, k := range keys {
		r.Observer.Note(fmt.Sprintf("looking at %s on %s", k.variant, k.provider))
		c := r.assignment(child.KindProbe, arms[k])
		c.Batches = batches[k]
		sort.Ints(c.Batches)
		e, err := r.ask(ctx, c)
		if err != nil {
			if ctx.Err() != nil {
				return runtime, ErrInterrupted
			}
			problems = append(problems, fmt.Errorf("variant %s on %s: %w", k.variant, k.provider, err))
			continue
		}
		if runtime.Name == "" || runtime.Name == "null" {
			runtime = e.Probe.Runtime
		}
		r.spec.Input.Described = e.Probe.Made
		r.Run.Nodes[nodesKey(arms[k])] = e.Probe.Nodes
		for _, f := range e.Probe.Findings {
			r.find(k.variant, f)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return runtime, &UsageError{err}
	}
	return runtime, nil
}

// nodesKey names what decides where nodes run: the model and the provider with its options.
func nodesKey(a results.Arm) string {
	return fmt.Sprint(a.Variant, " ", a.Provider, " ", a.ProviderOptions)
}

// measureQuality takes predictions of every variant on every provider on the labelled data set.
func (r *run) measureQuality(ctx context.Context) error {
	if r.spec.Quality == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(r.dir.QualityFile(r.spec.Baseline)), 0o755); err != nil {
		return err
	}
	dataset := r.dataset(r.spec.Quality.Dataset)
	if dataset == nil {
		return usage("quality: data set %q is not in the plan", r.spec.Quality.Dataset)
	}
	seen := map[string]bool{}
	for _, a := range r.spec.Arms {
		if seen[a.Variant] || a.Provider == "null" {
			continue
		}
		seen[a.Variant] = true
		r.Observer.Note(fmt.Sprintf("measuring quality of %s on %s", a.Variant, dataset.Name))
		c := r.assignment(child.KindQuality, a)
		c.Dataset, c.Quality = dataset, r.dir.QualityFile(a.Variant)
		if _, err := r.ask(ctx, c); err != nil {
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			return fmt.Errorf("quality of %s: %w", a.Variant, err)
		}
	}
	return nil
}

// resolveRates turns rates given as a share of capacity into requests per second, by one closed-loop pilot for each combination.
func (r *run) resolveRates(ctx context.Context) error {
	rates := map[string]float64{}
	for i := range r.spec.Arms {
		a := &r.spec.Arms[i]
		l := r.load(a.Load)
		if l.Scenario != "server" {
			continue
		}
		if a.Rate = l.Rate; l.RateShare == 0 {
			continue
		}
		pilot := *a
		if !l.RateOwn {
			pilot.Variant = r.spec.Baseline
		}
		key := strings.Join([]string{pilot.Variant, pilot.Provider, fmt.Sprint(pilot.ProviderOptions), fmt.Sprint(pilot.Batch, pilot.IntraOpThreads)}, " ")
		rate, known := rates[key]
		if !known {
			var err error
			if rate, err = r.pilot(ctx, pilot, l); err != nil {
				return err
			}
			rates[key] = rate
			r.Run.Pilots = append(r.Run.Pilots, results.Pilot{Arm: fmt.Sprintf("%s.%s.b%d.t%d", pilot.Variant, pilot.Provider, pilot.Batch, pilot.IntraOpThreads), RequestsPerSecond: rate})
		}
		a.Rate = rate * l.RateShare
	}
	return nil
}

// pilot measures the closed-loop rate of an arm as a search for its capacity does, with as many requests outstanding as the load allows.
func (r *run) pilot(ctx context.Context, a results.Arm, l results.Load) (float64, error) {
	length := results.ClosedLength
	for {
		r.Observer.Note(fmt.Sprintf("pilot: closed-loop rate of %s on %s at batch %d, %v", a.Variant, a.Provider, a.Batch, length))
		rate, err := r.closedLoop(ctx, a, results.Load{Scenario: "concurrency", Concurrency: max(1, l.Concurrency), Duration: length})
		if err != nil {
			return 0, err
		}
		again := false
		if length, again = results.LongerClosed(rate, length); !again {
			return rate, nil
		}
	}
}

// closedLoop runs one such trial and keeps nothing of it but the rate.
func (r *run) closedLoop(ctx context.Context, a results.Arm, l results.Load) (float64, error) {
	c := r.assignment(child.KindTrial, a)
	c.Load = l
	c.Requests = r.dir.RunFile() + ".pilot"
	defer os.Remove(c.Requests)
	e, err := r.ask(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return 0, ErrInterrupted
		}
		return 0, err
	}
	measure, ok := e.Trial.Phase("measure")
	if e.Trial.Status != results.TrialOK || !ok || measure.Seconds() <= 0 || e.Trial.Counts.OK == 0 {
		return 0, usage("the pilot of %s measured no rate: %s", a.Variant, e.Trial.Reason)
	}
	return float64(e.Trial.Counts.OK) / measure.Seconds(), nil
}

// assignment is what a child needs to know of an arm.
func (r *run) assignment(kind string, a results.Arm) child.Config {
	return child.Config{Kind: kind, Library: r.library.Path, LibrarySHA256: r.library.SHA256, Preload: r.library.Preload, Variant: r.library.Variant, Model: r.variant(a.Variant).Model,
		Provider: backend.Provider{Name: a.Provider, Options: a.ProviderOptions}, Threads: a.IntraOpThreads, SessionConfig: a.SessionConfig,
		Batches: []int{a.Batch}, Input: r.spec.Input, Seed: r.spec.Seed, Load: r.load(a.Load), Rate: a.Rate, Warmup: r.spec.Warmup,
		Scratch: r.dir.TrialsDir()}
}

// ask runs a child that is no measured trial to its end and returns its result.
func (r *run) ask(ctx context.Context, c child.Config) (*child.Event, error) {
	p, err := start(r.Child, c)
	if err != nil {
		return nil, err
	}
	defer p.killOnDone(ctx)()
	// Quality and quantization take as long as they take; a hang there is the user's to end with Ctrl-C.
	limit := func(string) time.Duration { return 24 * time.Hour }
	if c.Kind == child.KindTrial || c.Kind == child.KindProbe {
		limit = func(phase string) time.Duration { return r.limit(phase, c) }
	}
	e, end := p.wait(ctx, limit, nil)
	switch {
	case e == nil:
		return nil, usage("%s", end.reason)
	case e.Type == child.EventError && e.Usage:
		return nil, &UsageError{errors.New(e.Error)}
	case e.Type == child.EventError:
		return nil, errors.New(e.Error)
	}
	return e, nil
}

// killOnDone kills a child when ctx ends; the returned function ends the watch.
func (p *process) killOnDone(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, p.kill)
}
