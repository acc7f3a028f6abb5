package quantize

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"assay/backend"
)

// truth is what the original gives on examples.
type truth struct {
	inputs, outputs []backend.ValueInfo
	kept            *kept
	err             error
}

// run opens the original, runs it on examples, on a few at least and on more while that is quick, and unloads it.
func (u *truth) run(ctx context.Context, t *Trial) (err error) {
	s, err := t.be.Open(ctx, t.original, backend.Options{Provider: backend.Provider{Name: "cpu"}, IntraOpThreads: runtime.GOMAXPROCS(0)})
	if err != nil {
		return fmt.Errorf("open the original: %w", err)
	}
	defer trim()
	defer s.Close()
	if u.kept, err = newKept(); err != nil {
		return err
	}
	u.inputs, u.outputs = s.Inputs(), s.Outputs()
	begun := time.Now()
	for i := 0; i < manyCompared && (i < t.Least || time.Since(begun) < t.Time/2); i++ {
		if more, err := u.example(ctx, t, s, i); err != nil {
			return fmt.Errorf("example %d: %w", i, err)
		} else if !more {
			return nil
		}
	}
	return nil
}

// example runs one example, false where there are no more.
func (u *truth) example(ctx context.Context, t *Trial, s backend.Session, i int) (bool, error) {
	feeds, more, err := t.examples(u.inputs, i)
	if err != nil || !more {
		return false, err
	}
	outputs, err := s.Run(ctx, feeds)
	if err != nil {
		return false, fmt.Errorf("run the original: %w", err)
	}
	return true, u.kept.add(outputs)
}
