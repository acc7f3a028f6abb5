package quantize

import (
	"context"
	"sync"

	"assay/tensor"
)

// mostRunners bounds how many examples are computed at a time, and so the memory: each has the activations of one example.
const mostRunners = 8

// abreast has examples computed some at a time. They are begun in order, and those begun are finished, so that the first that fails is the same
// one every time.
type abreast struct {
	// draw gives the feeds of example i, and false where there are no more. It is called by one goroutine at a time, with i in order.
	draw func(i int) ([]tensor.Value, bool, error)
	// compute works on example i, beside others.
	compute func(i int, feeds []tensor.Value) error
	// finished, where not nil, is told how many examples are done, by one goroutine at a time.
	finished func(done int)

	mu     sync.Mutex // of what follows, and of calls of draw and finished
	next   int
	done   int
	over   bool
	failed int // the first example that failed
	err    error
}

// run computes examples until there are no more, or one has failed. It returns how many were computed.
func (a *abreast) run(ctx context.Context, runners int) (int, error) {
	var wg sync.WaitGroup
	for range runners {
		wg.Go(func() { a.work(ctx) })
	}
	wg.Wait()
	return a.done, a.err
}

func (a *abreast) work(ctx context.Context) {
	for {
		i, feeds, ok := a.take(ctx)
		if !ok {
			return
		}
		err := a.compute(i, feeds)
		a.mu.Lock()
		if err != nil {
			a.fail(i, err)
		} else if a.done++; a.finished != nil {
			a.finished(a.done)
		}
		a.mu.Unlock()
	}
}

// take gives the next example.
func (a *abreast) take(ctx context.Context) (i int, feeds []tensor.Value, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over || a.err != nil {
		return 0, nil, false
	}
	i = a.next
	if err := ctx.Err(); err != nil {
		a.fail(i, err)
		return 0, nil, false
	}
	feeds, more, err := a.draw(i)
	if err != nil {
		a.fail(i, err)
		return 0, nil, false
	}
	a.next, a.over = i+1, !more
	return i, feeds, more
}

// fail keeps the error of the first example that failed. The lock is held.
func (a *abreast) fail(i int, err error) {
	if a.err == nil || i < a.failed {
		a.err, a.failed = err, i
	}
}
