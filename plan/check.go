package plan

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"assay/results"
)

// maxBlocks keeps block numbers at three digits, as they stand in file names.
const maxBlocks = 999

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// check adds every mistake that can be seen without the machine to the source's problems.
func (e *Experiment) check() {
	if strings.ContainsFunc(e.Name, func(r rune) bool { return unicode.IsControl(r) || r == '/' }) {
		e.source.add("name", "name: %q has a slash or a control character; the run's folder carries it", e.Name)
	}
	e.checkVariants()
	e.checkCycles()
	e.checkDatasets()
	e.checkInputs()
	e.checkLoads()
	e.checkQuality()
	e.checkDesign()
	for i := range e.Gates {
		e.checkGate(i)
		e.checkGateReferences(i)
	}
}

func (e *Experiment) checkVariants() {
	s := e.source
	if len(e.Variants) == 0 && !s.has("variants") {
		s.add("", "variants: missing; name at least one, such as `fp32: {model: model.onnx}`")
	}
	for _, v := range e.Variants {
		path := "variants." + v.Name
		e.checkName(path, "variant", v.Name)
		hasModel, hasRecipe := v.Value.Model != "" || s.has(path+".model"), v.Value.Quantize != nil || s.has(path+".quantize")
		switch {
		case hasModel && hasRecipe:
			s.add(path, "variant %s: give model or quantize, not both", v.Name)
		case !hasModel && !hasRecipe:
			s.add(path, "variant %s: give the model's file, or how to quantize it", v.Name)
		}
		if from := v.Value.DistilledFrom; from != "" {
			e.reference(path+".distilled_from", "variant", from, e.Variants.Names())
		}
		if v.Value.Quantize != nil {
			e.checkQuantize(path+".quantize", v.Value.Quantize)
		}
	}
	if e.Baseline != "" {
		e.reference("baseline", "variant", e.Baseline, e.Variants.Names())
	}
}

func (e *Experiment) checkQuantize(path string, q *Quantize) {
	s := e.source
	if q.From == "" {
		s.require(path+".from", "the variant to start from")
	} else {
		e.reference(path+".from", "variant", q.From, e.Variants.Names())
	}
	if q.Scheme == "" {
		s.require(path+".scheme", "one of "+strings.Join(schemes, ", "))
	}
	if q.Scheme == "int8-static" && q.Calibration == nil && !s.has(path+".calibration") && q.Options.Ranges == nil {
		s.add(path, "%s: int8-static needs calibration: {dataset: NAME}, or options: {ranges: FILE}", path)
	}
	for _, pattern := range []struct {
		key  string
		text *string
	}{{"include", q.Options.Include}, {"exclude", q.Options.Exclude}} {
		if pattern.text == nil {
			continue
		}
		if _, err := regexp.Compile(*pattern.text); err != nil {
			s.add(path+".options."+pattern.key, "%s.options.%s: %v", path, pattern.key, err)
		}
	}
	if c := q.Calibration; c != nil {
		if c.Dataset == "" {
			s.require(path+".calibration.dataset", "a name under datasets")
			return
		}
		e.reference(path+".calibration.dataset", "dataset", c.Dataset, e.Datasets.Names())
	}
}

// checkCycles finds variants that are made from themselves. Each circle is reported once, at its first variant.
func (e *Experiment) checkCycles() {
	done := map[string]bool{}
	for _, v := range e.Variants {
		var chain []string
		for name := v.Name; !done[name]; {
			if at := slices.Index(chain, name); at >= 0 {
				circle := append(chain[at:], name)
				path := "variants." + circle[0] + ".quantize.from"
				e.source.add(path, "variant %s is made from itself: %s", circle[0], strings.Join(circle, " <- "))
				break
			}
			chain = append(chain, name)
			next, _ := e.Variants.Get(name)
			if next.Quantize == nil {
				break
			}
			name = next.Quantize.From
		}
		for _, name := range chain {
			done[name] = true
		}
	}
}

func (e *Experiment) checkDatasets() {
	s := e.source
	for _, d := range e.Datasets {
		path := "datasets." + d.Name
		e.checkName(path, "dataset", d.Name)
		if d.Value.Path == "" {
			s.require(path+".path", "an .npz file")
		} else if filepath.Ext(d.Value.Path) != ".npz" {
			s.add(path+".path", "%s.path: %q is no .npz file", path, d.Value.Path)
		}
		for i, column := range d.Value.Slices {
			if column != "" && column == d.Value.Label {
				s.add(fmt.Sprintf("%s.slices[%d]", path, i), "%s.slices: %q is the label already", path, column)
			}
		}
	}
}

func (e *Experiment) checkInputs() {
	for _, input := range slices.Sorted(maps.Keys(e.Shapes)) {
		if _, both := e.Inputs[input]; both {
			e.source.add("shapes."+input, "input %s has a value under inputs and a shape; keep one", input)
		}
	}
}

func (e *Experiment) checkLoads() {
	named := map[string]bool{}
	for i, l := range e.Load {
		path := fmt.Sprintf("load[%d]", i)
		if l.Name != "" {
			e.checkName(path+".name", "load", l.Name)
			if named[l.Name] {
				e.source.add(path+".name", "load %s is named twice", l.Name)
			}
			named[l.Name] = true
		}
		for j, v := range l.Variants {
			e.reference(fmt.Sprintf("%s.variants[%d]", path, j), "variant", v, e.Variants.Names())
		}
		for _, objective := range l.SLO {
			if _, err := objective.Value.slo(objective.Name); err != nil {
				e.source.add(path+".slo."+objective.Name, "%s.slo: %v", path, err)
			}
		}
		e.checkScenario(path, l)
		e.checkDelivery(path, l)
	}
}

// checkScenario refuses what the load's scenario has no use for.
func (e *Experiment) checkScenario(path string, l Load) {
	s := e.source
	if l.Scenario == "" {
		s.require(path+".scenario", "one of "+strings.Join(scenarios, ", "))
		return
	}
	rated := l.Rate != (Rate{}) || s.has(path+".rate")
	_, traced := l.Arrivals.Trace()
	switch {
	case l.Scenario == Server && !rated && !traced:
		s.add(path, "%s: a server load needs a rate, such as 200/s or 60%%", path)
	case l.Scenario == Server && rated && traced:
		s.add(path+".rate", "%s.rate: a trace has its own rate; leave this out", path)
	case l.Scenario != Server && rated:
		s.add(path+".rate", "%s.rate: only server loads have a rate; %s sends the next request when it can", path, l.Scenario)
	}
	if l.Scenario != Server && l.Arrivals != "" {
		s.add(path+".arrivals", "%s.arrivals: only server loads have arrivals", path)
	}
	if l.Scenario != Server && (l.Profile != "" || l.Normalize) {
		s.add(path, "%s: only server loads have a profile, or are normalized", path)
	}
	if traced && (l.Profile != "" || l.Normalize) {
		s.add(path, "%s: a trace is replayed as it is; leave profile and normalize out", path)
	}
	if l.TimeScale != 0 && !traced {
		s.add(path+".time_scale", "%s.time_scale: only traces have a time scale", path)
	}
	if l.Samples != 0 && l.Scenario != MultiStream {
		s.add(path+".samples", "%s.samples: only multi-stream loads have samples", path)
	}
	if l.Concurrency != 0 && l.Scenario != Server && l.Scenario != Concurrency {
		s.add(path+".concurrency", "%s.concurrency: only concurrency and server loads have it", path)
	}
	if l.Concurrency > maxConcurrency {
		s.add(path+".concurrency", "%s.concurrency: %d is more than %d: each request in flight keeps a thread and prepared inputs of its own; give fewer, or a server load, in which requests wait", path, l.Concurrency, maxConcurrency)
	}
	if l.Concurrency == 0 && l.Scenario == Concurrency && !s.has(path+".concurrency") {
		s.add(path, "%s: a concurrency load needs concurrency: N, the requests outstanding", path)
	}
}

// maxConcurrency bounds workers, each of which keeps a thread of the system: many thousands are refused by it, and what a machine does with
// a thousand is schedule them.
const maxConcurrency = 1024

// slo returns the objective that a name and a limit stand for: p99 is on latency.p99. A limit that could not be read was reported already.
func (o Objective) slo(name string) (results.SLO, error) {
	word := strings.TrimPrefix(name, "latency.")
	switch {
	case !slices.Contains(objectives, word):
		return results.SLO{}, fmt.Errorf("unknown quantile `%s`%s", name, suggestion(nearQuantile(word), objectives))
	case word == results.ErrorShare && o.AtMost != 0:
		return results.SLO{}, fmt.Errorf("error is a share of requests, not a time; write it like error=0.1%%")
	case word != results.ErrorShare && o.Share != 0:
		return results.SLO{}, fmt.Errorf("%s is a time, not a share; write it like %s=20ms", word, word)
	case word == results.ErrorShare:
		return results.SLO{Metric: word, Share: o.Share}, nil
	}
	return results.SLO{Metric: "latency." + word, AtMost: o.AtMost}, nil
}

// nearQuantile is the known quantile nearest to another, which its digits need not be: p98 is near p99. Other words stay as they are.
func nearQuantile(word string) string {
	percent := func(q string) (float64, bool) {
		digits, ok := strings.CutPrefix(q, "p")
		v, err := strconv.ParseFloat(digits, 64)
		return v, ok && err == nil
	}
	wanted, ok := percent(word)
	nearest, distance := word, math.Inf(1)
	for _, q := range objectives {
		if v, known := percent(q); ok && known && math.Abs(v-wanted) <= distance {
			nearest, distance = q, math.Abs(v-wanted)
		}
	}
	return nearest
}

func (e *Experiment) checkQuality() {
	if e.Quality == nil {
		return
	}
	s := e.source
	if e.Quality.Dataset == "" {
		s.require("quality.dataset", "a name under datasets")
		return
	}
	if !e.reference("quality.dataset", "dataset", e.Quality.Dataset, e.Datasets.Names()) {
		return
	}
	d, _ := e.Datasets.Get(e.Quality.Dataset)
	for i, m := range e.Quality.Metrics {
		if m != "" && m != "agreement" && d.Label == "" && !s.has("datasets."+e.Quality.Dataset+".label") {
			s.add(fmt.Sprintf("quality.metrics[%d]", i), "quality: %s needs labels, and its data set names none; add label: ARRAY", m)
		}
	}
}

func (e *Experiment) checkDesign() {
	s := e.source
	d := e.Design
	if d.Blocks > maxBlocks {
		s.add("design.blocks", "design.blocks: %d is more than %d", d.Blocks, maxBlocks)
	}
	for i, look := range d.Looks {
		if i > 0 && look <= d.Looks[i-1] && look != 0 {
			s.add(fmt.Sprintf("design.looks[%d]", i), "design.looks: must ascend, and %d follows %d", look, d.Looks[i-1])
		}
	}
	if n := len(d.Looks); n > 0 && d.Looks[n-1] != 0 && int(d.Looks[n-1]) != e.blocks() && (d.Blocks != 0 || !s.has("design.blocks")) {
		s.add("design.looks", "design.looks: the last look is at %d blocks and must be at all %d", d.Looks[n-1], e.blocks())
	}
}

func (e *Experiment) checkGateReferences(i int) {
	arm := e.Gates[i].Arm
	variant, _, _ := strings.Cut(arm, ".")
	path := fmt.Sprintf("gates[%d]", i)
	if arm != "" && e.reference(path+".arm", "variant", variant, e.Variants.Names()) {
		e.checkGateBaseline(path, i, variant)
	}
	metric, isQuality := strings.CutPrefix(e.Gates[i].Metric, "quality.")
	if !isQuality || !slices.Contains(qualityMetrics, metric) {
		return
	}
	asked := e.Quality != nil && slices.Contains(e.Quality.Metrics, QualityMetric(metric))
	if e.Quality != nil && len(e.Quality.Metrics) == 0 {
		asked = slices.Contains(defaultQualityMetrics, metric)
	}
	if !asked {
		e.source.add(path+".metric", "%s: %s is not measured; list %s under quality.metrics", path, e.Gates[i].Metric, metric)
	}
}

// checkGateBaseline refuses a gate that compares the baseline with itself.
func (e *Experiment) checkGateBaseline(path string, i int, variant string) {
	bounds := e.Gates[i].bounds()
	if len(bounds) != 1 || variant != e.baseline() {
		return
	}
	if q, err := parseBound(e.Gates[i].Metric, bounds[0].key, bounds[0].text); err == nil && q.relative {
		e.source.add(path+".arm", "%s: %s is the baseline, and %s %s compares with it", path, variant, bounds[0].key, bounds[0].text)
	}
}

func (e *Experiment) checkName(path, kind, name string) {
	if name != "" && !namePattern.MatchString(name) {
		e.source.add(path, "%s name %q: use letters, digits, _ and - only", kind, name)
	}
	if name == "" {
		e.source.add(path, "%s: the name is empty", kind)
	}
}

// reference reports whether name is one of known, and adds a problem where it is not.
func (e *Experiment) reference(path, kind, name string, known []string) bool {
	if slices.Contains(known, name) {
		return true
	}
	if name == "" && e.source.has(path) || len(known) == 0 && e.source.has(kind+"s") {
		return false // the mistake was reported where it was read
	}
	hint := suggestion(name, known)
	if len(known) == 0 {
		hint = "; none is defined"
	}
	e.source.add(path, "%s: unknown %s `%s`%s", path, kind, name, hint)
	return false
}

// require adds a problem for a key that is missing; one that is there but wrong was reported already.
func (s *source) require(path, want string) {
	if !s.has(path) {
		s.add(path, "%s: missing; give %s", path, want)
	}
}

// baseline is the variant that others are compared with.
func (e *Experiment) baseline() string {
	if e.Baseline == "" && len(e.Variants) > 0 {
		return e.Variants[0].Name
	}
	return e.Baseline
}

// The block counts that an experiment takes where it names none: ten where gates decide, five for a look around.
const (
	gateBlocks    = 10
	exploreBlocks = 5
)

func (e *Experiment) blocks() int {
	switch {
	case e.Design.Blocks > 0:
		return int(e.Design.Blocks)
	case len(e.Gates) > 0:
		return gateBlocks
	}
	return exploreBlocks
}
