package plan

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"assay/results"
)

// Host is what the expansion needs to know of the machine.
type Host struct {
	Cores   int    // that this process may use
	BaseDir string // what relative paths are relative to first: the experiment file's folder; the working directory where ""
}

// The defaults of an experiment.
const (
	defaultSeed        = 1
	defaultDuration    = 2 * time.Second
	defaultWarmup      = 500 * time.Millisecond
	defaultSampleEvery = 100 * time.Millisecond
	defaultSamples     = 8 // of a multi-stream query, as in MLPerf
	maxTrials          = 100_000
)

// Untimed is the longest window of a load whose length is not given: one that is bounded by its requests, or by its trace.
const Untimed = 10 * time.Minute

// Resolve fills defaults, finds the files and expands the sweep to arms and blocks. The error is an *Error listing every mistake: missing
// files, gates on arms that do not exist, a budget that is too small.
func (e *Experiment) Resolve(h Host) (*results.Spec, error) {
	if e.source == nil {
		return nil, errNoExperiment
	}
	s := newSource(e.source.file)
	s.positions = e.source.positions
	r := &resolver{Experiment: e, host: h, source: s}
	spec := r.spec()
	if err := s.err(); err != nil {
		return nil, err
	}
	return spec, nil
}

type resolver struct {
	*Experiment
	host   Host
	source *source // shadows the experiment's, whose problems were reported by Parse
}

func (r *resolver) spec() *results.Spec {
	spec := &results.Spec{
		Name:         cmp.Or(r.Name, r.fileStem()),
		Hypothesis:   r.Hypothesis,
		Seed:         defaultSeed,
		Baseline:     r.baseline(),
		Blocks:       r.blocks(),
		Warmup:       defaultWarmup,
		SampleEvery:  cmp.Or(time.Duration(r.Sample), defaultSampleEvery),
		TrialTimeout: time.Duration(r.Design.TrialTimeout),
		Gates:        r.resolveGates(),
		Fast:         r.Fast,
		Budget:       time.Duration(r.Budget.Time),
	}
	if r.Seed != nil {
		spec.Seed = *r.Seed
	}
	if r.Design.Warmup != nil {
		spec.Warmup = time.Duration(*r.Design.Warmup)
	}
	spec.Looks = r.looks(spec.Blocks)
	if until := r.Design.Until; until != "" && until != mlperf {
		spec.Until, _ = parsePrecision(string(until))
	}
	r.files(spec)
	loads := r.loads(spec)
	spec.Arms = r.arms(loads)
	r.checkArms(spec)
	if trials := len(spec.Arms) * spec.Blocks; trials > maxTrials {
		r.source.add("design.blocks", "%d arms in %d blocks are %d trials, and %d is the most", len(spec.Arms), spec.Blocks, trials, maxTrials)
		return spec
	}
	spec.Order = blockOrders(spec.Seed, spec.Blocks, spec.Arms)
	r.checkBudget(spec)
	return spec
}

func (r *resolver) fileStem() string {
	base := filepath.Base(r.source.file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// files finds every file that the experiment names.
func (r *resolver) files(spec *results.Spec) {
	for _, v := range r.Variants {
		path := "variants." + v.Name
		variant := results.Variant{Name: v.Name, DistilledFrom: v.Value.DistilledFrom}
		if v.Value.Model != "" {
			variant.Model = r.find(path+".model", v.Value.Model)
		}
		if q := v.Value.Quantize; q != nil {
			variant.Quantize = r.recipe(path+".quantize", q)
		}
		spec.Variants = append(spec.Variants, variant)
	}
	for _, d := range r.Datasets {
		spec.Datasets = append(spec.Datasets, results.Dataset{Name: d.Name, Path: r.find("datasets."+d.Name+".path", d.Value.Path),
			Inputs: d.Value.Inputs, Label: d.Value.Label, Slices: d.Value.Slices})
	}
	if q := r.Quality; q != nil {
		spec.Quality = &results.Quality{Dataset: q.Dataset, Metrics: r.qualityMetrics()}
	}
	spec.Input = r.input(spec.Datasets)
}

func (r *resolver) qualityMetrics() []string {
	var names []string
	for _, m := range r.Quality.Metrics {
		names = append(names, string(m))
	}
	if d, _ := r.Datasets.Get(r.Quality.Dataset); len(names) == 0 && d.Label == "" {
		return []string{"agreement"}
	} else if len(names) == 0 {
		return slices.Clone(defaultQualityMetrics)
	}
	return names
}

func (r *resolver) recipe(path string, q *Quantize) *results.QuantizeRecipe {
	recipe := &results.QuantizeRecipe{From: q.From, Scheme: string(q.Scheme), Options: q.Options.set()}
	for _, key := range []string{"ranges", "overrides"} {
		if file, ok := recipe.Options[key].(string); ok {
			recipe.Options[key] = r.find(path+".options."+key, file)
		}
	}
	if c := q.Calibration; c != nil {
		recipe.Calibration = &results.Calibration{Dataset: c.Dataset, Method: cmp.Or(string(c.Method), "minmax"), Examples: int(c.Examples)}
	}
	return recipe
}

// set returns the options that were given, by their flags' names: strings, bools, numbers and lists of strings; nil where there are none.
func (o QuantizeOptions) set() map[string]any {
	m := map[string]any{}
	v := reflect.ValueOf(o)
	for i := range v.NumField() {
		field := v.Field(i)
		if field.IsNil() {
			continue
		}
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if field.Kind() == reflect.Slice {
			m[name] = field.Interface()
			continue
		}
		switch value := field.Elem(); value.Kind() {
		case reflect.String:
			m[name] = value.String()
		case reflect.Bool:
			m[name] = value.Bool()
		case reflect.Float64:
			m[name] = value.Float()
		default:
			m[name] = value.Int()
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// input says where requests' inputs come from: the data that is named; else the quality data set, because real examples are better than
// generated ones; else nothing, and inputs are generated.
func (r *resolver) input(datasets []results.Dataset) results.Input {
	in := results.Input{Arrays: r.Arrays, Values: map[string]string{}}
	r.shapesOf(&in)
	for _, name := range slices.Sorted(maps.Keys(r.Inputs)) {
		in.Values[name] = r.Inputs[name]
		if filepath.Ext(r.Inputs[name]) == ".npy" {
			in.Values[name] = r.find("inputs."+name, r.Inputs[name])
		}
	}
	data := r.Data
	if data == "" && r.Quality != nil && len(r.Inputs) == 0 && len(r.Shapes) == 0 {
		data = r.Quality.Dataset
	}
	for _, d := range datasets {
		if d.Name != data {
			continue
		}
		in.Data = d.Path
		if len(in.Arrays) == 0 {
			in.Arrays = d.Inputs
		}
		return in
	}
	if data != "" {
		in.Data = r.find("data", data)
	}
	return in
}

// find returns the absolute path of a file: relative to the base directory, or else to the working directory. One that is in neither is a
// problem at path.
func (r *resolver) find(path, file string) string {
	if file == "" {
		return ""
	}
	candidates := []string{filepath.Join(r.host.BaseDir, file), file}
	if filepath.IsAbs(file) {
		candidates = candidates[1:]
	}
	for _, candidate := range candidates {
		abs, err := filepath.Abs(candidate)
		if err != nil {
			r.source.add(path, "%s: %v", file, err)
			return ""
		}
		if _, err := os.Stat(abs); err == nil {
			return abs
		} else if !os.IsNotExist(err) {
			r.source.add(path, "%s: %v", file, reason(err))
			return ""
		}
	}
	switch {
	case filepath.IsAbs(file) || r.host.BaseDir == "":
		r.source.add(path, "%s: no such file", file)
	default:
		r.source.add(path, "%s: no such file, neither beside the experiment nor in the working directory", file)
	}
	return ""
}

// reason leaves out the name of the file, which the message carries already.
func reason(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// load is a load with what it is run with.
type load struct {
	results.Load
	variants []string
	provider []Provider
	batch    []Count
	threads  []Count
}

func (r *resolver) loads(spec *results.Spec) []load {
	given := r.Load
	if len(given) == 0 {
		given = []Load{{Scenario: SingleStream}}
	}
	taken := map[string]bool{}
	for _, l := range given {
		taken[l.Name] = true
	}
	var loads []load
	for i, l := range given {
		name := l.Name
		if name == "" {
			name = unused(taken, autoName(l))
		}
		resolved := r.load(fmt.Sprintf("load[%d]", i), name, l)
		loads = append(loads, resolved)
		spec.Loads = append(spec.Loads, resolved.Load)
		for _, objective := range l.SLO {
			slo, _ := objective.Value.slo(objective.Name)
			slo.Load = name
			spec.SLOs = append(spec.SLOs, slo)
		}
	}
	return loads
}

func (r *resolver) load(path, name string, l Load) load {
	out := load{
		Load: results.Load{Name: name, Scenario: string(l.Scenario), Arrivals: string(l.Arrivals), Rate: l.Rate.PerSecond,
			Profile: string(l.Profile), Normalize: l.Normalize, TimeScale: float64(l.TimeScale),
			RateShare: l.Rate.Share, RateOwn: l.Rate.Own, Concurrency: int(l.Concurrency), Samples: int(l.Samples),
			Duration: time.Duration(l.Duration), Requests: int(l.Requests), Timeout: time.Duration(l.Timeout), Sampling: string(l.Sampling),
			StopOverloaded: l.OnOverload == stopOnOverload,
			SessionConfig:  l.entries()},
		variants: l.Variants,
		provider: firstGiven(l.Provider, r.Sweep.Provider, []Provider{{Name: "cpu"}}),
		batch:    firstGiven(l.Batch, r.Sweep.Batch, []Count{1}),
		threads:  firstGiven(l.Threads, r.Sweep.Threads, []Count{Count(max(1, r.host.Cores-1))}),
	}
	if len(out.variants) == 0 {
		out.variants = r.Variants.Names()
	}
	switch {
	case out.Duration == 0 && (out.Requests > 0 || isTrace(l.Arrivals)):
		out.Duration = Untimed
	case out.Duration == 0:
		out.Duration = defaultDuration
	}
	if r.ruleOf(l) == mlperf {
		stopByMLPerf(&out.Load, l.Scenario, l, int(slices.Max(out.batch)))
	}
	if b := l.Batching; b != nil {
		out.BatchMax, out.BatchDelay = int(b.Max), time.Duration(b.Delay)
	}
	if l.Scenario == Server && out.Arrivals == "" {
		out.Arrivals = "poisson"
	}
	if l.Scenario == MultiStream && out.Samples == 0 {
		out.Samples = defaultSamples
	}
	if file, ok := l.Arrivals.Trace(); ok {
		out.Arrivals = "trace:" + r.find(path+".arrivals", file)
	}
	return out
}

func isTrace(a Arrivals) bool {
	_, ok := a.Trace()
	return ok
}

func firstGiven[T any](lists ...[]T) []T {
	for _, l := range lists {
		if len(l) > 0 {
			return l
		}
	}
	return nil
}

// autoName names a load by its scenario, and by what else it was asked for: single-stream, server-200, server-60pct, concurrency-4,
// server-200-batch8.
func autoName(l Load) string {
	name := scenarioName(l)
	if l.Batching != nil {
		name += fmt.Sprintf("-batch%d", l.Batching.Max)
	}
	if l.Sampling != "" && l.Sampling != "in-turn" {
		name += "-" + string(l.Sampling)
	}
	if l.Spinning != "" {
		name += "-spin-" + string(l.Spinning)
	}
	return name
}

func scenarioName(l Load) string {
	name := string(l.Scenario)
	switch {
	case l.Scenario == Concurrency:
		return fmt.Sprintf("%s-%d", name, l.Concurrency)
	case l.Rate.Share > 0 && l.Rate.Own:
		return name + "-" + formatNumber(l.Rate.Share*100) + "pct-own"
	case l.Rate.Share > 0:
		return name + "-" + formatNumber(l.Rate.Share*100) + "pct"
	case l.Rate.PerSecond > 0:
		return name + "-" + formatNumber(l.Rate.PerSecond)
	}
	return name
}
