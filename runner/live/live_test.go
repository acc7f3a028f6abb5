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
	return s
}

func ended(status string, ok int) *results.Trial {
	return &results.Trial{Status: status, Counts: results.Counts{OK: ok}}
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

// story runs an observer through two trials, a second apart in all.
func story(o *Observer, now *time.Time) {
	run := &results.Run{Name: "digits", Started: *now, Resolved: results.Spec{Order: [][]string{{"a", "b"}}}}
	tick := func(d time.Duration) { *now = now.Add(d) }
	o.Note("quantizing int8")
	o.Begin(run, 0)
	o.TrialBegins(0, 0, arm("int8"))
	o.TrialEvent(arm("int8"), child.Event{Type: child.EventPhase, Phase: "session"})
	for i := range 10 {
		tick(100 * time.Millisecond)
		o.TrialEvent(arm("int8"), child.Event{Type: child.EventProgress, Progress: &loadgen.Progress{Phase: "measure", OK: uint64(i * 100), SumSeconds: 1}})
	}
	tick(19 * time.Second)
	o.TrialEnds(0, arm("int8"), &results.Trial{Status: results.TrialOK, Counts: results.Counts{OK: 1000, Dropped: 2}, Phases: []results.Phase{{Name: "measure", EndNS: 5e9}}})
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
trial 1/2, block 1/1, int8.cpu.b1.t1.x: 1000 requests in 5.0 s, 2 lost, about 20s left
trial 2/2, block 1/1, student.cpu.b1.t1.x: oom: the kernel killed it [2J for memory
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	o := &Observer{Progress: NewProgress(&out, ProgressOptions{Terminal: true, Width: 60, Now: func() time.Time { return now }}), Metrics: NewMetrics(Build{})}
	story(o, &now)
	lines := strings.Split(strings.ReplaceAll(out.String(), "\r\x1b[K", "\n"), "\n")
	draws := 0
	for _, line := range lines {
		if n := len([]rune(line)); n > 59 && !strings.Contains(line, "oom") {
			t.Errorf("%d columns: %q", n, line)
		}
		if strings.HasPrefix(line, "block 1/1  trial 1/2") {
			draws++
		}
	}
	if draws != 3 { // at its start, after half a second and after one
		t.Errorf("drawn %d times within a second, want 3:\n%q", draws, lines)
	}
	if !strings.HasSuffix(out.String(), "oom: the kernel killed it [2J for memory\n") {
		t.Errorf("the failure does not stay: %q", out.String())
	}
	if got := value(t, o.Metrics, "assay_requests_total", "variant=int8", "outcome=failed"); got != 2 {
		t.Errorf("%v failed requests, want the 2 dropped ones", got)
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
		t.Error("an estimate before any trial has ended")
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
