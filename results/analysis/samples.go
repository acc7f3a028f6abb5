package analysis

import (
	"errors"
	"io/fs"
	"math"
	"slices"

	"assay/results"
)

// mostForeseen bounds what a trial's record may have set aside for its requests; more of them grow the slices.
const mostForeseen = 1 << 26

// instants are what a trial's requests took, nanoseconds, in the order in which they were due.
type instants struct{ latency, service, wait []int64 }

func (a *analyzer) readSamples(t *trialData) error {
	if t.Status != results.TrialOK {
		return nil
	}
	foreseen := min(max(t.Counts.OK, 0), mostForeseen)
	took := instants{make([]int64, 0, foreseen), make([]int64, 0, foreseen), make([]int64, 0, foreseen)}
	objectives := a.objectivesOf(t.Arm)
	if objectives != nil {
		t.due = make([]float64, 0, min(max(t.Counts.Scheduled, 0), mostForeseen))
	}
	withGaps := a.queues(a.arms[t.Arm].spec.Load)
	measure, _ := t.Phase("measure")
	from, to := measure.StartNS-t.StartNS, measure.EndNS-t.StartNS
	ended := int64(math.MinInt64)
	err := results.ScanRequests(a.dir.RequestsFile(t.Block, t.Arm), func(rows []results.Request) error {
		for i := range rows {
			r := &rows[i]
			if r.Status != results.RequestOK {
				if objectives != nil {
					t.due = append(t.due, math.Inf(1))
				}
				continue
			}
			latency, service, within := r.DoneNS-r.DueNS, r.DoneNS-r.StartedNS, r.DoneNS >= from && r.DoneNS <= to
			if objectives != nil {
				t.due = append(t.due, float64(latency)/1e9)
				if within && keepsAll(objectives, latency) {
					t.good++
				}
			}
			took.latency, took.service, took.wait = append(took.latency, latency), append(took.service, service), append(took.wait, r.StartedNS-r.DueNS)
			if withGaps && ended > math.MinInt64 {
				t.gaps.add(r.StartedNS-ended, service)
			}
			ended = max(ended, r.DoneNS)
			if within {
				t.done++
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		t.Status, t.Reason = results.TrialFailed, missing(&t.Trial)
		return nil
	}
	t.reduce(took)
	return err
}

// missing says why a trial has no samples.
func missing(t *results.Trial) string {
	if t.Status == results.TrialOK && t.Counts.Scheduled == 0 {
		return "no request was due in its window; raise the rate or the duration"
	}
	return "its samples are missing"
}

// reduce classes the trial while its service times are in their order, and then puts all times in ascending order. They are sorted as whole
// nanoseconds, which needs no comparisons.
func (t *trialData) reduce(took instants) {
	t.service = appendSeconds(nil, took.service)
	t.classify()
	scratch := make([]int64, len(took.latency))
	for _, c := range []struct {
		took []int64
		to   *[]float64
	}{{took.latency, &t.latency}, {took.service, &t.service}, {took.wait, &t.wait}} {
		sortIntegers(c.took, scratch)
		*c.to = appendSeconds((*c.to)[:0], c.took)
	}
}

func appendSeconds(to []float64, ns []int64) []float64 {
	to = slices.Grow(to, len(ns))
	for _, v := range ns {
		to = append(to, float64(v)/1e9)
	}
	return to
}
