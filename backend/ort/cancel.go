//go:build cgo && linux

package ort

/*
#include "bridge.h"
static struct OrtStatus* run_options(struct OrtRunOptions** o) { return ORT(CreateRunOptions)(o); }
static void run_options_release(struct OrtRunOptions* o) { ORT(ReleaseRunOptions)(o); }
static struct OrtStatus* terminate(struct OrtRunOptions* o) { return ORT(RunOptionsSetTerminate)(o); }
*/
import "C"

import (
	"context"
	"errors"
)

// onCancel calls f if ctx ends before stop is called; stop waits for a call under way.
func onCancel(ctx context.Context, f func()) (stop func()) {
	called := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(called)
		f()
	})
	return func() {
		if !cancel() {
			<-called
		}
	}
}

func newRunOptions() (*C.struct_OrtRunOptions, error) {
	var o *C.struct_OrtRunOptions
	err := check("make run options", C.run_options(&o))
	return o, err
}

func releaseRunOptions(o *C.struct_OrtRunOptions) { C.run_options_release(o) }

func setTerminate(o *C.struct_OrtRunOptions) error { return check("terminate", C.terminate(o)) }

// cancellable makes run options whose run ends with ctx and with Terminate.
func (s *Session) cancellable(ctx context.Context) (o *C.struct_OrtRunOptions, release func(), err error) {
	if o, err = newRunOptions(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	s.running[o] = true
	if s.terminated {
		err = setTerminate(o)
	}
	s.mu.Unlock()
	stop := onCancel(ctx, func() { _ = setTerminate(o) })
	release = func() {
		stop()
		s.mu.Lock()
		delete(s.running, o)
		s.mu.Unlock()
		releaseRunOptions(o)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return o, release, nil
}

// Terminate makes running and later requests fail: the runtime looks at its flag between two nodes of a model.
func (s *Session) Terminate() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.terminated = true
	err := setTerminate(s.options)
	for o := range s.running {
		err = errors.Join(err, setTerminate(o))
	}
	return err
}
