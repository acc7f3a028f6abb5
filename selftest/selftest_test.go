package selftest

import (
	"testing"
	"time"

	"assay/loadgen"
	"assay/results"
	"assay/results/stats"
)

// TestFromSendWouldMissTheStall is the negative control of the stall's check: measured from when a request was sent, as most tools do, p99
// stays at the service time.
func TestFromSendWouldMissTheStall(t *testing.T) {
	te := &tester{ctx: t.Context(), o: Options{Cores: 2}, dir: t.TempDir()}
	s, err := loadgen.Constant(200, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, rows, err := te.load(loadgen.Config{Schedule: s, Duration: 3 * time.Second}, &targetFunc{do: func(n int) time.Duration {
		if n == 200 {
			return 301 * time.Millisecond
		}
		return time.Millisecond
	}})
	if err != nil {
		t.Fatal(err)
	}
	expected := 0.3 - 0.01*3*0.8 + 1e-3
	due := stats.Quantile(column(rows, func(r results.Request) int64 { return r.DoneNS - r.DueNS }), 0.99)
	sent := stats.Quantile(column(rows, func(r results.Request) int64 { return r.DoneNS - r.StartedNS }), 0.99)
	if c := within("p99 from due", due, expected, 0.05*expected+20e-3, "ms", 1e3); c.Verdict != Pass {
		t.Errorf("%+v", c)
	}
	if c := within("p99 from send", sent, expected, 0.05*expected+20e-3, "ms", 1e3); c.Verdict != Fail {
		t.Errorf("a control that cannot fail: %+v", c)
	}
}

func TestStatisticsAndSchedulesPass(t *testing.T) {
	te := &tester{ctx: t.Context(), o: Options{Cores: 2}, dir: t.TempDir()}
	for _, part := range []func() ([]Check, error){te.statistics, te.schedules} {
		checks, err := part()
		if err != nil || Verdict(checks) != Pass {
			t.Errorf("%+v, %v", checks, err)
		}
	}
}

func TestVerdictIsTheWorst(t *testing.T) {
	if got := Verdict([]Check{{Verdict: Pass}, {Verdict: Suspect}}); got != Suspect {
		t.Error(got)
	}
	if got := Verdict([]Check{{Verdict: Suspect}, {Verdict: Fail}, {Verdict: Pass}}); got != Fail {
		t.Error(got)
	}
	if got := Verdict(nil); got != Pass {
		t.Error(got)
	}
}

func TestABusyHostIsSuspectAndAFaultIsNot(t *testing.T) {
	quiet := make([]float64, 1000)
	for i := range quiet {
		quiet[i] = 1e-3
	}
	quiet[999] = 0.5
	if why := disturbed(quiet, 1e-3); why != "" {
		t.Error(why)
	}
	for i := 900; i < 1000; i++ {
		quiet[i] = 9e-3
	}
	why := disturbed(quiet, 1e-3)
	if why == "" {
		t.Error("a tenth of the services took 9 ms in place of 1, and that is called quiet")
	}
	checks := soften(why, []Check{{Verdict: Fail}, {Verdict: Pass}})
	if checks[0].Verdict != Suspect || checks[1].Verdict != Pass {
		t.Errorf("%+v", checks)
	}
	if checks := soften("", []Check{{Verdict: Fail}}); checks[0].Verdict != Fail {
		t.Errorf("%+v", checks)
	}
}
