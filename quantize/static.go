package quantize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"assay/backend"
	"assay/onnx"
	"assay/tensor"
)

// staticInt8 makes weights int8 and activations 8 bits by calibrated ranges, in the QDQ form that runtimes fuse.
type staticInt8 struct {
	*selection
	ranges  Ranges
	measure []string // the tensors that are calibrated
}

func newStatic(m *onnx.Model, o Options) (*staticInt8, error) {
	if err := checkTypes(o); err != nil {
		return nil, err
	}
	s, err := selectNodes(m, o)
	if err != nil {
		return nil, err
	}
	return &staticInt8{selection: s, measure: s.ranged()}, nil
}

// checkTypes refuses types that have no 8-bit operators.
func checkTypes(o Options) error {
	for _, d := range []tensor.DType{o.Activation, o.Weight} {
		if d != tensor.Uint8 && d != tensor.Int8 && d != 0 {
			return fmt.Errorf("type %s is not there for static quantization; it has uint8 and int8", d)
		}
	}
	if o.Activation == tensor.Int8 && o.Weight == tensor.Uint8 {
		return errors.New("no operator takes int8 activations with uint8 weights; use int8 weights, or uint8 activations")
	}
	return nil
}

func (s *staticInt8) rewrite(res *Result) error {
	if text := targetWarning(s.options); text != "" {
		res.Warnings = append(res.Warnings, text)
	}
	for _, name := range s.idleOverrides() {
		res.Warnings = append(res.Warnings, fmt.Sprintf("the override of tensor %s changes nothing: it is not quantized", name))
	}
	if err := newRewriter(s.selection, s.ranges).run(); err != nil {
		return err
	}
	s.model.SetMetadata("onnx.infer", "onnxruntime.quant") // the runtime's own mark of a quantized model
	return nil
}

// calibrate takes the ranges given, or computes them from the examples.
func (s *staticInt8) calibrate(ctx context.Context, be backend.Backend, q *Request, res *Result) error {
	if q.Ranges != nil {
		if err := s.takeRanges(q.Ranges, res); err != nil {
			return err
		}
		s.ranges, res.Ranges = q.Ranges, q.Ranges
		return nil
	}
	if len(s.measure) == 0 {
		s.ranges, res.Ranges = Ranges{}, Ranges{}
		return nil // all is known without data
	}
	if q.Examples == nil {
		return errors.New("static quantization needs calibration data, or ranges from an earlier run")
	}
	begun := time.Now()
	found, err := s.calibrateOn(ctx, be, q)
	res.Seconds.Calibrate = time.Since(begun).Seconds()
	if err != nil {
		return cmp.Or(s.checkConstants(), err) // what a bad weight leads to is seen first
	}
	s.ranges, res.Ranges, res.Calibration, res.ExamplesCount = found.Ranges, found.Ranges, &found.Calibration, found.Calibration.Examples
	return nil
}

// takeRanges checks ranges that are given. They may name tensors that are not quantized, as those of another choice or tool do, but not those
// alone.
func (s *selection) takeRanges(given Ranges, res *Result) error {
	var unknown []string
	used, names := 0, valueNames(s.model.Proto.Graph)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		v := given[name]
		switch {
		case !(v[0] <= v[1]) || v[0]-v[0] != 0 || v[1]-v[1] != 0:
			return fmt.Errorf("the range of tensor %q is [%v, %v]; want [smallest, largest], both finite", name, v[0], v[1])
		case s.marked[name]:
			used++
		case !names[name]:
			unknown = append(unknown, name)
		}
	}
	switch {
	case len(given) == 0:
		return fmt.Errorf("the ranges name no tensor; want %s", someOf(s.ranged()))
	case used == 0:
		return fmt.Errorf("the ranges name no tensor that is quantized, but %s; want %s", someOf(slices.Sorted(maps.Keys(given))), someOf(s.ranged()))
	}
	if len(unknown) > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("%d of %d ranges are of tensors that the prepared graph does not have: %s", len(unknown), len(given), someOf(unknown)))
	}
	return nil
}

func (s *selection) counts() NodeCounts {
	c := NodeCounts{Total: len(s.model.Proto.Graph.Node), LeftFloat: []NodeLeft{}}
	for _, n := range s.model.Proto.Graph.Node {
		if s.nodes[n] || s.removed[n] {
			c.Quantized++
			continue
		}
		c.LeftFloat = append(c.LeftFloat, NodeLeft{nodeName(n), s.why(n)})
	}
	return c
}

// nothing says why no node can be quantized.
func (s *selection) nothing() string {
	if len(s.activations)+len(s.constants) > 0 {
		return ""
	}
	for _, n := range s.model.Proto.Graph.Node {
		if s.left[n] != "" {
			return nodeName(n) + ": " + s.left[n]
		}
	}
	return "it has no Conv, Gemm or MatMul with constant float32 weights"
}
