package capacity

import (
	"math"
	"time"

	"assay/results"
	"assay/results/stats"
)

// measured is a probe with its samples.
type measured struct {
	results.Probe
	Samples
	latencies []float64 // seconds, in the order in which requests were due; +Inf for those that did not end well
}

func newMeasured(p results.Probe, s Samples) *measured {
	m := &measured{Probe: p, Samples: s, latencies: make([]float64, len(s.Rows))}
	for i := range s.Rows {
		m.latencies[i] = math.Inf(1)
		if r := &s.Rows[i]; r.Status == results.RequestOK {
			m.latencies[i] = float64(r.DoneNS-r.DueNS) / 1e9
		}
	}
	return m
}

func (m *measured) seconds() float64 { return float64(m.To-m.From) / 1e9 }

// rate is how many requests a second ended well within the window.
func (m *measured) served() float64 {
	n := 0
	for i := range m.Rows {
		if r := &m.Rows[i]; r.Status == results.RequestOK && r.DoneNS >= m.From && r.DoneNS <= m.To {
			n++
		}
	}
	return float64(n) / m.seconds()
}

// failed is how many calls failed. A request that timed out or was dropped is none of them: that depends on the rate.
func (m *measured) failed() int {
	n := 0
	for i := range m.Rows {
		if m.Rows[i].Status == results.RequestFailed {
			n++
		}
	}
	return n
}

// missed is how many requests missed an objective.
func (m *measured) missed(o results.SLO) int {
	if o.Metric == results.ErrorShare {
		return m.failed()
	}
	n := 0
	for _, l := range m.latencies {
		if l > o.AtMost.Seconds() {
			n++
		}
	}
	return n
}

// calls turns the requests into calls that can be replayed: how long each kept its server, and what it met when it began. A request that found
// a server free counts from when it was due, because what delays it then, waking up say, is part of what it takes.
func (m *measured) calls(servers int) []stats.Call {
	out := make([]stats.Call, 0, len(m.Rows))
	ends := make([]int64, 0, servers+1) // of the calls in progress
	for i := range m.Rows {
		r := &m.Rows[i]
		if r.StartedNS == results.Absent || r.DoneNS == results.Absent {
			continue
		}
		kept := ends[:0]
		for _, end := range ends {
			if end > r.StartedNS {
				kept = append(kept, end)
			}
		}
		c := stats.Call{Busy: min(len(kept), servers-1), Waited: r.IssuedNS == r.DueNS && r.StartedNS > r.DueNS, Failed: r.Status == results.RequestFailed}
		from := r.DueNS
		if c.Waited {
			from = r.StartedNS
		}
		c.Seconds = float64(r.DoneNS-from) / 1e9
		out, ends = append(out, c), append(kept, r.DoneNS)
	}
	return out
}

// overload holds the probe against the rule of stats.OverloadWatch. Requests that timed out before they were sent left the queue then.
func (m *measured) overload(timeout time.Duration) stats.Overload {
	w := stats.WatchOverload(m.seconds())
	for i := range m.Rows {
		r := &m.Rows[i]
		due := float64(r.DueNS-m.From) / 1e9
		switch {
		case r.Status == results.RequestTimeout && r.StartedNS == results.Absent:
			w.Leave(due, due+timeout.Seconds())
		case r.DoneNS == results.Absent:
			w.Add(due, math.Inf(1))
		default:
			w.Add(due, float64(r.DoneNS-m.From)/1e9)
		}
	}
	return w.Judge()
}
