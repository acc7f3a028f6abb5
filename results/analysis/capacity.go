package analysis

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"assay/capacity"
	"assay/results"
)

// ProbeSamples reads what a probe's trial measured.
func ProbeSamples(dir results.Dir, p results.Probe) (capacity.Samples, error) {
	t, err := dir.ReadTrial(p.Block, p.Arm)
	if err != nil {
		return capacity.Samples{}, err
	}
	measure, ok := t.Phase("measure")
	if !ok {
		return capacity.Samples{}, fmt.Errorf("trial %s has no measured window", results.TrialName(p.Block, p.Arm))
	}
	s := capacity.Samples{From: measure.StartNS - t.StartNS, To: measure.EndNS - t.StartNS, Validity: t.Verdict, Reasons: t.Reasons}
	if late, ok := t.Lateness["p99"]; ok {
		s.Lateness = &late
	}
	s.Rows, err = results.ReadRequests(dir.RequestsFile(p.Block, p.Arm))
	if errors.Is(err, fs.ErrNotExist) && t.Counts.Scheduled == 0 { // no request came in so short a window
		return s, nil
	}
	return s, err
}

// judgeCapacity gives the answer of a search from the probes in its journal.
func (a *analyzer) judgeCapacity() error {
	p := a.spec.Capacity
	if p == nil {
		return nil
	}
	probes, err := capacity.Journal(a.dir.JournalFile()).Read()
	if err != nil {
		return err
	}
	arm := strings.TrimSuffix(p.Arm.Name, "."+p.Arm.Load)
	a.report.Capacity, err = capacity.Assess(*p, arm, probes, func(p results.Probe) (capacity.Samples, error) { return ProbeSamples(a.dir, p) })
	if err != nil {
		return fmt.Errorf("read the probes of the search: %w", err)
	}
	a.report.Verdict, a.report.Reasons = a.report.Capacity.Validity, a.report.Capacity.Reasons
	return nil
}
