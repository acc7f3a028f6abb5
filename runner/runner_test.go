package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/backend"
	"assay/backend/null"
	"assay/results"
	"assay/runner/child"
	"assay/tensor"
)

// The test binary is its own child: with this variable set it does an assignment, on the null backend, with faults planted by it.
const childVariable = "ASSAY_TEST_CHILD"

func TestMain(m *testing.M) {
	if fault := os.Getenv(childVariable); fault != "" {
		if err := child.Run(os.Stdin, os.NewFile(3, "events"), child.Tools{Open: openFaulty(fault), Feeds: noFeeds}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func noFeeds(string, []backend.ValueInfo, results.Input, int, uint64) ([][]tensor.Value, map[string]string, error) {
	return [][]tensor.Value{nil}, nil, nil
}

// openFaulty plants what can go wrong in a trial's process, on the arms of variant b.
func openFaulty(fault string) func(child.Config) (backend.Backend, error) {
	return func(c child.Config) (backend.Backend, error) {
		if c.Kind != child.KindTrial || !strings.Contains(c.Requests, "-b.null") {
			return null.Backend{}, nil
		}
		switch fault {
		case "crash":
			_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
			select {}
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case "hang":
			select {}
		case "exit":
			fmt.Fprintln(os.Stderr, "something the library printed")
			os.Exit(7)
		case "refuse":
			return nil, errors.New("the library refuses")
		}
		return null.Backend{}, nil
	}
}

// config is a run of two variants on the null backend.
func config(t *testing.T, fault string, blocks int) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	model := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(model, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	spec := results.Spec{Name: "test", Seed: 1, Baseline: "a", Blocks: blocks,
		Loads: []results.Load{{Name: "single-stream", Scenario: "single-stream", Duration: time.Minute, Requests: 20}}}
	for _, v := range []string{"a", "b"} {
		spec.Variants = append(spec.Variants, results.Variant{Name: v, Model: model})
		spec.Arms = append(spec.Arms, results.Arm{Name: v + ".null.b1.t1.single-stream", Variant: v, Provider: "null", Batch: 1, IntraOpThreads: 1, Load: "single-stream"})
	}
	for range blocks {
		spec.Order = append(spec.Order, []string{spec.Arms[0].Name, spec.Arms[1].Name})
	}
	return Config{Run: results.Run{ID: "id", Name: "test", Asked: json.RawMessage(`"the plan"`), Resolved: spec}, Dir: filepath.Join(t.TempDir(), "run"),
		Child:    Command{Path: self, Env: []string{childVariable + "=" + fault}},
		Identify: func(string) (string, int64, error) { return "sha", 1, nil },
		Limits:   Limits{Load: 20 * time.Second}}
}

func trialsOf(t *testing.T, c Config) map[string]results.Trial {
	t.Helper()
	trials, err := results.Dir(c.Dir).ReadTrials()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]results.Trial{}
	for _, trial := range trials {
		out[results.TrialName(trial.Block, trial.Arm)] = trial
	}
	return out
}

// ofHost reports whether no reason speaks of anything but the machine that the tests run on.
func ofHost(reasons []string) bool {
	for _, r := range reasons {
		if !strings.HasPrefix(r, "host.") {
			return false
		}
	}
	return true
}

func TestRunMeasuresEveryTrial(t *testing.T) {
	c := config(t, "none", 2)
	run, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if run.Status != "complete" {
		t.Errorf("status %q: %s", run.Status, run.Reason)
	}
	trials := trialsOf(t, c)
	if len(trials) != 4 {
		t.Fatalf("%d trials", len(trials))
	}
	for name, trial := range trials {
		if trial.Status != results.TrialOK || trial.Counts.OK != 20 || trial.Verdict == results.Invalid || !ofHost(trial.Reasons) {
			t.Errorf("%s: %s %s %+v %v", name, trial.Status, trial.Verdict, trial.Counts, trial.Reasons)
		}
		var phases []string
		last := int64(0)
		for _, p := range trial.Phases {
			phases = append(phases, p.Name)
			if p.StartNS < last || p.EndNS < p.StartNS {
				t.Errorf("%s: phase %s from %d to %d after %d", name, p.Name, p.StartNS, p.EndNS, last)
			}
			last = p.EndNS
		}
		if got := strings.Join(phases, " "); got != "environment session first warmup measure drain" {
			t.Errorf("%s: phases %s", name, got)
		}
		rows, err := results.ReadRequests(results.Dir(c.Dir).RequestsFile(trial.Block, trial.Arm))
		if err != nil || len(rows) != 20 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
}

func TestFaultsEndTheTrialAndNotTheSweep(t *testing.T) {
	for fault, want := range map[string]struct{ status, reason string }{
		"crash":  {results.TrialKilled, "crashed in phase environment: SIGSEGV"},
		"kill":   {results.TrialKilled, "killed by signal killed"},
		"hang":   {results.TrialTimeout, "no end of phase"},
		"exit":   {results.TrialFailed, "code 7 in phase environment: something the library printed"},
		"refuse": {results.TrialFailed, "the library refuses"},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			c := config(t, fault, 2)
			if fault == "hang" {
				c.Limits.Load = 2 * time.Second
			}
			run, err := Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if run.Status != "incomplete" {
				t.Errorf("status %q", run.Status)
			}
			for name, trial := range trialsOf(t, c) {
				if trial.Arm[0] == 'a' {
					if trial.Status != results.TrialOK {
						t.Errorf("%s: %s %s", name, trial.Status, trial.Reason)
					}
					continue
				}
				if trial.Status != want.status || !strings.Contains(trial.Reason, want.reason) {
					t.Errorf("%s: %s %q, want %s %q", name, trial.Status, trial.Reason, want.status, want.reason)
				}
			}
		})
	}
}

// stopper cancels a run when a trial measures.
type stopper struct {
	silent
	once   sync.Once
	cancel func()
	trial  string
}

func (s *stopper) TrialEvent(a results.Arm, e child.Event) {
	if e.Phase == "measure" && a.Name == s.trial {
		s.once.Do(s.cancel)
	}
}

func TestInterruptSavesAndResumeCompletes(t *testing.T) {
	c := config(t, "none", 2)
	for i := range c.Run.Resolved.Loads { // endless but for the interrupt
		c.Run.Resolved.Loads[i].Requests, c.Run.Resolved.Loads[i].Duration = 0, 300*time.Millisecond
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Observer = &stopper{cancel: cancel, trial: c.Run.Resolved.Arms[1].Name}
	run, err := Run(ctx, c)
	if !errors.Is(err, ErrInterrupted) || run.Status != "interrupted" {
		t.Fatalf("%v, %+v", err, run)
	}
	if n := len(trialsOf(t, c)); n != 2 {
		t.Fatalf("%d trials saved", n)
	}
	before := trialsOf(t, c)["b000-a.null.b1.t1.single-stream"]

	c.Observer, c.Resume = nil, false
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "add --resume") {
		t.Errorf("without --resume: %v", err)
	}
	c.Resume = true
	if run, err = Run(t.Context(), c); err != nil || run.Status != "complete" {
		t.Fatalf("%v, %+v", err, run)
	}
	trials := trialsOf(t, c)
	if len(trials) != 4 || trials["b000-a.null.b1.t1.single-stream"].PID != before.PID {
		t.Errorf("%d trials; the finished one was run again: %v", len(trials), trials["b000-a.null.b1.t1.single-stream"].PID != before.PID)
	}
	for name, trial := range trials {
		if trial.Status != results.TrialOK {
			t.Errorf("%s: %s", name, trial.Status)
		}
	}
	c.Run.Asked = json.RawMessage(`"another plan"`)
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "another plan") {
		t.Errorf("with another plan: %v", err)
	}
}

// TestResumeOfACompleteRun: it stays as it is, and a failed trial stays failed however often the run is taken up.
func TestResumeOfACompleteRun(t *testing.T) {
	c := config(t, "none", 2)
	first, err := Run(t.Context(), c)
	if err != nil || first.Status != "complete" {
		t.Fatalf("%v, %+v", err, first)
	}
	c.Resume = true
	again, err := Run(t.Context(), c)
	if err != nil || !again.Ended.Equal(*first.Ended) || again.Resumed != nil {
		t.Errorf("%v: ended %v, then %v", err, first.Ended, again.Ended)
	}
	dir := results.Dir(c.Dir)
	trials, err := dir.ReadTrials()
	if err != nil {
		t.Fatal(err)
	}
	lost, broken := trials[0], trials[1]
	if err := os.Remove(dir.TrialFile(lost.Block, lost.Arm)); err != nil {
		t.Fatal(err)
	}
	broken.Status = results.TrialFailed
	if err := dir.WriteTrial(&broken); err != nil {
		t.Fatal(err)
	}
	again, err = Run(t.Context(), c)
	if err != nil || again.Status != "incomplete" || again.Resumed == nil || len(trialsOf(t, c)) != 4 {
		t.Errorf("%v: %s, resumed %v, %d trials", err, again.Status, again.Resumed, len(trialsOf(t, c)))
	}
}

func TestOneRunDirectoryOneProcess(t *testing.T) {
	c := config(t, "none", 1)
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	unlock()
	if _, err := Run(t.Context(), c); err != nil {
		t.Errorf("unlocked: %v", err)
	}
}

// certified is a trial of 1000 requests in 10 s with a certificate, its clocks in step.
func certified(c results.Certificate) results.Trial {
	if c.ClockRatio == 0 {
		c.ClockRatio = 1
	}
	return results.Trial{Certificate: &c, Counts: results.Counts{Scheduled: 1000}, Phases: []results.Phase{{Name: "measure", EndNS: 10e9}}}
}

// lasting is a trial whose measure takes so many seconds.
func lasting(t results.Trial, seconds int64) results.Trial {
	t.Phases = []results.Phase{{Name: "measure", EndNS: seconds * 1e9}}
	return t
}

// sending is a trial of so many requests.
func sending(t results.Trial, requests int) results.Trial {
	t.Counts.Scheduled = requests
	return t
}

func known(v float64) *float64 { return &v }

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		trial results.Trial
		p50   float64
		want  string
		code  string
	}{
		"clean":                   {results.Trial{}, 0, "valid", ""},
		"a little late":           {results.Trial{Lateness: map[string]float64{"p99": 0.5e-3}}, 1e-3, "suspect", "host.late"},
		"late":                    {results.Trial{Lateness: map[string]float64{"p99": 2e-3}}, 1e-3, "invalid", "host.late"},
		"late for no model":       {results.Trial{Lateness: map[string]float64{"p99": 2e-3}}, 200e-3, "valid", ""},
		"a clock that was set":    {results.Trial{Certificate: &results.Certificate{ClockRatio: 1.5}, Phases: []results.Phase{{Name: "measure", EndNS: 2e9}}}, 0, "invalid", "host.clock"},
		"a clock that is slewed":  {results.Trial{Certificate: &results.Certificate{ClockRatio: 0.998}, Phases: []results.Phase{{Name: "measure", EndNS: 2e9}}}, 0, "suspect", "host.clock"},
		"unexplained waits":       {certified(results.Certificate{Unexplained: map[string]float64{"p99": 2e-3}}), 1e-3, "invalid", "load.unexplained"},
		"explained by length":     {certified(results.Certificate{Unexplained: map[string]float64{"p99": 2e-3}}), 200e-3, "valid", ""},
		"a short stop":            {certified(results.Certificate{StoppedSeconds: 0.06, LongestStopSeconds: 0.06}), 0, "suspect", "host.stopped"},
		"a stop":                  {certified(results.Certificate{StoppedSeconds: 0.5, LongestStopSeconds: 0.5}), 0, "invalid", "host.stopped"},
		"starved often":           {certified(results.Certificate{StoppedSeconds: 0.5, LongestStopSeconds: 0.1}), 0, "suspect", "host.stopped"},
		"a busy host":             {certified(results.Certificate{Cores: 2, Threads: 1, OthersCores: known(1.2)}), 0, "suspect", "host.busy"},
		"a neighbour":             {certified(results.Certificate{Cores: 2, Threads: 1, OthersCores: known(0.9)}), 0, "valid", ""},
		"no core to spare":        {certified(results.Certificate{Cores: 2, Threads: 4, OthersCores: known(0.9)}), 0, "suspect", "host.busy"},
		"preempted":               {certified(results.Certificate{Cores: 2, Threads: 1, WaitedForCoreSeconds: known(0.1), InvoluntarySwitches: 200}), 1e-3, "suspect", "host.preempted"},
		"preempted by itself":     {certified(results.Certificate{Cores: 2, Threads: 4, WaitedForCoreSeconds: known(0.1), InvoluntarySwitches: 200}), 1e-3, "valid", ""},
		"preempted for nothing":   {certified(results.Certificate{Cores: 2, Threads: 1, WaitedForCoreSeconds: known(0.001), InvoluntarySwitches: 200}), 1e-3, "valid", ""},
		"usual preemptions":       {certified(results.Certificate{Cores: 2, Threads: 1, WaitedForCoreSeconds: known(0.1), InvoluntarySwitches: 90}), 1e-3, "valid", ""},
		"stolen":                  {certified(results.Certificate{StealRatio: known(0.02)}), 0, "suspect", "host.steal"},
		"throttled":               {certified(results.Certificate{ThrottledSeconds: known(0.5)}), 0, "suspect", "host.throttled"},
		"a stop in a long window": {lasting(certified(results.Certificate{StoppedSeconds: 0.3, LongestStopSeconds: 0.3}), 100), 0, "suspect", "host.stopped"},
		"others as ever":          {certified(results.Certificate{Cores: 2, Threads: 2, OthersCores: known(0.05)}), 0, "valid", ""},
		"preempted seldom":        {sending(certified(results.Certificate{Cores: 2, Threads: 1, WaitedForCoreSeconds: known(10), InvoluntarySwitches: 500}), 100_000), 1e-3, "valid", ""},
		"preempted for no model":  {certified(results.Certificate{Cores: 2, Threads: 1, WaitedForCoreSeconds: known(0.1), InvoluntarySwitches: 200}), 100e-3, "valid", ""},
		"stolen little":           {certified(results.Certificate{StealRatio: known(0.005)}), 0, "valid", ""},
		"throttled little":        {certified(results.Certificate{ThrottledSeconds: known(0.05)}), 0, "valid", ""},
		"paging seldom":           {sending(certified(results.Certificate{MajorFaults: 500}), 100_000), 0, "valid", ""},
		"paging":                  {certified(results.Certificate{MajorFaults: 11}), 0, "suspect", "host.paging"},
		"a fault":                 {certified(results.Certificate{MajorFaults: 9}), 0, "valid", ""},
		"nobody watched": {func() results.Trial {
			t := certified(results.Certificate{})
			t.Sampler = &results.Sampler{EveryNS: 1, Reason: "it broke off"}
			return t
		}(), 0, "suspect", "host.unwatched"},
		"nobody was to watch": {func() results.Trial {
			t := certified(results.Certificate{})
			t.Sampler = &results.Sampler{Reason: "--sample-every 0"}
			return t
		}(), 0, "valid", ""},
		"collected":      {results.Trial{Process: results.Process{GCCycles: 2}}, 0, "suspect", "load.gc"},
		"a short window": {results.Trial{Certificate: &results.Certificate{ClockRatio: 0.97}, Phases: []results.Phase{{Name: "measure", EndNS: 1e6}}}, 0, "valid", ""},
		"too much": {certified(results.Certificate{Overload: &results.Overload{Served: 0.5, InFlight: 99, PerSecond: 80}}), 0, "invalid",
			"load.overloaded: in the last two thirds of the window 50.0 % as many requests ended as were due, and 99 were in flight on average over its last third: about 80/s can be served, and latencies measure the run's length"},
		"given up": {certified(results.Certificate{Overload: &results.Overload{Served: 0.5, StoppedAfterSeconds: 1.5, PlannedSeconds: 8}}), 0, "invalid",
			"load.overloaded: in the last two thirds of the window 50.0 % as many requests ended as were due, and 0 were in flight on average over its last third: none ended there, so what can be served cannot be told, and latencies measure the run's length; stopped after 1.5 s of 8 s, 0 requests that waited were dropped"},
		"dropped": {results.Trial{Counts: results.Counts{Scheduled: 9, Dropped: 1}}, 0, "invalid", "load.overloaded"},
		"hung": {results.Trial{Status: results.TrialTimeout, Reason: "a call did not return within 2s; it was given up", Counts: results.Counts{Scheduled: 9, Dropped: 4}},
			0, "invalid", "load.overloaded: a call did not return within 2s: 4 of 9 requests were due behind it and dropped"},
		"hung and overloaded": {func() results.Trial {
			t := certified(results.Certificate{Overload: &results.Overload{Served: 0.5}})
			t.Status, t.Reason = results.TrialTimeout, "a call did not return within 2s; it was given up"
			return t
		}(), 0, "invalid", "load.overloaded: a call did not return within 2s: in the last two thirds of the window 50.0 % as many requests ended as were due, and 0 were in flight on average over its last third: latencies measure the run's length"},
		"nothing there": {results.Trial{NodesByProvider: map[string]int{"CPUExecutionProvider": 3}, NodesElsewhere: map[string]int{"Conv": 3}},
			0, "invalid", "provider.none"},
		"heavy elsewhere": {results.Trial{NodesByProvider: map[string]int{"CPUExecutionProvider": 1, "CUDAExecutionProvider": 2}, NodesElsewhere: map[string]int{"Conv": 1}},
			0, "suspect", "provider.fallback"},
		"light elsewhere": {results.Trial{NodesByProvider: map[string]int{"CPUExecutionProvider": 1, "CUDAExecutionProvider": 2}, NodesElsewhere: map[string]int{"Shape": 1}},
			0, "valid", ""},
	} {
		trial := c.trial
		judge(&trial, "cuda", c.p50)
		if trial.Verdict != c.want || c.code != "" && !strings.HasPrefix(strings.Join(trial.Reasons, "\n")+": ", c.code+": ") {
			t.Errorf("%s: %s %v, want %s %s", name, trial.Verdict, trial.Reasons, c.want, c.code)
		}
	}
}
