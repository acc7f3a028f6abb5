package child

import (
	"fmt"
	"slices"

	"assay/backend"
	"assay/loadgen"
	"assay/results"
	"assay/tensor"
)

// gatherer is a bound request whose inputs can be written anew before each call.
type gatherer interface {
	// InputBytes returns the memory of an input as the runtime reads it, nil where it keeps a copy elsewhere.
	InputBytes(input int) []byte
}

// batchTarget runs the batches of one worker: one bound request for each size. Where the runtime reads inputs in place, the rows of a
// batch's members are gathered into it first, as a server does, and that is part of the call.
type batchTarget struct {
	sizes []backend.Bound // by size, from 1
	rows  [][]row         // [input of a request][input of the model]; nil where nothing is gathered
}

// row is one request's part of a batch's input.
type row struct {
	data []byte // of one request; nil where the input has no batch axis
	into [][]byte
}

func (t *batchTarget) run(inputs []int32) error {
	size := len(inputs)
	if t.rows != nil {
		for place, input := range inputs {
			for _, r := range t.rows[input] {
				if r.data != nil {
					copy(r.into[size-1][place*len(r.data):], r.data)
				}
			}
		}
	}
	return t.sizes[size-1].Run()
}

func (t *trial) batching() loadgen.Batching {
	return loadgen.Batching{Max: t.config.Load.BatchMax, Delay: t.config.Load.BatchDelay}
}

// bindBatches prepares a request of every size for every worker. feeds are those of single requests.
func (t *trial) bindBatches(s backend.Session, target *boundTarget, feeds [][]tensor.Value) error {
	if err := sameShapes(s.Inputs(), feeds[:target.inputs]); err != nil {
		return err
	}
	made := t.out.Inputs
	bySize := make([][]tensor.Value, t.config.Load.BatchMax)
	for i := range bySize {
		batch, err := t.feeds(s, i+1)
		if err != nil {
			return err
		}
		bySize[i] = batch[0]
	}
	t.out.Inputs = made
	gathered := true
	for range t.workers() {
		b := &batchTarget{}
		for _, feed := range bySize {
			bound, err := s.Bind(feed)
			if err != nil {
				return fmt.Errorf("prepare a batch: %w", err)
			}
			b.sizes = append(b.sizes, bound)
		}
		if err := b.gather(s.Inputs(), feeds[:target.inputs], bySize); err != nil {
			return err
		}
		gathered = gathered && b.rows != nil
		target.batches = append(target.batches, b)
	}
	if !gathered {
		t.out.Notes = append(t.out.Notes, "batching: the runtime keeps its inputs elsewhere, so rows are not gathered and every batch of a size has the same inputs")
	}
	return nil
}

// gather finds where each request's rows go in the batches of every size.
func (b *batchTarget) gather(inputs []backend.ValueInfo, feeds, bySize [][]tensor.Value) error {
	into := make([][][]byte, len(inputs)) // [input][size - 1]
	for k := range inputs {
		for i, bound := range b.sizes {
			g, ok := bound.(gatherer)
			if !ok || g.InputBytes(k) == nil {
				return nil
			}
			into[k] = append(into[k], g.InputBytes(k))
			if err := stacks(inputs[k].Name, feeds[0][k], bySize[i][k], i+1); err != nil {
				return err
			}
		}
	}
	b.rows = make([][]row, len(feeds))
	for f, feed := range feeds {
		b.rows[f] = make([]row, len(inputs))
		for k := range inputs {
			if batched := len(b.sizes) > 1 && len(into[k][1]) == 2*len(into[k][0]); batched {
				b.rows[f][k] = row{data: feed[k].Tensor.Data, into: into[k]}
			}
		}
	}
	return nil
}

// stacks checks that a batch's input is those of its members one after the other, or the same for any number of them.
func stacks(name string, one, many tensor.Value, size int) error {
	a, b := one.Tensor, many.Tensor
	switch {
	case a == nil || b == nil || slices.Equal(a.Shape, b.Shape):
		return nil
	case len(a.Shape) == len(b.Shape) && b.Shape[0] == int64(size)*a.Shape[0] && slices.Equal(a.Shape[1:], b.Shape[1:]):
		return nil
	}
	return usage("input %s has shape %v for one request and %v for %d; batching needs the batch axis in front", name, a.Shape, b.Shape, size)
}

// sameShapes refuses requests whose inputs differ in shape: they have no batch in common.
func sameShapes(inputs []backend.ValueInfo, feeds [][]tensor.Value) error {
	for _, feed := range feeds[1:] {
		for k := range inputs {
			if a, b := feeds[0][k].Tensor, feed[k].Tensor; a != nil && b != nil && !slices.Equal(a.Shape, b.Shape) {
				return usage("input %s has shape %v in one request and %v in another; batching puts requests of one shape together", inputs[k].Name, a.Shape, b.Shape)
			}
		}
	}
	return nil
}

// batched sums up the batches that were sent, for the trial's record.
func (t *trial) batched() {
	l := t.config.Load
	if l.BatchMax == 0 {
		return
	}
	sizes := make([]int, l.BatchMax)
	read := t.records.Reader(1)
	rows := make([]results.Request, 4096)
	for n, _ := read(rows); n > 0; n, _ = read(rows) {
		for _, r := range rows[:n] {
			if r.StartedNS != results.Absent {
				sizes[min(int(r.Batch), l.BatchMax)-1]++
			}
		}
	}
	out := &results.Batches{Max: l.BatchMax, DelayNS: int64(l.BatchDelay), RequestsBySize: sizes}
	requests := 0
	for i, n := range sizes {
		requests += n
		out.Batches += float64(n) / float64(i+1)
	}
	if out.Batches > 0 {
		out.MeanSize = float64(requests) / out.Batches
	}
	t.out.Batching = out
}
