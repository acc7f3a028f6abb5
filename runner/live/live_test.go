package live

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"assay/loadgen"
	"assay/results"
	"assay/runner"
	"assay/runner/child"
)

var _ runner.Observer = (*Observer)(nil)

func arm(variant string) results.Arm {
	return results.Arm{Name: variant + ".cpu.b1.t1.x", Variant: variant, Provider: "cpu", Batch: 1, IntraOpThreads: 1, Load: "x"}
}

func snapshot(variant string, ok, failed uint64) Snapshot {
	s := snapshotOf(arm(variant))
	s.Phase, s.OK, s.Failed, s.SumSeconds = "measure", ok, failed, float64(ok)*0.001
	s.Buckets = make([]uint64, loadgen.HistogramBuckets+1)
	s.Buckets[10] = ok
	s.Late, s.Outstanding = slices.Clone(s.Buckets), 3
	return s
}

func ended(status string, ok int) *results.Trial {
	return &results.Trial{Status: status, Verdict: results.Valid, Counts: results.Counts{OK: ok}}
}

// populated has every metric that a server can show.
func populated() *Metrics {
	m := NewMetrics(Build{"v1", "go1"})
	m.now = func() time.Time { return time.Unix(100, 0) }
	m.Begin("digits", time.Unix(50, 0), 4, 0)
	m.TrialBegins(snapshotOf(arm("fp32")))
	m.now = func() time.Time { return time.Unix(110, 0) }
	m.TrialEnds(ended(results.TrialOK, 7))
	m.TrialBegins(snapshotOf(arm("int8")))
	m.Update(snapshot("int8", 5, 1))
	for name, v := range map[string]float64{"gpu.0.power": 71.5, "gpu.0.memory.used": 1e9, "gpu.0.utilization": 0.5, "gpu.0.temperature": 60, "host.steal": 0.1} {
		m.Sensor(name, v)
	}
	return m
}

func TestEveryDefinitionIsShownAndClean(t *testing.T) {
	m := populated()
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		got = append(got, fmt.Sprint(f.GetName(), strings.ToLower(f.GetType().String()), labels))
	}
	for _, d := range Definitions() {
		labels := slices.Clone(d.Labels)
		slices.Sort(labels)
		want = append(want, fmt.Sprint(d.Name, d.Type, labels))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("shown:\n%v\ndefined:\n%v", got, want)
	}
}

func value(t *testing.T, m *Metrics, name string, labels ...string) float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, s := range f.GetMetric() {
			var has []string
			for _, l := range s.GetLabel() {
				has = append(has, l.GetName()+"="+l.GetValue())
			}
			if slices.ContainsFunc(labels, func(want string) bool { return !slices.Contains(has, want) }) {
				continue
			}
			if h := s.GetHistogram(); h != nil {
				return float64(h.GetSampleCount())
			}
			return s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
	}
	return -1
}

func TestCountersNeverFall(t *testing.T) {
	m := NewMetrics(Build{})
	last := 0.0
	check := func(want float64) {
		t.Helper()
		got := value(t, m, "assay_requests_total", "variant=int8", "outcome=ok")
		if got < last {
			t.Errorf("fell from %v to %v", last, got)
		}
		if got != want {
			t.Errorf("%v requests, want %v", got, want)
		}
		last = got
	}
	m.TrialBegins(snapshotOf(arm("int8")))
	m.Update(snapshot("int8", 10, 0))
	check(10)
	m.Update(snapshot("int8", 25, 2))
	check(25)
	m.TrialEnds(ended(results.TrialOK, 27)) // two more after the last snapshot
	check(27)
	m.TrialBegins(snapshotOf(arm("int8")))
	check(27)
	m.Update(snapshot("int8", 3, 0))
	check(30)
	m.Update(snapshot("int8", 1, 0)) // a trial whose beginning was not told
	check(31)
	if got := value(t, m, "assay_request_duration_seconds", "variant=int8"); got != 29 {
		t.Errorf("the histogram has %v requests, want the 29 that snapshots had", got)
	}
	if got := value(t, m, "assay_requests_total", "variant=int8", "outcome=failed"); got != 2 {
		t.Errorf("%v failed, want 2", got)
	}
}

func TestSensorsVanishWithTheirTrial(t *testing.T) {
	m := populated()
	if got := value(t, m, "assay_gpu_power_watts", "gpu=0"); got != 71.5 {
		t.Errorf("power %v", got)
	}
	m.TrialEnds(ended(results.TrialFailed, 0))
	if got := value(t, m, "assay_gpu_power_watts"); got != -1 {
		t.Errorf("power %v is still shown after the trial", got)
	}
	if got := value(t, m, "assay_run_trials", "state=failed"); got != 1 {
		t.Errorf("%v failed trials", got)
	}
}

func TestArmsAreBounded(t *testing.T) {
	m := NewMetrics(Build{})
	for i := range 3 * maxArms {
		m.TrialBegins(snapshotOf(arm(fmt.Sprint("v", i))))
		m.Update(snapshot(fmt.Sprint("v", i), 1, 0))
		m.TrialEnds(ended(results.TrialOK, 1))
	}
	if n := testutil.CollectAndCount(m, "assay_requests_total"); n > 2*(maxArms+1) {
		t.Errorf("%d series", n)
	}
	if got := value(t, m, "assay_requests_total", "variant=other", "outcome=ok"); got != 2*maxArms {
		t.Errorf("%v requests of other arms, want %d", got, 2*maxArms)
	}
}

func TestServer(t *testing.T) {
	s, err := Listen("127.0.0.1:0", populated())
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get("http://" + s.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	for _, want := range []string{
		`assay_requests_total{batch="1",load="x",outcome="ok",provider="cpu",threads="1",variant="fp32"} 7`,
		`assay_request_duration_seconds_bucket{batch="1",load="x",provider="cpu",threads="1",variant="int8",le="1e-05"} 0`,
		`assay_trial_phase{phase="measure"} 1`,
		`assay_run_remaining_seconds 30`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if _, err := Listen(s.Addr().String(), NewMetrics(Build{})); err == nil || !strings.Contains(err.Error(), "--metrics-listen") {
		t.Errorf("the address is taken, but %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + s.Addr().String() + "/metrics"); err == nil {
		t.Error("answers after Close")
	}
}

// story runs an observer through two trials: one of 20 s, of which the first second is told, and one that fails.
func story(o *Observer, now *time.Time) {
	run := &results.Run{Name: "digits", Started: *now, Resolved: results.Spec{Order: [][]string{{"a", "b"}}, Warmup: time.Second,
		Loads: []results.Load{{Name: "x", Duration: 18500 * time.Millisecond}}, Arms: []results.Arm{arm("int8"), arm("student")}}}
	tick := func(d time.Duration) { *now = now.Add(d) }
	o.Note("quantizing int8")
	o.Begin(run, 0)
	o.TrialBegins(0, 0, arm("int8"))
	o.TrialEvent(arm("int8"), child.Event{Type: child.EventPhase, Phase: "session"})
	for i := range 11 {
		tick(100 * time.Millisecond)
		l := &loadgen.Progress{Phase: "measure", OK: uint64(i * 100), SumSeconds: 1, NS: int64(i) * 100e6, Outstanding: 4, P50: 870e-6, P99: 1.1e-3, LateP99: 41e-6}
		l.Buckets[10], l.Late[3] = l.OK, l.OK
		o.TrialEvent(arm("int8"), child.Event{Type: child.EventProgress, Progress: l})
	}
	tick(18900 * time.Millisecond)
	o.TrialEnds(0, arm("int8"), &results.Trial{Status: results.TrialOK, Verdict: results.Suspect, Counts: results.Counts{OK: 1000, Dropped: 2}, Phases: []results.Phase{{Name: "measure", EndNS: 5e9}}})
	o.TrialBegins(0, 1, arm("student"))
	tick(3 * time.Second)
	o.TrialEnds(0, arm("student"), &results.Trial{Status: results.TrialOOM, Reason: "the kernel killed it\x1b[2J for memory"})
	o.Progress.Close()
}

func TestProgressInALog(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	story(&Observer{Progress: NewProgress(&out, ProgressOptions{Now: func() time.Time { return now }})}, &now)
	want := `quantizing int8
trial 1/2, block 1/1, int8.cpu.b1.t1.x: 1000 requests in 5.0 s, p50 870us, p99 1.1ms, 2 lost, suspect, about 20s left
trial 2/2, block 1/1, student.cpu.b1.t1.x: oom: the kernel killed it [2J for memory
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestALongTrialIsAliveInALog: a line twice a minute, none in the first half.
func TestALongTrialIsAliveInALog(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := NewProgress(&out, ProgressOptions{Now: func() time.Time { return now }})
	p.Begin(1, 1, 0, 0)
	p.TrialBegins(0, "a")
	for i := range 150 {
		now = now.Add(500 * time.Millisecond)
		p.Load(&loadgen.Progress{Phase: "measure", OK: uint64(100 * i), NS: int64(i) * 500e6})
	}
	want := "block 1/1  trial 1/1  a  measure  5900 measured  200/s  0 in flight\nblock 1/1  trial 1/1  a  measure  11900 measured  200/s  0 in flight\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
}

func TestProgressOnATerminal(t *testing.T) {
	for width, last := range map[int]string{
		0:   "trial 1/2  int8.cpu.b1.t1.x  measure  1000/s  p99 1.1ms  about 40s left",
		140: "block 1/1  trial 1/2  int8.cpu.b1.t1.x  measure  900 measured  1000/s  4 in flight  p50 870us  p99 1.1ms  late p99 41us  about 40s left",
		60:  "trial 1/2  measure  1000/s  p99 1.1ms  about 40s left",
		30:  "1000/s  p99 1.1ms",
		9:   "p99 1.1…",
	} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		o := &Observer{Progress: NewProgress(&out, ProgressOptions{Terminal: true, Width: func() int { return width }, Now: func() time.Time { return now }}), Metrics: NewMetrics(Build{})}
		story(o, &now)
		lines := strings.Split(strings.ReplaceAll(out.String(), "\r\x1b[K", "\n"), "\n")
		var drawn []string
		for _, line := range lines {
			if n := len([]rune(line)); n > max(width, 80*(1-min(width, 1)))-1 && !strings.Contains(line, "oom") {
				t.Errorf("%d columns of %d: %q", n, width, line)
			}
			if strings.Contains(line, "p99 1") {
				drawn = append(drawn, line)
			}
		}
		if len(drawn) != 2 || drawn[1] != last { // after half a second and after one
			t.Errorf("width %d: drawn %q, want two, the last %q", width, drawn, last)
		}
		if !strings.HasSuffix(out.String(), "oom: the kernel killed it [2J for memory\n") {
			t.Errorf("the failure does not stay: %q", out.String())
		}
		if got := value(t, o.Metrics, "assay_requests_total", "variant=int8", "outcome=failed"); got != 2 {
			t.Errorf("%v failed requests, want the 2 dropped ones", got)
		}
	}
}

func TestQuietSaysNothing(t *testing.T) {
	now := time.Unix(0, 0)
	story(&Observer{}, &now) // a nil Progress and nil Metrics must do
}

func TestPace(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	p := pace{planned: 4, done: 1} // one was done before this process began
	p.begin(at(0))
	if _, ok := p.left(at(5)); ok {
		t.Error("an estimate out of nothing")
	}
	p.expected = 7 * time.Second
	if got, ok := p.left(at(5)); !ok || got != 16*time.Second {
		t.Errorf("%v left of three trials of about 7 s, 5 s into the first", got)
	}
	p.end(at(10))
	for _, c := range []struct{ now, want int }{{10, 20}, {14, 16}, {99, 10}} {
		if c.now == 14 {
			p.begin(at(10))
		}
		if got, ok := p.left(at(c.now)); !ok || got != time.Duration(c.want)*time.Second {
			t.Errorf("at %d: %v, want %d s", c.now, got, c.want)
		}
	}
}

func TestAbout(t *testing.T) {
	for d, want := range map[time.Duration]string{3 * time.Second: "under 10s", 47 * time.Second: "about 45s", 130 * time.Second: "about 2m", 65 * time.Minute: "about 1h5m"} {
		if got := about(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

var _ prometheus.Collector = (*Metrics)(nil)
