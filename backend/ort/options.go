//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"
static struct OrtStatus* free_dimension(struct OrtSessionOptions* o, const char* name, int64_t n) { return ORT(AddFreeDimensionOverrideByName)(o, name, n); }
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unsafe"

	binding "github.com/yalue/onnxruntime_go"

	"assay/backend"
	"assay/onnx"
)

// levels are the names of optimisation levels; "" is the runtime's default.
var levels = map[string]binding.GraphOptimizationLevel{
	"":         C.ASSAY_ORT_ENABLE_ALL,
	"all":      C.ASSAY_ORT_ENABLE_ALL,
	"layout":   C.ASSAY_ORT_ENABLE_LAYOUT,
	"extended": C.ASSAY_ORT_ENABLE_EXTENDED,
	"basic":    C.ASSAY_ORT_ENABLE_BASIC,
	"disable":  C.ASSAY_ORT_DISABLE_ALL,
}

// sessionOptions turns what was asked into the runtime's options, its provider appended. The caller destroys them.
func (b *Backend) sessionOptions(o backend.Options) (*binding.SessionOptions, error) {
	options, err := binding.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	if err = b.fill(options, o); err != nil {
		options.Destroy()
		return nil, err
	}
	return options, nil
}

func (b *Backend) fill(options *binding.SessionOptions, o backend.Options) error {
	level, ok := levels[o.Optimization]
	if !ok {
		return fmt.Errorf("optimisation level %q: want one of %s", o.Optimization, strings.Join(slices.Sorted(maps.Keys(levels))[1:], ", "))
	}
	err := errors.Join(options.SetGraphOptimizationLevel(level), setThreads(options, o), setFiles(options, o))
	for _, key := range slices.Sorted(maps.Keys(o.Config)) {
		if unknown := checkConfigKey(key); unknown != nil {
			err = errors.Join(err, unknown)
		} else if refused := options.AddSessionConfigEntry(key, o.Config[key]); refused != nil {
			err = errors.Join(err, fmt.Errorf("session configuration %s=%s: %s", key, o.Config[key], plain(refused.Error())))
		}
	}
	if o.RecordPlacement {
		err = errors.Join(err, options.AddSessionConfigEntry("session.record_ep_graph_assignment_info", "1"))
	}
	if err != nil {
		return err
	}
	if err := overrideDimensions(options, o.FreeDimensions); err != nil {
		return err
	}
	return b.appendProvider(options, o.Provider)
}

func setThreads(options *binding.SessionOptions, o backend.Options) error {
	var err error
	if o.IntraOpThreads != 0 {
		err = options.SetIntraOpNumThreads(o.IntraOpThreads)
	}
	if o.InterOpThreads != 0 {
		err = errors.Join(err, options.SetInterOpNumThreads(o.InterOpThreads))
	}
	return err
}

func setFiles(options *binding.SessionOptions, o backend.Options) error {
	var err error
	if o.OptimizedPath != "" {
		err = options.SetOptimizedModelFilePath(o.OptimizedPath)
	}
	if o.ProfilePrefix != "" {
		err = errors.Join(err, options.EnableProfiling(o.ProfilePrefix))
	}
	return err
}

func overrideDimensions(options *binding.SessionOptions, dims map[string]int64) error {
	p, err := optionsPointer(options)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(dims)) {
		c := C.CString(name)
		err := check("fix dimension "+name, C.free_dimension((*C.struct_OrtSessionOptions)(p), c, C.int64_t(dims[name])))
		C.free(unsafe.Pointer(c))
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFreeDimensions refuses a fixed dimension that the model's inputs and outputs do not name: the runtime takes any name without a word.
func checkFreeDimensions(path string, dims map[string]int64) error {
	if len(dims) == 0 {
		return nil
	}
	m, err := onnx.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	known := map[string]bool{}
	for _, v := range slices.Concat(m.Proto.GetGraph().GetInput(), m.Proto.GetGraph().GetOutput()) {
		for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
			known[d.GetDimParam()] = true
		}
	}
	delete(known, "")
	has := "none that has a name"
	if len(known) > 0 {
		has = strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(dims)) {
		if !known[name] {
			err = errors.Join(err, fmt.Errorf("%s has no dimension %q; it has %s", path, name, has))
		}
		if dims[name] < 0 {
			err = errors.Join(err, fmt.Errorf("dimension %s cannot be %d", name, dims[name]))
		}
	}
	return err
}
