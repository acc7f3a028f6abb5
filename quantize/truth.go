package quantize

import (
	"context"
	"fmt"
	"runtime"

	"assay/backend"
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
	return be.Open(ctx, path, originalOptions())
}

func originalOptions() backend.Options {
	return cpuOptions(originalLevel, runtime.GOMAXPROCS(0), nil)
}

// run opens the original, runs it on the examples, and unloads it. Errors of it are InputErrors.
func (u *truth) run(ctx context.Context, t *Trial) (err error) {
	s, err := openOriginal(ctx, t.be, t.original)
	if err != nil {
		return unloadedOriginal(err)
	}
	defer trim()
	defer s.Close()
	if u.kept, err = newKept(); err != nil {
		return err
	}
	u.inputs, u.outputs = s.Inputs(), s.Outputs()
	for i := range t.most {
		if more, err := u.example(ctx, t, s, i); err != nil || !more {
			return err
		}
	}
	return nil
}

// example runs one example, false where there are no more.
func (u *truth) example(ctx context.Context, t *Trial, s backend.Session, i int) (bool, error) {
	feeds, more, err := t.examples(u.inputs, i)
	if err != nil {
		return false, &InputError{Err: fmt.Errorf("example %d: %w", i, err)}
	} else if !more {
		return false, nil
	}
	outputs, err := s.Run(ctx, feeds)
	if err != nil {
		return false, &InputError{Err: fmt.Errorf("the original does not run on example %d: %w", i, err), Ran: true}
	}
	return true, u.kept.add(outputs)
}
