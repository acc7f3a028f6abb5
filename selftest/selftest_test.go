package selftest

import (
	"math"
	"testing"
	"time"

	"assay/loadgen"
	"assay/results"
)

// TestTheStallIsSeenFromDueAlone holds the check of the stall against an ideal queue's rows: counted from due they pass, and counted from when a
// request was sent, as most load generators do, they fail.
func TestTheStallIsSeenFromDueAlone(t *testing.T) {
	schedule, err := loadgen.Constant(stallRate, time.Duration(stallWindow*1e9))
	if err != nil {
		t.Fatal(err)
	}
	oracle := loadgen.NewOracle(0)
	rows := make([]results.Request, len(schedule))
	for i, due := range schedule {
		service := int64(stallServices(i))
		start := due + oracle.Wait(due, service)
		rows[i] = results.Request{DueNS: due, IssuedNS: due, StartedNS: start, DoneNS: start + service}
	}
	for _, c := range stallChecks(rows) {
		if c.Verdict != Pass {
			t.Errorf("%+v", c)
		}
	}
	for i := range rows {
		rows[i].DueNS = rows[i].StartedNS
	}
	checks := stallChecks(rows)
	if Verdict(checks) != Fail || checks[0].Verdict != Fail || checks[1].Verdict != Fail || checks[2].Verdict != Fail {
		t.Errorf("a control that cannot fail: %+v", checks)
	}
}

// TestClosedFormsAreTheIdealQueues: the mean of many runs of the ideal queue is the closed form.
func TestClosedFormsAreTheIdealQueues(t *testing.T) {
	for _, q := range known {
		sum, n := 0.0, 0
		for seed := range uint64(40) {
			schedule, services, err := q.draw(seed, 10*q.length)
			if err != nil {
				t.Fatal(err)
			}
			oracle := loadgen.NewOracle(make([]int64, q.servers)...)
			for i, due := range schedule {
				sum += float64(oracle.Wait(due, int64(services[i]))+int64(services[i])) / 1e9
				n++
			}
		}
		if mean, want := sum/float64(n), q.mean(q); math.Abs(mean/want-1) > 0.02 {
			t.Errorf("%s: mean %v over %d requests, closed form %v", q.name, mean, n, want)
		}
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

// TestALateWorkerIsNoFault: Little's law is looked for from when the last worker has begun.
func TestALateWorkerIsNoFault(t *testing.T) {
	rows := []results.Request{{DueNS: 0, DoneNS: 5}, {DueNS: 5, DoneNS: 10}, {DueNS: 7, DoneNS: 12}, {DueNS: 10, DoneNS: 15}}
	if got := full(rows, 2); got != 7 {
		t.Errorf("both are busy from %d on, want 7", got)
	}
	if got := full(rows, 3); got != 0 {
		t.Errorf("three are never busy, got %d", got)
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
