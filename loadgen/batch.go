package loadgen

import (
	"sync/atomic"
	"time"
)

// Batching puts requests of an open load together before they are sent, as model servers do: a free worker sends what is waiting as soon
// as Max requests do or the first of them has waited for Delay, whichever comes first. Requests stay single in the records: each keeps its
// own four instants, and the size of the batch that it was sent in. The zero value sends each by itself.
type Batching struct {
	Max   int
	Delay time.Duration
}

// A BatchTarget performs several requests in one call. DoBatch is called like Do; it must not keep inputs.
type BatchTarget interface {
	Target
	DoBatch(worker int, inputs []int32) error
}

// closes is when a batch that begins with entry i of the schedule is complete: with its last member, or when its first has waited enough.
// The schedule is known beforehand, so this is the instant at which a batcher that sees requests as they come would close it.
func (g *generator) closes(i int64) int64 {
	at := g.cfg.Schedule[i] + int64(g.cfg.Batching.Delay)
	if last := i + int64(g.cfg.Batching.Max) - 1; last < g.lastSlot {
		at = min(at, g.cfg.Schedule[last])
	}
	return g.base + at
}

// workBatched takes turns with the other workers at forming a batch: nobody else may take what a batch that is not closed yet would.
func (g *generator) workBatched(worker int) {
	inputs := make([]int32, 0, g.cfg.Batching.Max)
	for !g.gone.Load() {
		b, ok := g.form(inputs)
		if !ok {
			return
		}
		if len(b.inputs) > 0 {
			g.performBatch(worker, b)
		}
	}
}

// batch is requests that are sent together: entries of the schedule from first on, recorded from slot on where they belong to measure.
type batch struct {
	inputs   []int32
	entry    int64 // of the first
	slot     int64 // of the first that is recorded
	recorded int64
	started  int64
}

// form waits until a batch is closed and takes its members. It returns false at the schedule's end. A batch without members is nothing to
// send: its requests were passed over.
func (g *generator) form(inputs []int32) (b batch, ok bool) {
	<-g.turn
	defer func() { g.turn <- struct{}{} }()
	i := g.next.Load()
	if i >= g.lastSlot || g.gone.Load() {
		return b, false
	}
	closes := g.closes(i)
	now, late := g.cfg.Clock.Now(), int64(0)
	if now < closes {
		g.waitUntil(closes) // an interrupt closes the batch at once
		now = g.cfg.Clock.Now()
		late = max(0, now-closes)
	}
	if due := g.base + g.cfg.Schedule[i]; due > now || i >= g.first && due >= g.end.Load() {
		return b, false
	}
	b = batch{inputs: inputs[:0], entry: i, started: now}
	for ; i < g.lastSlot && len(b.inputs) < g.cfg.Batching.Max && g.base+g.cfg.Schedule[i] <= now; i++ {
		due := g.base + g.cfg.Schedule[i]
		if i >= g.first && due >= g.end.Load() {
			break
		}
		if i < g.first {
			if g.passWarmup(i, now) {
				continue
			}
			g.warm.Add(1)
			b.inputs = append(b.inputs, g.input(i))
			continue
		}
		rec := g.records.slot(i - g.first)
		if rec == nil {
			g.giveUp()
			return b, false
		}
		rec.due, rec.started, rec.input = due, now, g.input(i)
		rec.issued = min(now, due+late) // a batch that is closed late makes all of its members late
		if g.pass(rec, now) {           // those that are passed over have waited longest, so they stand in front of the members
			continue
		}
		if b.recorded == 0 {
			b.slot = i - g.first
		}
		b.recorded++
		b.inputs = append(b.inputs, rec.input)
	}
	g.next.Store(i)
	return b, true
}

// performBatch makes one call for all members of a batch.
func (g *generator) performBatch(worker int, b batch) {
	c := &g.calls[worker]
	if b.recorded == 0 {
		c.warm.Store(max(b.started, 1))
	} else {
		c.count.Store(b.recorded)
		c.slot.Store(b.slot + 1)
	}
	err := g.batches.DoBatch(worker, b.inputs)
	done := g.cfg.Clock.Now()
	if err != nil {
		g.note(err)
	}
	if g.gone.Load() {
		return
	}
	c.warm.Store(0)
	if b.recorded == 0 {
		g.free[worker] = done
	}
	for i := range int64(len(b.inputs)) - b.recorded { // members of warm-up stand in front
		g.carry(b.entry+i, done)
	}
	for slot := b.slot; slot < b.slot+b.recorded; slot++ {
		rec := &g.records.slots[slot]
		rec.batch = uint16(len(b.inputs))
		rec.status = g.status(rec, done, err)
		atomic.StoreInt64(&rec.done, done)
	}
}

// BatchOracle says when the batches of a first-come first-served batcher start, given what they hold and how long their calls take. It is
// not safe for concurrent use.
type BatchOracle struct {
	batching Batching
	free     *Oracle
}

// NewBatchOracle returns the oracle of a batcher in front of as many servers as instants are given, each free from then on.
func NewBatchOracle(b Batching, free ...int64) *BatchOracle {
	return &BatchOracle{batching: b, free: NewOracle(free...)}
}

// Start returns when the next batch of so many requests starts: when it is closed and a server is free. first and last are when its first
// and its last member are due.
func (o *BatchOracle) Start(first, last int64, size int, service int64) int64 {
	closes := first + int64(o.batching.Delay)
	if size >= o.batching.Max {
		closes = min(closes, last)
	}
	return closes + o.free.Wait(closes, service)
}
