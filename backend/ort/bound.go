//go:build cgo && linux

package ort

/*
#cgo noescape assay_bound_run
#cgo nocallback assay_bound_run
#include <stdlib.h>
#include "bridge.h"

static struct assay_bound* bound_new(void) { return calloc(1, sizeof(struct assay_bound)); }
static struct OrtStatus* new_binding(struct OrtSession* s, struct OrtIoBinding** b) { return ORT(CreateIoBinding)(s, b); }
static struct OrtStatus* bind_input(struct OrtIoBinding* b, const char* name, struct OrtValue* v) { return ORT(BindInput)(b, name, v); }
static struct OrtStatus* bind_output(struct OrtIoBinding* b, const char* name, struct OrtValue* v) { return ORT(BindOutput)(b, name, v); }
static struct OrtStatus* bind_device(struct OrtIoBinding* b, const char* name, struct OrtMemoryInfo* m) { return ORT(BindOutputToDevice)(b, name, m); }
static struct OrtStatus* bound_values(struct OrtIoBinding* b, struct OrtAllocator* a, struct OrtValue*** v, size_t* n) {
	return ORT(GetBoundOutputValues)(b, a, v, n);
}
static void release_binding(struct OrtIoBinding* b) { ORT(ReleaseIoBinding)(b); }
static struct OrtStatus* free_list(struct OrtAllocator* a, void* p) { return ORT(AllocatorFree)(a, p); }
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"assay/backend"
	"assay/tensor"
)

// Bound is a prepared request.
type Bound struct {
	s    *Session
	b    *C.struct_assay_bound
	mode string
}

// How a request's outputs come about, the cheapest first.
const (
	Preallocated = "preallocated" // written into memory that is there before the request
	Allocated    = "allocated"    // bound to the host; the runtime allocates them in each request
	Plain        = "plain"        // a plain run, inputs copied to the device in each request
)

// Mode says how the request's outputs come about: Preallocated, Allocated or Plain.
func (r *Bound) Mode() string { return r.mode }

// Bind copies the feeds into the runtime's memory and runs the model once to learn the outputs' shapes. Where every output is a plain
// tensor, requests write into preallocated outputs through an IoBinding; where the runtime refuses that, or an output is a sequence, a
// map or strings, it allocates outputs itself.
func (s *Session) Bind(feeds []tensor.Value) (backend.Bound, error) {
	in, err := s.newFeeds(feeds)
	if err != nil {
		return nil, err
	}
	b := C.bound_new()
	b.session, b.options = s.session, s.options
	b.input_names, b.output_names = unsafe.SliceData(s.inputNames), unsafe.SliceData(s.outputNames)
	b.inputs, b.input_count = unsafe.SliceData(in), C.size_t(len(in))
	out := cArray[*C.struct_OrtValue](len(s.outputs))
	b.outputs, b.output_count = unsafe.SliceData(out), C.size_t(len(out))
	b.mode = C.ASSAY_PLAIN
	bound := &Bound{s: s, b: b, mode: Plain}
	if err := s.run(b.options, in, out); err != nil {
		bound.Close()
		return nil, err
	}
	switch {
	case bound.preallocate(out):
		bound.mode = Preallocated
	case bound.leaveToRuntime():
		bound.mode = Allocated
	}
	return bound, nil
}

// InputBytes returns the memory of an input, which may be written between runs to change what the next one reads: the CPU provider reads
// inputs where they are. It is nil for strings, for what is no tensor, and for other providers, which copied the input when it was bound.
func (r *Bound) InputBytes(input int) []byte {
	if r.s.provider != "cpu" || r.s.inputs[input].Kind != tensor.KindTensor {
		return nil
	}
	return dataOf(unsafe.Slice(r.b.inputs, r.b.input_count)[input])
}

// preallocate binds outputs of the shapes that the first run gave, and tries them.
func (r *Bound) preallocate(out []*C.struct_OrtValue) bool {
	fresh := make([]*C.struct_OrtValue, len(out))
	for i, v := range out {
		if v == nil || r.s.outputs[i].Kind != tensor.KindTensor || r.s.outputs[i].DType == tensor.String {
			dropValues(fresh)
			return false
		}
		dtype, shape, err := shapeOf(v)
		if err == nil {
			fresh[i], err = r.s.backend.emptyTensor(dtype, shape)
		}
		if err != nil {
			dropValues(fresh)
			return false
		}
	}
	err := r.bind(1, func(io *C.struct_OrtIoBinding, i int) error {
		return check("bind an output", C.bind_output(io, r.s.outputNames[i], fresh[i]))
	})
	if err != nil {
		dropValues(fresh)
		return false
	}
	for i := range out {
		dropValue(out[i])
		out[i] = fresh[i]
	}
	return true
}

// leaveToRuntime binds outputs to the host's memory and lets the runtime allocate them. It takes two tries: the first leaves its outputs in
// the binding, and the next holds them against the shapes that the model declares, which need not be those it gives.
func (r *Bound) leaveToRuntime() bool {
	err := r.bind(2, func(io *C.struct_OrtIoBinding, i int) error {
		return check("bind an output", C.bind_device(io, r.s.outputNames[i], r.s.backend.cpu))
	})
	return err == nil
}

// bind makes an IoBinding, tries it so many times and keeps it if that worked.
func (r *Bound) bind(tries int, output func(io *C.struct_OrtIoBinding, i int) error) error {
	var io *C.struct_OrtIoBinding
	if err := check("make a binding", C.new_binding(r.s.session, &io)); err != nil {
		return err
	}
	err := r.bindAll(io, output)
	if err == nil {
		r.b.binding, r.b.mode = io, C.ASSAY_BINDING
		for i := 0; i < tries && err == nil; i++ {
			err = r.Run()
		}
		if err == nil {
			return nil
		}
		r.b.binding, r.b.mode = nil, C.ASSAY_PLAIN
	}
	C.release_binding(io)
	return err
}

func (r *Bound) bindAll(io *C.struct_OrtIoBinding, output func(io *C.struct_OrtIoBinding, i int) error) error {
	for i, v := range unsafe.Slice(r.b.inputs, int(r.b.input_count)) {
		if err := check("bind an input", C.bind_input(io, r.s.inputNames[i], v)); err != nil {
			return err
		}
	}
	for i := range r.s.outputs {
		if err := output(io, i); err != nil {
			return err
		}
	}
	return nil
}

func dropValues(values []*C.struct_OrtValue) {
	for _, v := range values {
		dropValue(v)
	}
}

var errRequestClosed = errors.New("the request is closed")

// Run executes the request: one call into C, no allocation.
func (r *Bound) Run() error {
	if r.b == nil {
		return errRequestClosed
	}
	if s := C.assay_bound_run(r.b); s != nil {
		return check("run the model", s)
	}
	return nil
}

// Outputs copies the outputs of the last Run.
func (r *Bound) Outputs() ([]tensor.Value, error) {
	if r.b == nil {
		return nil, errRequestClosed
	}
	if r.b.mode == C.ASSAY_PLAIN {
		return r.s.backend.readValues(unsafe.Slice(r.b.outputs, int(r.b.output_count)))
	}
	var values **C.struct_OrtValue
	var n C.size_t
	if err := check("get outputs", C.bound_values(r.b.binding, r.s.backend.allocator, &values, &n)); err != nil {
		return nil, err
	}
	list := unsafe.Slice(values, int(n))
	out, err := r.s.backend.readValues(list)
	dropValues(list)
	if freed := check("free outputs", C.free_list(r.s.backend.allocator, unsafe.Pointer(values))); err == nil && freed != nil {
		err = fmt.Errorf("free the list of outputs: %w", freed)
	}
	return out, err
}

// Close releases the request.
func (r *Bound) Close() error {
	if r.b != nil {
		C.assay_bound_free(r.b)
		r.b = nil
	}
	return nil
}
