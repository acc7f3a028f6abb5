package quantize

import (
	"context"

	"assay/backend"
)

// Looked is what the runtime says of a model that it has loaded.
type Looked struct {
	Inputs, Outputs []backend.ValueInfo
}

// looker loads a model, and unloads it again: for what the runtime says of it, or writes where the options name a file.
type looker func(ctx context.Context, path string, o backend.Options) (*Looked, error)

// Look loads a model with a backend of this process, and unloads it again.
func Look(ctx context.Context, be backend.Backend, path string, o backend.Options) (*Looked, error) {
	s, err := be.Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	defer trim()
	return &Looked{s.Inputs(), s.Outputs()}, s.Close()
}

// unloaded is an error of what may not have loaded and is a form of the user's model.
type unloaded struct{ error }

func (e unloaded) Unwrap() error { return e.error }

// lookWith is Look with one backend.
func lookWith(be backend.Backend) looker {
	return func(ctx context.Context, path string, o backend.Options) (*Looked, error) {
		return Look(ctx, be, path, o)
	}
}

// looker is where the request has models loaded.
func (q *Request) looker(be backend.Backend) looker {
	if q.Look != nil {
		return q.Look
	}
	return lookWith(be)
}
