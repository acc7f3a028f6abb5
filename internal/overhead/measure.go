//go:build cgo && linux

package main

/*
#cgo CFLAGS: -O2 -I${SRCDIR}/../../backend/ort
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "loops.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"assay/backend"
	"assay/backend/ort"
	"assay/tensor"
)

// chunkTime bounds a chunk: much shorter than a time slice of the scheduler, so that many chunks are undisturbed on a busy machine too.
const chunkTime = 200 * time.Microsecond

// path executes n requests and returns the time of all of them.
type path struct {
	name string
	run  func(n int) (time.Duration, error)
}

// sessions is how many copies of the model share the chunks: where their memory happens to lie makes one path or another up to a
// percent faster, and the best of several is free of that luck.
const sessions = 8

// measure times every path over the same sessions.
func measure(ctx context.Context, library, model string, chunks int) ([]result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if library == "" {
		return nil, errors.New("name the library with -library")
	}
	if model == "" {
		file, remove, err := reluModel()
		if err != nil {
			return nil, err
		}
		defer remove()
		model = file
	}
	b, err := ort.Open(ort.Config{Library: library})
	if err != nil {
		return nil, err
	}
	m := measurement{backend: b, library: library, model: model}
	defer m.close()
	for range sessions {
		if err := m.session(ctx, (chunks+sessions-1)/sessions); err != nil {
			return nil, err
		}
	}
	return m.results(), nil
}

// measurement gathers the chunks of all sessions, which stay open so that each lies elsewhere.
type measurement struct {
	backend        backend.Backend
	library, model string
	open           []interface{ Close() error }
	names          []string
	times          [][]float64 // nanoseconds a request, by path and chunk
	allocations    []float64
}

func (m *measurement) close() {
	for _, c := range slices.Backward(m.open) {
		c.Close()
	}
}

// session times the paths on a session of its own.
func (m *measurement) session(ctx context.Context, chunks int) error {
	s, err := m.backend.Open(ctx, m.model, backend.Options{IntraOpThreads: 1})
	if err != nil {
		return err
	}
	m.open = append(m.open, s)
	bound, err := s.Bind(zeros(s))
	if err != nil {
		return err
	}
	m.open = append(m.open, bound)
	paths, err := cPaths(m.library, s.(*ort.Session))
	if err != nil {
		return err
	}
	records := make([]record, 1<<14)
	paths = append(paths, path{"Assay, bare", bareRequests(bound)}, path{"Assay, stamped", stampedRequests(bound, records)})
	if m.times == nil {
		m.times, m.allocations = make([][]float64, len(paths)), make([]float64, len(paths))
		for _, p := range paths {
			m.names = append(m.names, p.name)
		}
	}
	if err := m.alternate(paths, chunks); err != nil {
		return err
	}
	for _, i := range []int{bare, stamped} {
		n, err := allocations(paths[i])
		if err != nil {
			return err
		}
		m.allocations[i] = max(m.allocations[i], n)
	}
	return nil
}

func (m *measurement) results() []result {
	out := make([]result, len(m.names))
	for i, name := range m.names {
		slices.Sort(m.times[i])
		out[i] = result{name: name, minimum: m.times[i][0], median: m.times[i][len(m.times[i])/2], allocations: m.allocations[i]}
	}
	return out
}

// zeros are the same inputs that the C loops take.
func zeros(s backend.Session) []tensor.Value {
	var feeds []tensor.Value
	for _, in := range s.Inputs() {
		shape := make([]int64, len(in.Dims))
		for i, d := range in.Dims {
			shape[i] = max(d.Size, 1)
			if d.Size == 0 {
				shape[i] = 0
			}
		}
		t, err := tensor.New(in.DType, shape...)
		if err != nil {
			t = nil // Bind says so, with the input's name
		}
		feeds = append(feeds, tensor.Of(t))
	}
	return feeds
}

func cPaths(library string, s *ort.Session) ([]path, error) {
	name := C.CString(library)
	defer C.free(unsafe.Pointer(name))
	loops := (*C.struct_loops)(C.calloc(1, C.sizeof_struct_loops)) // kept to the end of the process
	if problem := C.loops_open(name, s.Pointer(), loops); problem != nil {
		return nil, fmt.Errorf("prepare the C loops: %s", C.GoString(problem))
	}
	run := func(name string, loop func(n C.int, ns *C.int64_t) *C.char) path {
		return path{name, func(n int) (time.Duration, error) {
			var ns C.int64_t
			if problem := loop(C.int(n), &ns); problem != nil {
				return 0, fmt.Errorf("%s: %s", name, C.GoString(problem))
			}
			return time.Duration(ns), nil
		}}
	}
	return []path{
		run("C Run", func(n C.int, ns *C.int64_t) *C.char { return C.loops_run(loops, n, ns) }),
		run("C RunWithBinding", func(n C.int, ns *C.int64_t) *C.char { return C.loops_binding(loops, n, ns) }),
	}, nil
}

// record is what a load generator keeps of a request: 40 bytes.
type record struct {
	due, issued, started, done int64
	input                      int32
	status                     uint8
	_                          [3]byte
}

func bareRequests(b backend.Bound) func(n int) (time.Duration, error) {
	return func(n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			if err := b.Run(); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
}

func stampedRequests(b backend.Bound, records []record) func(n int) (time.Duration, error) {
	base := time.Now()
	next := 0
	return func(n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			issued := int64(time.Since(base))
			err := b.Run()
			done := int64(time.Since(base))
			if err != nil {
				return 0, err
			}
			records[next%len(records)] = record{due: issued, issued: issued, started: issued, done: done, status: 1}
			next++
		}
		return time.Since(start), nil
	}
}

// alternate runs a chunk of each path in turn, each round beginning with another one.
func (m *measurement) alternate(paths []path, chunks int) error {
	n, err := chunkSize(paths)
	if err != nil {
		return err
	}
	for round := range chunks {
		for i := range paths {
			i = (i + round) % len(paths)
			took, err := paths[i].run(n)
			if err != nil {
				return err
			}
			m.times[i] = append(m.times[i], float64(took)/float64(n))
		}
	}
	return nil
}

// chunkSize is how many requests of the slowest path fit into a chunk, at least one.
func chunkSize(paths []path) (int, error) {
	slowest := time.Duration(1)
	for _, p := range paths {
		best := time.Duration(1 << 62)
		for range 100 {
			took, err := p.run(1)
			if err != nil {
				return 0, err
			}
			best = min(best, took)
		}
		slowest = max(slowest, best)
	}
	return max(1, int(chunkTime*9/10/slowest)), nil
}

// allocations counts those of Go in a path's requests: the fewest of some rounds. A path that allocates does so in each; what the Go runtime
// allocates for itself meanwhile is counted too, and does not come in each.
func allocations(p path) (float64, error) {
	const requests, rounds = 1000, 5
	fewest := math.Inf(1)
	var before, after runtime.MemStats
	for range rounds {
		runtime.ReadMemStats(&before)
		_, err := p.run(requests)
		runtime.ReadMemStats(&after)
		if err != nil {
			return 0, err
		}
		fewest = min(fewest, float64(after.Mallocs-before.Mallocs)/requests)
	}
	return fewest, nil
}
