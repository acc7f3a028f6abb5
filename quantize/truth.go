package quantize

import (
	"context"
	"fmt"
	"runtime"

	"assay/backend"
	"assay/tensor"
)

// truth is what the original gives on examples.
type truth struct {
	inputs, outputs []backend.ValueInfo
	kept            *kept
	err             error
}

// originalLevel is the level of optimisation at which the original runs. From layout on the runtime copies the weights of convolutions into an order of
// their own, which takes more time than the few runs save, and more memory than anything else in a trial.
const originalLevel = "basic"

// openOriginal opens the model whose outputs others are compared with.
func openOriginal(ctx context.Context, be backend.Backend, path string) (backend.Session, error) {
	return be.Open(ctx, path, originalOptions(runtime.GOMAXPROCS(0)))
}

func originalOptions(threads int) backend.Options {
	return cpuOptions(originalLevel, threads, nil)
}

// run opens the original, runs it on the examples, and unloads it. Errors of it are InputErrors.
func (u *truth) run(ctx context.Context, t *Trial) (err error) {
	cores := runtime.GOMAXPROCS(0)
	runners := min(cores, mostRunners, t.most)
	s, err := t.be.Open(ctx, t.original, originalOptions(cores/runners)) // examples side by side take less time than one on all cores after the other
	if err != nil {
		return unloadedOriginal(err)
	}
	defer trim()
	defer s.Close()
	if u.kept, err = newKept(); err != nil {
		return err
	}
	u.inputs, u.outputs = s.Inputs(), s.Outputs()
	examples := abreast{
		draw:    func(i int) ([]tensor.Value, bool, error) { return u.draw(t, i) },
		compute: func(i int, feeds []tensor.Value) error { return u.example(ctx, s, i, feeds) },
	}
	_, err = examples.run(ctx, runners)
	return err
}

// draw gives example i, up to the most that are compared.
func (u *truth) draw(t *Trial, i int) ([]tensor.Value, bool, error) {
	if i >= t.most {
		return nil, false, nil
	}
	feeds, more, err := t.examples(u.inputs, i)
	if err != nil {
		return nil, false, &InputError{Err: fmt.Errorf("example %d: %w", i, err)}
	}
	return feeds, more, nil
}

// example runs example i.
func (u *truth) example(ctx context.Context, s backend.Session, i int, feeds []tensor.Value) error {
	outputs, err := s.Run(ctx, feeds)
	if err != nil {
		return &InputError{Err: fmt.Errorf("the original does not run on example %d: %w", i, err), Ran: true}
	}
	return u.kept.put(i, outputs)
}
