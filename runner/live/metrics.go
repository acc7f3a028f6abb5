package live

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"assay/loadgen"
	"assay/results"
)

// Snapshot is what the trial in progress has done so far: cumulative over its measured window, not a difference.
type Snapshot struct {
	Arm, Variant, Provider, Load string
	Batch, Threads               int
	Phase                        string
	OK, Failed                   uint64   // failed: every request that was not answered, dropped and timed out ones too
	Buckets                      []uint64 // of latency by loadgen.BucketBounds, one more for the overflow; each counts its own range
	SumSeconds                   float64
	Late                         []uint64 // of open loads, by lateness, in the same buckets; empty otherwise
	Outstanding                  int64
}

// Build names the program.
type Build struct{ Version, GoVersion string }

// maxArms bounds the series: beyond it, arms are counted together as variant "other". 50 arms are 1900 series.
const maxArms = 50

// Metrics keeps the totals of a run and shows them as metrics. Counters never fall: a trial's counts are added to those of the trials
// before it. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	descs    map[string]*prometheus.Desc
	bounds   []float64
	build    Build
	now      func() time.Time

	mu      sync.Mutex
	name    string
	started time.Time
	pace    pace
	failed  int
	arms    map[[5]string]*counts
	current *Snapshot // of the trial in progress, nil between trials
	sensors map[string]float64
	judged  map[string]int // trials by verdict
}

// counts are cumulative.
type counts struct {
	ok, failed uint64
	buckets    []uint64
	sum        float64
	late       []uint64
}

func (c *counts) add(s *Snapshot) {
	c.ok += s.OK
	c.failed += s.Failed
	c.sum += s.SumSeconds
	for i := range min(len(c.buckets), len(s.Buckets)) {
		c.buckets[i] += s.Buckets[i]
	}
	for i := range min(len(c.late), len(s.Late)) {
		c.late[i] += s.Late[i]
	}
}

// NewMetrics returns empty metrics with a registry of their own.
func NewMetrics(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), descs: map[string]*prometheus.Desc{}, bounds: loadgen.BucketBounds(), build: b, now: time.Now,
		arms: map[[5]string]*counts{}, sensors: map[string]float64{},
		judged: map[string]int{}}
	for _, d := range Definitions() {
		m.descs[d.Name] = d.desc()
	}
	m.registry.MustRegister(m)
	return m
}

// Begin names the run, its planned trials and those that are done already.
func (m *Metrics) Begin(name string, started time.Time, planned, done int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.name, m.started = name, started
	m.pace = pace{planned: planned, done: done}
}

// TrialBegins opens a trial; its snapshot has labels and no counts yet.
func (m *Metrics) TrialBegins(s Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fold()
	m.current = &s
	m.pace.begin(m.now())
}

// Update replaces the snapshot of the trial in progress. One that counts less than the last is of another trial, which is added.
func (m *Metrics) Update(s Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.current; c != nil && (c.Arm != s.Arm || s.OK < c.OK || s.Failed < c.Failed) {
		m.fold()
	}
	s.Buckets, s.Late = slices.Clone(s.Buckets), slices.Clone(s.Late)
	m.current = &s
}

// SetPhase says which phase the trial in progress is in.
func (m *Metrics) SetPhase(phase string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		m.current.Phase = phase
	}
}

// TrialEnds adds the trial in progress to the totals, with the requests that its last snapshot had not seen yet. Sensors are forgotten:
// nothing reads them between trials.
func (m *Metrics) TrialEnds(t *results.Trial) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		m.current.OK = max(m.current.OK, uint64(t.Counts.OK))
		m.current.Failed = max(m.current.Failed, uint64(t.Counts.Failed+t.Counts.Dropped+t.Counts.Timeout))
	}
	m.fold()
	clear(m.sensors)
	m.pace.end(m.now())
	if t.Status != results.TrialOK {
		m.failed++
		return
	}
	m.judged[t.Verdict]++
}

// Sensor sets what a sensor read last, by its name in results.SensorSummary (gpu.0.power). Sensors without a metric are ignored.
func (m *Metrics) Sensor(name string, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sensors[name] = value
}

// fold adds the trial in progress to the totals.
func (m *Metrics) fold() {
	if m.current == nil {
		return
	}
	m.totals(m.current).add(m.current)
	m.current = nil
}

// totals finds the counts of a snapshot's arm.
func (m *Metrics) totals(s *Snapshot) *counts {
	key := [5]string{s.Variant, s.Provider, strconv.Itoa(s.Batch), strconv.Itoa(s.Threads), s.Load}
	if m.arms[key] == nil && len(m.arms) >= maxArms {
		key = [5]string{"other", "", "", "", ""}
	}
	if m.arms[key] == nil {
		m.arms[key] = &counts{buckets: make([]uint64, len(m.bounds)+1), late: make([]uint64, len(m.bounds)+1)}
	}
	return m.arms[key]
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range Definitions() {
		ch <- m.descs[d.Name]
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gauge := func(d Definition, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(m.descs[d.Name], prometheus.GaugeValue, v, labels...)
	}
	gauge(buildInfo, 1, m.build.Version, m.build.GoVersion)
	m.collectRun(gauge)
	m.collectRequests(ch)
	for _, name := range slices.Sorted(maps.Keys(m.sensors)) {
		gpu, rest, _ := strings.Cut(strings.TrimPrefix(name, "gpu."), ".")
		if d, ok := sensorMetrics[rest]; ok && strings.HasPrefix(name, "gpu.") {
			gauge(d, m.sensors[name], gpu)
		}
	}
}

func (m *Metrics) collectRun(gauge func(d Definition, v float64, labels ...string)) {
	if m.name == "" {
		return
	}
	gauge(runInfo, 1, m.name)
	gauge(runStart, float64(m.started.UnixMilli())/1e3)
	gauge(runTrials, float64(m.pace.planned), "planned")
	gauge(runTrials, float64(m.pace.done-m.failed), "completed")
	gauge(runTrials, float64(m.failed), "failed")
	if left, ok := m.pace.left(m.now()); ok {
		gauge(runRemaining, left.Seconds())
	}
	c := m.current
	for _, phase := range Phases {
		in := 0.0
		if c != nil && c.Phase == phase {
			in = 1
		}
		gauge(trialPhase, in, phase)
	}
	if c != nil {
		gauge(outstanding, float64(c.Outstanding))
		gauge(trialInfo, 1, c.Variant, c.Provider, strconv.Itoa(c.Batch), strconv.Itoa(c.Threads), c.Load)
	}
}

func (m *Metrics) collectRequests(ch chan<- prometheus.Metric) {
	var running *counts
	if m.current != nil {
		running = m.totals(m.current)
	}
	for key, total := range m.arms {
		sum := counts{total.ok, total.failed, slices.Clone(total.buckets), total.sum, slices.Clone(total.late)}
		if total == running {
			sum.add(m.current)
		}
		counter := func(n uint64, outcome string) {
			ch <- prometheus.MustNewConstMetric(m.descs[requestsTotal.Name], prometheus.CounterValue, float64(n), append(key[:], outcome)...)
		}
		counter(sum.ok, "ok")
		counter(sum.failed, "failed")
		m.histogram(ch, requestDuration, sum.buckets, sum.sum, key[:])
		if slices.Max(sum.late) > 0 {
			m.histogram(ch, issueLateness, sum.late, math.NaN(), key[:])
		}
	}
	for _, v := range []string{results.Valid, results.Suspect, results.Invalid} {
		ch <- prometheus.MustNewConstMetric(m.descs[trialVerdicts.Name], prometheus.CounterValue, float64(m.judged[v]), v)
	}
}

// histogram shows counts of buckets, each of its own range.
func (m *Metrics) histogram(ch chan<- prometheus.Metric, d Definition, buckets []uint64, sum float64, labels []string) {
	cumulative, n := make(map[float64]uint64, len(m.bounds)), uint64(0)
	for i, bound := range m.bounds {
		n += buckets[i]
		cumulative[bound] = n
	}
	n += buckets[len(m.bounds)]
	ch <- prometheus.MustNewConstHistogram(m.descs[d.Name], n, sum, cumulative, labels...)
}
