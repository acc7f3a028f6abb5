package plan

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bench is what the flags of `assay bench` say, as they were given. Zero values stand for the defaults: single-stream for 2 s after 500 ms of
// warm-up, 5 blocks, provider cpu, batch 1, one thread less than the cores, seed 1.
type Bench struct {
	Name        string   // of the run; default: the first variant's
	Models      []string // FILE or NAME=FILE; the first is the baseline
	Providers   []string
	Batches     []int
	Threads     []int
	Scenarios   []string
	Rates       []string // server: 200/s, 60%, 60%own
	Arrivals    string   // server
	Profile     string   // server
	TimeScale   string   // server, traces
	Normalize   bool     // server
	Concurrency []int    // concurrency: outstanding; server: the most in flight
	Samples     int      // multi-stream: of a query
	Duration    time.Duration
	Until       string         // ci=2%, ci=2%:latency.p99 or mlperf
	Looks       []int          // block counts at which the run may stop
	Timeout     time.Duration  // of a request
	Sampling    []string       // of inputs
	Batching    string         // server: max=8,delay=2ms
	OnOverload  string         // server: stop, continue
	Spinning    []string       // on, off
	Requests    int            // alone it bounds the window in place of the default duration
	Warmup      *time.Duration // nil for the default, because 0 is a choice
	Blocks      int
	Seed        *uint64  // nil for the default, because 0 is a choice
	SLOs        []string // p99=20ms

	Data          string
	Inputs        []string // NAME=FILE.npy or NAME=VALUE
	Dims          []string // NAME=N
	Shapes        []string // INPUT=1,3,224,224
	SessionConfig []string // KEY=VALUE

	Dataset string // a labelled .npz file, for quality
	Label   string
	Metrics []string

	SampleEvery  time.Duration
	TrialTimeout time.Duration
	Fast         bool // one short block: a look, never a verdict
}

// What --fast measures, where durations are not given.
const (
	fastDuration = 300 * time.Millisecond
	fastWarmup   = 100 * time.Millisecond
)

// benchDataset is the name of the data set that --dataset gives.
const benchDataset = "dataset"

// Experiment returns the experiment that the flags stand for. The error is an *Error that lists every mistake, each naming its flag.
func (b Bench) Experiment() (*Experiment, error) {
	r := &benchReader{source: newSource("")}
	e := &Experiment{Name: b.Name, Seed: b.Seed, Fast: b.Fast, source: r.source}
	e.Variants = r.variants(b.Models)
	if e.Name == "" && len(e.Variants) > 0 {
		e.Name = e.Variants[0].Name
	}
	readEach(r, "--provider", b.Providers, &e.Sweep.Provider)
	e.Sweep.Batch = r.counts("--batch", b.Batches)
	e.Sweep.Threads = r.counts("--intra-op-threads", b.Threads)
	e.Load = r.loads(b)
	e.Data = b.Data
	e.Inputs = r.pairs("--input", "NAME=FILE.npy or NAME=VALUE", b.Inputs)
	e.Config = r.pairs("--session-config", "KEY=VALUE", b.SessionConfig)
	e.Dims = r.dims(b.Dims)
	e.Shapes = r.shapes(b.Shapes)
	r.quality(e, b)
	e.Design.Blocks = r.count("--blocks", b.Blocks)
	e.Design.Looks = r.counts("--looks", b.Looks)
	if b.Until != "" {
		r.read("--until", b.Until, &e.Design.Until)
	}
	e.Design.TrialTimeout = r.duration("--trial-timeout", b.TrialTimeout)
	e.Sample = r.duration("--sample-every", b.SampleEvery)
	if b.Warmup != nil {
		w := Wait(*b.Warmup)
		e.Design.Warmup = &w
		if w < 0 {
			r.add("", "--warmup: %s is negative", *b.Warmup)
		}
	}
	if b.Fast {
		e.Design.Blocks = 1
		if b.Warmup == nil {
			w := Wait(fastWarmup)
			e.Design.Warmup = &w
		}
	}
	e.check()
	r.nameFlags()
	if err := r.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// benchReader reads flags' texts and collects the mistakes in them.
type benchReader struct{ *source }

// variants names each model: NAME=FILE as it says, else the file's name without .onnx, other characters than [A-Za-z0-9_-] as `-`;
// repeats get -2, -3 and so on.
func (r *benchReader) variants(models []string) Map[Variant] {
	var m Map[Variant]
	taken := map[string]bool{}
	for _, model := range models {
		if name, _, ok := cutNamed(model); ok {
			if taken[name] {
				r.add("", "two models are named %s", name)
			}
			taken[name] = true
		}
	}
	for _, model := range models {
		name, file, given := cutNamed(model)
		if !given {
			name = unused(taken, variantName(file))
		}
		if file == "" {
			r.add("", "model %q: no file is given", model)
			continue
		}
		m = append(m, Entry[Variant]{Name: name, Value: Variant{Model: file}})
	}
	if len(models) == 0 {
		r.add("", "no model is given; write `assay bench model.onnx`")
	}
	r.positions["variants"] = position{} // so that models which could not be read are not called missing as well
	return m
}

// cutNamed splits NAME=FILE; a text whose part before `=` could be no name is a file.
func cutNamed(model string) (name, file string, ok bool) {
	name, file, ok = strings.Cut(model, "=")
	if !ok || !namePattern.MatchString(name) {
		return "", model, false
	}
	return name, file, true
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

func variantName(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), ".onnx")
	return cmp.Or(notInName.ReplaceAllString(name, "-"), "model")
}

// unused returns name, or name-2, name-3 and so on where it is taken, and takes it.
func unused(taken map[string]bool, name string) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

// loads makes one load of each scenario, or one for each of its rates or concurrencies.
func (r *benchReader) loads(b Bench) []Load {
	base := Load{
		Duration: r.duration("--duration", b.Duration), Requests: r.count("--requests", b.Requests),
		Samples: r.count("--samples", b.Samples), SLO: r.objectives(b.SLOs),
	}
	if b.Fast && base.Duration == 0 {
		base.Duration = Duration(fastDuration)
	}
	if b.Arrivals != "" {
		r.read("--arrivals", b.Arrivals, &base.Arrivals)
	}
	if b.Profile != "" {
		r.read("--profile", b.Profile, &base.Profile)
	}
	if b.TimeScale != "" {
		r.read("--time-scale", b.TimeScale, &base.TimeScale)
	}
	if b.Batching != "" {
		base.Batching = &Batching{}
		r.read("--batching", b.Batching, base.Batching)
	}
	if b.OnOverload != "" {
		r.read("--on-overload", b.OnOverload, &base.OnOverload)
	}
	base.Timeout = r.duration("--timeout", b.Timeout)
	base.Normalize = b.Normalize
	var kinds []Scenario
	readEach(r, "--scenario", b.Scenarios, &kinds)
	if len(b.Scenarios) == 0 {
		kinds = []Scenario{SingleStream}
	}
	var rates []Rate
	readEach(r, "--rate", b.Rates, &rates)
	concurrency := r.counts("--concurrency", b.Concurrency)

	var loads []Load
	for _, kind := range kinds {
		if kind == "" {
			continue // a word that is no scenario
		}
		l := base
		l.Scenario = kind
		if !slices.Contains(kinds, Server) || kind == Server {
			loads = append(loads, variations(l, rates, concurrency)...)
			continue
		}
		l.Arrivals, l.Profile, l.Normalize, l.TimeScale, l.Batching, l.OnOverload = "", "", false, 0, nil, "" // meant for the server load beside this one
		loads = append(loads, variations(l, nil, concurrency)...)
	}
	loads = r.dropForeign(loads)
	for i, l := range loads {
		if l.Scenario == Server && len(b.Rates) > 0 && l.Rate == (Rate{}) {
			r.positions[fmt.Sprintf("load[%d].rate", i)] = position{} // it was given and could not be read, which has been said
		}
	}
	return r.deliveries(loads, b)
}

// deliveries combines every load with each sampling and each way of waiting.
func (r *benchReader) deliveries(loads []Load, b Bench) []Load {
	samplings, spinnings := []Sampling{""}, []Spinning{""}
	if len(b.Sampling) > 0 {
		samplings = nil
		readEach(r, "--sampling", b.Sampling, &samplings)
	}
	if len(b.Spinning) > 0 {
		spinnings = nil
		readEach(r, "--spinning", b.Spinning, &spinnings)
	}
	var out []Load
	for _, l := range loads {
		for _, l.Sampling = range samplings {
			for _, l.Spinning = range spinnings {
				out = append(out, l)
			}
		}
	}
	return out
}

// variations combines a load with every rate and concurrency.
func variations(l Load, rates []Rate, concurrency []Count) []Load {
	if len(rates) == 0 {
		rates = []Rate{{}}
	}
	if len(concurrency) == 0 {
		concurrency = []Count{0}
	}
	var loads []Load
	for _, rate := range rates {
		for _, n := range concurrency {
			l.Rate, l.Concurrency = rate, n
			loads = append(loads, l)
		}
	}
	return loads
}

// dropForeign takes a concurrency or a number of samples from loads that have no use for it, where another load of the list has.
func (r *benchReader) dropForeign(loads []Load) []Load {
	var outstanding, sampled bool
	for _, l := range loads {
		outstanding = outstanding || l.Scenario == Concurrency || l.Scenario == Server
		sampled = sampled || l.Scenario == MultiStream
	}
	var kept []Load
	seen := map[string]bool{}
	for _, l := range loads {
		if outstanding && l.Scenario != Concurrency && l.Scenario != Server {
			l.Concurrency = 0
		}
		if sampled && l.Scenario != MultiStream {
			l.Samples = 0
		}
		key := fmt.Sprintf("%s %s %d %d", l.Scenario, l.Rate, l.Concurrency, l.Samples)
		if !seen[key] {
			kept = append(kept, l)
		}
		seen[key] = true
	}
	return kept
}

func (r *benchReader) objectives(slos []string) SLO {
	var m SLO
	for _, text := range slos {
		name, limit, ok := strings.Cut(text, "=")
		if !ok {
			r.add("", "--slo: %q is not QUANTILE=TIME, such as p99=20ms", text)
			continue
		}
		var o Objective
		r.read("--slo "+name, limit, &o)
		if _, twice := m.Get(name); twice {
			r.add("", "--slo: %s is given twice", name)
			continue
		}
		m = append(m, Entry[Objective]{Name: name, Value: o})
	}
	return m
}

func (r *benchReader) quality(e *Experiment, b Bench) {
	if b.Dataset == "" {
		if b.Label != "" || len(b.Metrics) > 0 {
			r.add("", "--label and --metrics need --dataset FILE.npz")
		}
		return
	}
	e.Datasets = Map[Dataset]{{Name: benchDataset, Value: Dataset{Path: b.Dataset, Label: b.Label}}}
	e.Quality = &Quality{Dataset: benchDataset}
	readEach(r, "--metrics", b.Metrics, &e.Quality.Metrics)
}

// dims reads NAME=N; a name that is given again adds a size that is taken in turn.
func (r *benchReader) dims(texts []string) map[string]Turns {
	m := map[string]Turns{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			r.add("", "--dim: %q is not NAME=N", text)
			continue
		}
		var size Size
		r.read("--dim "+name, value, &size)
		m[name] = append(m[name], size)
	}
	return m
}

// shapes reads INPUT=1,3,224,224; an input that is given again has a further shape that is taken in turn.
func (r *benchReader) shapes(texts []string) map[string]Shapes {
	m := map[string]Shapes{}
	for _, text := range texts {
		input, value, ok := strings.Cut(text, "=")
		if !ok || input == "" {
			r.add("", "--shape: %q is not INPUT=1,3,224,224", text)
			continue
		}
		shape := Sizes{}
		if value != "" && value != "scalar" {
			readEach(r, "--shape "+input, strings.Split(value, ","), &shape)
		}
		m[input] = append(m[input], shape)
	}
	return m
}

// pairs reads KEY=VALUE texts; the last `=` before no value counts for nothing, so a key may not hold one.
func (r *benchReader) pairs(flag, form string, texts []string) map[string]string {
	m := map[string]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			r.add("", "%s: %q is not %s", flag, text, form)
			continue
		}
		if _, twice := m[key]; twice {
			r.add("", "%s: %s is given twice", flag, key)
			continue
		}
		m[key] = value
	}
	return m
}

func (r *benchReader) counts(flag string, values []int) []Count {
	var counts []Count
	for _, v := range values {
		var c Count
		r.read(flag, strconv.Itoa(v), &c)
		counts = append(counts, c)
	}
	return counts
}

func (r *benchReader) count(flag string, v int) (c Count) {
	if v != 0 {
		r.read(flag, strconv.Itoa(v), &c)
	}
	return c
}

func (r *benchReader) duration(flag string, v time.Duration) (d Duration) {
	if v != 0 {
		r.read(flag, v.String(), &d)
	}
	return d
}

func (r *benchReader) read(flag, text string, target interface{ UnmarshalText([]byte) error }) {
	if err := target.UnmarshalText([]byte(text)); err != nil {
		r.add("", "%s: %v", flag, err)
	}
}

// readEach appends what each text stands for to list.
func readEach[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](r *benchReader, flag string, texts []string, list *[]T) {
	for _, text := range texts {
		var v T
		r.read(flag, text, P(&v))
		*list = append(*list, v)
	}
}

// flagPlaces are the places in an experiment that mistakes name, and the flags that bench has for them.
var flagPlaces = []struct {
	place *regexp.Regexp
	flag  string
}{
	{regexp.MustCompile(`\bload\[\d+\]\.([a-z]+)_([a-z]+)`), "--$1-$2"},
	{regexp.MustCompile(`\bload\[\d+\]\.([a-z]+)`), "--$1"},
	{regexp.MustCompile(`\bload\[\d+\]`), "--scenario"},
	{regexp.MustCompile(`\bdesign\.([a-z]+)`), "--$1"},
	{regexp.MustCompile(`^datasets\.dataset\.path`), "--dataset"},
	{regexp.MustCompile(`^quality: `), "--metrics: "},
	{regexp.MustCompile(`add label: ARRAY`), "add --label ARRAY"},
}

// nameFlags replaces places in an experiment by the flags that they came from.
func (r *benchReader) nameFlags() {
	for i := range r.problems {
		for _, p := range flagPlaces {
			r.problems[i].Msg = p.place.ReplaceAllString(r.problems[i].Msg, p.flag)
		}
	}
}

var errNoExperiment = errors.New("plan: the experiment was not made by Parse or Bench.Experiment")
