// Package selftest holds the load generator, its records and the statistics against known truths on the machine at hand: a planted stall,
// a queue with a closed form, a schedule, a target that does nothing. It knows nothing about models.
package selftest

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"assay/loadgen"
	"assay/results"
)

// The verdicts of a check. Suspect is a host that is too busy or too small to tell.
const (
	Pass    = "pass"
	Suspect = "suspect"
	Fail    = "fail"
)

// Check is one line: what was measured, what was expected, and whether they agree.
type Check struct {
	Name     string `json:"name"`
	Measured string `json:"measured"`
	Expected string `json:"expected"`
	Verdict  string `json:"verdict"`
	Why      string `json:"why,omitempty"`
}

// Options say how much is tried.
type Options struct {
	Full bool // ten times as long
	// Sampler starts a sampler beside this process and returns what ends it; nil leaves its check out.
	Sampler func() (stop func(), err error)
	// Cores that this process may use.
	Cores int
	// Dir takes temporary files.
	Dir string
}

// length is how long a part lasts.
func (o *Options) length(d time.Duration) time.Duration {
	if o.Full {
		return 10 * d
	}
	return d
}

// Run carries out every check in turn and tells each as it ends; about 45 s, ten times that with Full. The error is that of a machine
// on which nothing can be tried, or ctx's.
func Run(ctx context.Context, o Options, tell func(Check)) ([]Check, error) {
	dir, err := os.MkdirTemp(o.Dir, "assay-selftest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	t := &tester{ctx: ctx, o: o, dir: dir}
	var all []Check
	for _, part := range []func() ([]Check, error){t.statistics, t.schedules, t.null, t.fidelity, t.stall, t.queues, t.closedLoop, t.recorder, t.sampler} {
		checks, err := part()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return all, err
		}
		for _, c := range checks {
			all = append(all, c)
			tell(c)
		}
	}
	return all, nil
}

// Verdict is the worst of the checks'.
func Verdict(checks []Check) string {
	worst := Pass
	for _, c := range checks {
		switch {
		case c.Verdict == Fail:
			return Fail
		case c.Verdict == Suspect:
			worst = Suspect
		}
	}
	return worst
}

type tester struct {
	ctx context.Context
	o   Options
	dir string
}

// load runs a load on the real clock and returns its rows.
func (t *tester) load(cfg loadgen.Config, target loadgen.Target) (loadgen.Outcome, []results.Request, error) {
	records, err := loadgen.NewRecords(t.dir, 1<<25)
	if err != nil {
		return loadgen.Outcome{}, nil, err
	}
	defer records.Close()
	cfg.Workers, cfg.LockThreads = max(1, cfg.Workers), true
	if cfg.Clock == nil {
		cfg.Clock = loadgen.NewThreadClock()
	}
	o, err := loadgen.Run(t.ctx, cfg, target, records)
	if err != nil {
		return o, nil, err
	}
	rows := make([]results.Request, records.Len())
	read := records.Reader(1)
	for n := 0; n < len(rows); {
		k, err := read(rows[n:])
		if err != nil {
			return o, nil, err
		}
		n += k
	}
	return o, rows, nil
}

// planted is a Target that spends the time which a function of the request's number gives, awake. One worker calls it.
func planted(length func(n int) time.Duration) loadgen.Target {
	n := 0
	return targetFunc(func() {
		d := length(n)
		n++
		for begun := time.Now(); time.Since(begun) < d; { //nolint:revive // it spins
		}
	})
}

// targetFunc is a Target made of a function.
type targetFunc func()

// Do calls it.
func (f targetFunc) Do(int, int32) error {
	f()
	return nil
}

// nothing is a Target that does nothing.
type nothing struct{}

// Do returns at once.
func (nothing) Do(int, int32) error { return nil }

// within judges a measured value against a closed form and a tolerance. A unit is its sign, and behind a semicolon what it is of; values are
// scaled to it.
func within(name string, measured, expected, tolerance float64, unit string, scale float64) Check {
	sign, of, _ := strings.Cut(unit, "; ")
	c := Check{Name: name, Measured: join(number(measured*scale), sign), Expected: join(number(expected*scale), "+-", number(tolerance*scale), sign, of), Verdict: Pass}
	if !(math.Abs(measured-expected) <= tolerance) {
		c.Verdict = Fail
	}
	return c
}

// atMost judges a measured value against a limit.
func atMost(name string, measured, limit float64, unit string, scale float64) Check {
	sign, of, _ := strings.Cut(unit, "; ")
	c := Check{Name: name, Measured: join(number(measured*scale), sign), Expected: join("at most", number(limit*scale), sign, of), Verdict: Pass}
	if !(measured <= limit) {
		c.Verdict = Fail
	}
	return c
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}

// number prints four digits, never as a power of ten where a person would not.
func number(v float64) string {
	if math.Abs(v) >= 1e4 && math.Abs(v) < 1e9 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}
