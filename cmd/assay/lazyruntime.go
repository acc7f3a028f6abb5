package main

import (
	"context"
	"sync"

	"assay/backend"
	"assay/backend/ort"
)

// lazyRuntime is the runtime in this process, loaded when a model is first opened: most quantizations need it in their worker alone.
type lazyRuntime struct {
	config ort.Config

	once   sync.Once
	loaded backend.Backend
	err    error
}

func (l *lazyRuntime) load() (backend.Backend, error) {
	l.once.Do(func() { l.loaded, l.err = ort.Open(l.config) })
	return l.loaded, l.err
}

// Open loads a model, and the runtime before the first.
func (l *lazyRuntime) Open(ctx context.Context, path string, o backend.Options) (backend.Session, error) {
	b, err := l.load()
	if err != nil {
		return nil, err
	}
	return b.Open(ctx, path, o)
}

// Info describes the loaded runtime, or says only where it would be loaded from.
func (l *lazyRuntime) Info() backend.Info {
	if l.loaded == nil {
		return backend.Info{Name: "onnxruntime", Library: l.config.Library, LibrarySHA256: l.config.SHA256}
	}
	return l.loaded.Info()
}

// Close closes what was loaded.
func (l *lazyRuntime) Close() error {
	if l.loaded == nil {
		return nil
	}
	return l.loaded.Close()
}
