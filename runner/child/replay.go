package child

import (
	"assay/loadgen"
	"assay/results"
)

// replay serves the requests of an open load in the ideal queue, in the times that were measured, and keeps by how much longer each of them
// really waited. Requests come in the order in which they were due.
type replay struct {
	single      *loadgen.Oracle
	turnovers   *turnovers
	batched     *loadgen.BatchOracle // nil where requests are sent by themselves
	batch       []results.Request    // of the batch that is not complete yet
	unexplained loadgen.Spread
}

func newReplay(b loadgen.Batching, free []int64) *replay {
	r := &replay{single: loadgen.NewOracle(free...), turnovers: newTurnovers(free)}
	if b.Max > 1 {
		r.batched = loadgen.NewBatchOracle(b, free...)
	}
	return r
}

// add takes a request that was sent and came back.
func (p *replay) add(r results.Request) {
	if p.batched == nil {
		turnover := p.turnovers.add(r) // which the queue behind the request waits for as it does for the service
		p.unexplained.Add(r.StartedNS - r.DueNS - turnover - p.single.Wait(r.DueNS, turnover+r.DoneNS-r.StartedNS))
		return
	}
	if n := len(p.batch); n > 0 && (p.batch[n-1].StartedNS != r.StartedNS || p.batch[n-1].DoneNS != r.DoneNS) {
		p.flush()
	}
	p.batch = append(p.batch, r)
}

// flush serves the batch that was gathered. A member that was due after the batch should have started has waited since it was due. One that began in warm-up is not judged: when its first member was due is not on record.
func (p *replay) flush() {
	n := len(p.batch)
	if n == 0 {
		return
	}
	batch := p.batch
	first, last := batch[0], batch[n-1]
	p.batch = batch[:0]
	if n < int(first.Batch) {
		p.batched.Start(first.StartedNS, first.StartedNS, int(first.Batch), first.DoneNS-first.StartedNS)
		return
	}
	expected := p.batched.Start(first.DueNS, last.DueNS, n, first.DoneNS-first.StartedNS)
	for _, r := range batch {
		p.unexplained.Add(r.StartedNS - max(expected, r.DueNS))
	}
}
