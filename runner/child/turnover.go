package child

import "assay/results"

// The most that a worker's own work between two calls (stamps, the record, the next request's number) may take to count as part of the
// service: nanoseconds, or this share of the service. Every request behind a queue pays it, as it would in any server; in a queue of thousands
// it adds up to milliseconds, which are the queue's and no stop of the process.
const (
	usualTurnover      = 1000
	usualTurnoverShare = 0.01
)

// turnovers tells how long the worker that takes a waiting request needed since its last call. It takes requests in the order in which they
// were due.
type turnovers struct{ ends []int64 } // of each worker's last call

func newTurnovers(free []int64) *turnovers { return &turnovers{append([]int64(nil), free...)} }

// add gives the nanoseconds between a call and the one before on its worker as far as they are usual; 0 where the worker had been waiting for the
// request.
func (t *turnovers) add(r results.Request) int64 {
	last := 0 // the worker that was free last before the call began
	for w, end := range t.ends {
		if end <= r.StartedNS && (end > t.ends[last] || t.ends[last] > r.StartedNS) {
			last = w
		}
	}
	end := t.ends[last]
	t.ends[last] = r.DoneNS
	if r.DueNS >= end {
		return 0
	}
	return min(max(r.StartedNS-end, 0), max(usualTurnover, int64(usualTurnoverShare*float64(r.DoneNS-r.StartedNS))))
}
