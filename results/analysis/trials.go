package analysis

import (
	"assay/results"
	"assay/results/stats"
)

// trialData is a trial with its samples reduced to what every figure needs.
type trialData struct {
	results.Trial
	latency, service, wait []float64 // of requests that ended well, seconds, ascending
	due                    []float64 // latencies of all requests in the order in which they were due, +Inf for those that did not end well; where there are objectives
	good                   int       // requests done within measure that keep every objective on latency
	done                   int       // requests done within measure
	batch                  int
	steady                 string  // class of its service times
	swing                  float64 // their highest level over their lowest
	gaps                   gaps
}

// inferences are the examples done within measure.
func (t *trialData) inferences() int { return t.done * t.batch }

func (t *trialData) seconds() float64 {
	p, _ := t.Phase("measure")
	return p.Seconds()
}

// ok reports whether the trial gives figures: it ended well and its samples are there.
func (t *trialData) ok() bool { return t.Status == results.TrialOK && t.seconds() > 0 }

// armData is an arm's trials that give figures.
type armData struct {
	spec   *results.Arm
	trials []*trialData
	failed []*trialData
}

// readTrials reads every trial of the plan's arms, its samples included.
func (a *analyzer) readTrials() error {
	trials, err := a.dir.ReadTrials()
	if err != nil {
		return err
	}
	for i := range a.spec.Arms {
		a.arms[a.spec.Arms[i].Name] = &armData{spec: &a.spec.Arms[i]}
	}
	a.trials = make([]trialData, 0, len(trials))
	for _, t := range trials {
		arm := a.arms[t.Arm]
		if arm == nil {
			continue
		}
		a.trials = append(a.trials, trialData{Trial: t, batch: arm.spec.Batch * a.queried(arm.spec.Load)})
		d := &a.trials[len(a.trials)-1]
		if err := a.readSamples(d); err != nil {
			return err
		}
		if d.ok() {
			arm.trials = append(arm.trials, d)
		} else {
			arm.failed = append(arm.failed, d)
		}
	}
	return nil
}

// queried is how many samples a request of a load is.
func (a *analyzer) queried(load string) int {
	for _, l := range a.spec.Loads {
		if l.Name == load {
			return l.Queried()
		}
	}
	return 1
}

// queues reports whether a trial's requests come at instants of their own, with gaps between them.
func (a *analyzer) queues(load string) bool {
	for _, l := range a.spec.Loads {
		if l.Name == load {
			return l.Scenario == "server"
		}
	}
	return false
}

// quantileLevels is the grid on which a trial's latency distribution is kept for charts.
var quantileLevels = []float64{0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1}

func (a *analyzer) trialPoints() []results.TrialPoint {
	points := make([]results.TrialPoint, 0, len(a.trials))
	first := int64(0)
	for i := range a.trials {
		if t := &a.trials[i]; t.StartNS != 0 && (first == 0 || t.StartNS < first) {
			first = t.StartNS
		}
	}
	for i := range a.trials {
		t := &a.trials[i]
		p := results.TrialPoint{Block: t.Block, Position: t.Position, Arm: t.Arm, Status: t.Status, Reason: t.Reason, Requests: len(t.latency),
			Verdict: t.Verdict, Reasons: t.Reasons, Certificate: t.Certificate, Steady: t.steady}
		if len(t.Phases) > 0 {
			p.StartSeconds = float64(t.Phases[0].StartNS-first) / 1e9
			p.EndSeconds = float64(t.Phases[len(t.Phases)-1].EndNS-first) / 1e9
		}
		if t.ok() && len(t.latency) > 0 {
			p.RequestsPerSecond = float64(t.done) / t.seconds()
			p.QuantileLevels = quantileLevels
			for _, level := range quantileLevels {
				p.LatencySeconds = append(p.LatencySeconds, stats.Quantile(t.latency, level))
			}
		}
		points = append(points, p)
	}
	return points
}
