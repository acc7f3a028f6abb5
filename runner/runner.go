// Package runner carries out a plan: it prepares variants, starts one child process for each trial in the order of the blocks, watches
// it from outside, and leaves a run directory from which everything else is computed.
package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"assay/results"
	"assay/runner/child"
)

// UsageError is a mistake that the user can mend before anything is measured.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

func usage(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// ErrInterrupted ends a run that was asked to stop; what was measured before is saved.
var ErrInterrupted = errors.New("interrupted")

// Library is the runtime's shared library that serves all arms of a run.
type Library struct {
	Path, Variant, SHA256 string
	Preload               []string // libraries that its providers need, in the order in which they are loaded
}

// Observer is told what happens, from one goroutine. A nil Observer is allowed.
type Observer interface {
	Note(text string)                                       // preparation, in words
	Begin(run *results.Run, done int)                       // trials already done, on resume
	TrialBegins(block, position int, arm results.Arm)       //
	TrialEvent(arm results.Arm, e child.Event)              // phases, and progress at most twice a second
	TrialEnds(block int, arm results.Arm, t *results.Trial) //
}

// Config is one run.
type Config struct {
	Run      results.Run // ID, Name, Command, Assay, Asked and Resolved are given; the rest is filled
	Dir      string
	Resume   bool
	Child    Command // starts a trial's process
	Sampler  Command // starts the sampler's process
	NVML     string  // library of the GPU's sensors; empty for the system's
	Cache    string  // folder for quantized variants
	Limits   Limits
	Observer Observer

	// Library finds the runtime that has every provider asked for.
	Library func(providers []string) (Library, error)
	// Identify gives a model's SHA-256 and size, external data included, or says what is wrong with the file.
	Identify func(model string) (sha256 string, bytes int64, err error)
	// Environment describes the machine around a runtime; State is read again at the end.
	Environment func(r results.Runtime) (results.Environment, error)
	State       func() map[string]any
	// Settled reports whether no gate is inconclusive after so many blocks; asked at the plan's looks.
	Settled func(dir string, blocks int) (bool, error)
}

// Limits bound how long a trial's process may stay in one phase beyond what the plan gives it.
type Limits struct {
	Load  time.Duration // environment, session and first inference, each; 5 minutes where 0
	Slack time.Duration // added to warm-up, measure and drain; 2 minutes where 0
}

type run struct {
	Config
	dir     results.Dir
	spec    *results.Spec
	library Library
}

// Run carries the plan out and returns its record, also beside an error where something was measured. Errors: *UsageError before
// anything was measured; ErrInterrupted when ctx was cancelled.
func Run(ctx context.Context, c Config) (*results.Run, error) {
	r, unlock, err := open(c)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	return &r.Run, r.trials(ctx)
}

// open makes the run's directory and takes it for this process alone.
func open(c Config) (r *run, unlock func(), err error) {
	r = &run{Config: c, dir: results.Dir(c.Dir)}
	if r.Observer == nil {
		r.Observer = silent{}
	}
	if r.Limits.Load == 0 {
		r.Limits.Load = 5 * time.Minute
	}
	if r.Limits.Slack == 0 {
		r.Limits.Slack = 2 * time.Minute
	}
	if _, err := os.Stat(r.dir.RunFile()); c.Resume && errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usage("nothing to resume: no run was begun in %s; leave --resume out to begin one there", c.Dir)
	}
	if err := os.MkdirAll(r.dir.TrialsDir(), 0o755); err != nil {
		return nil, nil, usage("make the run's directory: %w; choose another with --out", err)
	}
	if unlock, err = lock(c.Dir); err != nil {
		return nil, nil, &UsageError{err}
	}
	return r, unlock, nil
}

// begin prepares a new run or takes an unfinished one up.
func (r *run) begin(ctx context.Context) error {
	before, err := r.dir.ReadRun()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.prepare(ctx)
	case err != nil:
		return &UsageError{err}
	case !r.Resume:
		return usage("%s holds a run already; add --resume to go on with it, or choose another --out", r.Dir)
	}
	if asked(before.Asked) != asked(r.Run.Asked) {
		return usage("%s was begun with another plan than the one given now; choose another --out, or give the same plan", r.Dir)
	}
	r.Run = *before
	r.spec = &r.Run.Resolved
	for _, v := range r.spec.Variants {
		sha, _, err := r.Identify(v.Model)
		if err != nil {
			return usage("variant %s: %w", v.Name, err)
		}
		if sha != v.SHA256 {
			return usage("variant %s: %s is not the file that the run began with; choose another --out", v.Name, v.Model)
		}
	}
	r.library, err = r.findLibrary()
	return err
}

// takeUp begins a session, and closes the books on those before it. One that was killed has no end: its last trial's stands for it.
func (r *run) takeUp() error {
	before := r.Run.Status
	r.Run.Status = "running"
	if before == "" {
		return r.dir.WriteRun(&r.Run)
	}
	end := r.Run.Ended
	if end == nil {
		trials, err := r.dir.ReadTrials()
		if err != nil {
			return &UsageError{err}
		}
		end = &r.Run.Started
		for _, t := range trials {
			if n := len(t.Phases); n > 0 {
				if at := t.Started.Add(time.Duration(t.Phases[n-1].EndNS - t.Phases[0].StartNS)); at.After(*end) {
					end = &at
				}
			}
		}
	}
	now := time.Now().UTC()
	r.Run.BusySeconds = r.Run.Seconds(*end)
	r.Run.Resumed, r.Run.Ended = &now, nil
	return r.dir.WriteRun(&r.Run)
}

// asked is the text of a plan, whatever the JSON around it looks like.
func asked(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

// trials runs what is missing, block by block. A complete run of which nothing is missing stays as it is.
func (r *run) trials(ctx context.Context) error {
	done, failed, err := r.finished()
	if err != nil {
		return err
	}
	if r.Run.Status == "complete" && !r.missing(done) {
		return nil
	}
	if err := r.takeUp(); err != nil {
		return err
	}
	r.Observer.Begin(&r.Run, len(done))
	for block, order := range r.spec.Order {
		for position, name := range order {
			if done[results.TrialName(block, name)] {
				continue
			}
			t, err := r.trial(ctx, block, position, r.arm(name))
			if err != nil {
				return errors.Join(err, r.end("incomplete", err.Error()))
			}
			if t.Status == results.TrialInterrupted || ctx.Err() != nil {
				return errors.Join(ErrInterrupted, r.end("interrupted", ""))
			}
			if t.Status != results.TrialOK {
				failed++
			}
		}
		settled, err := r.settled(block + 1)
		if err != nil {
			return errors.Join(err, r.end("incomplete", err.Error()))
		}
		if settled {
			r.Run.Settled = block + 1
			return r.end("complete", fmt.Sprintf("what was asked for was settled after %d of %d blocks", block+1, r.spec.Blocks))
		}
	}
	if failed > 0 {
		return r.end("incomplete", failedTrials(failed))
	}
	return r.end("complete", "")
}

func failedTrials(n int) string {
	if n == 1 {
		return "1 trial failed"
	}
	return fmt.Sprintf("%d trials failed", n)
}

// missing reports whether a planned trial is still to be run. A run that was settled before its last block lacks none of those before.
func (r *run) missing(done map[string]bool) bool {
	blocks := r.spec.Order
	if r.Run.Settled > 0 {
		blocks = blocks[:min(r.Run.Settled, len(blocks))]
	}
	for block, order := range blocks {
		for _, name := range order {
			if !done[results.TrialName(block, name)] {
				return true
			}
		}
	}
	return false
}

// finished lists the trials that need not be run again, and counts those of them that failed. One that was interrupted is run again.
func (r *run) finished() (done map[string]bool, failed int, err error) {
	trials, err := r.dir.ReadTrials()
	if err != nil {
		return nil, 0, &UsageError{err}
	}
	done = map[string]bool{}
	for _, t := range trials {
		if t.Status == results.TrialInterrupted {
			continue
		}
		done[results.TrialName(t.Block, t.Arm)] = true
		if t.Status != results.TrialOK {
			failed++
		}
	}
	return done, failed, nil
}

// settled asks at a planned look, the last one excepted, whether more blocks would decide anything.
func (r *run) settled(blocks int) (bool, error) {
	if r.Settled == nil || blocks >= r.spec.Blocks {
		return false, nil
	}
	for _, look := range r.spec.Looks {
		if look == blocks {
			return r.Settled(r.Dir, blocks)
		}
	}
	return false, nil
}

func (r *run) end(status, reason string) error {
	now := time.Now().UTC()
	r.Run.Status, r.Run.Reason, r.Run.Ended = status, reason, &now
	if r.State != nil {
		r.Run.Environment.StateAfter = r.State()
	}
	return r.dir.WriteRun(&r.Run)
}

func (r *run) arm(name string) results.Arm {
	for _, a := range r.spec.Arms {
		if a.Name == name {
			return a
		}
	}
	return results.Arm{Name: name}
}

func (r *run) load(name string) results.Load {
	for _, l := range r.spec.Loads {
		if l.Name == name {
			return l
		}
	}
	return results.Load{Name: name}
}

func (r *run) variant(name string) *results.Variant {
	for i := range r.spec.Variants {
		if r.spec.Variants[i].Name == name {
			return &r.spec.Variants[i]
		}
	}
	return nil
}

// silent observes nothing.
type silent struct{}

func (silent) Note(string)                                {}
func (silent) Begin(*results.Run, int)                    {}
func (silent) TrialBegins(int, int, results.Arm)          {}
func (silent) TrialEvent(results.Arm, child.Event)        {}
func (silent) TrialEnds(int, results.Arm, *results.Trial) {}
