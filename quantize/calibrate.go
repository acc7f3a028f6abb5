package quantize

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Ranges are the smallest and largest value that calibration saw of each tensor.
type Ranges map[string][2]float32

// Source gives calibration examples one at a time: the feeds of example i in the order of inputs, and false past the last.
type Source func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error)

// figures are what is appended to the graph for each tensor. The runtime's ReduceMin and ReduceMax look past NaN (onnxruntime 1.30.0); the
// sum of magnitudes does not, and it cannot be NaN for another reason.
var figures = []string{"ReduceMin", "ReduceMax", "ReduceL1"}

// calibrate runs the examples through the model one at a time and keeps the extremes of the named tensors: their figures are
// appended to the graph, so only three scalars of each leave the session, and memory does not grow with examples. Graph optimisation is off,
// so that every tensor exists. The result does not depend on the order of examples.
func calibrate(ctx context.Context, be backend.Backend, m *onnx.Model, tensors []string, source Source, progress func(done int)) (Ranges, int, error) {
	dir, err := os.MkdirTemp("", "assay-calibrate")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "calibrate.onnx")
	before := m.Proto.Graph
	m.Proto.Graph = withExtremes(before, tensors)
	err = m.Save(path)
	m.Proto.Graph = before
	if err != nil {
		return nil, 0, err
	}
	s, err := be.Open(ctx, path, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "disable"})
	if err != nil {
		return nil, 0, fmt.Errorf("open the model for calibration: %w", err)
	}
	defer s.Close()
	ranges := Ranges{}
	for i := 0; ; i++ {
		if ctx.Err() != nil {
			return nil, i, ctx.Err()
		}
		feeds, more, err := source(s.Inputs(), i)
		if err != nil {
			return nil, i, fmt.Errorf("calibration example %d: %w", i, err)
		}
		if !more {
			if i == 0 {
				return nil, 0, errors.New("calibration data has no examples")
			}
			return ranges, i, nil
		}
		outputs, err := s.Run(ctx, feeds)
		if err != nil {
			return nil, i, fmt.Errorf("calibration example %d: %w", i, err)
		}
		if err := ranges.add(tensors, outputs[len(outputs)-len(figures)*len(tensors):]); err != nil {
			return nil, i, fmt.Errorf("calibration example %d: %w", i, err)
		}
		if progress != nil {
			progress(i + 1)
		}
	}
}

// withExtremes appends to a graph the figures of each tensor as outputs.
func withExtremes(g *onnxpb.GraphProto, tensors []string) *onnxpb.GraphProto {
	out := &onnxpb.GraphProto{Name: g.Name, Initializer: g.Initializer, SparseInitializer: g.SparseInitializer, Input: g.Input, ValueInfo: g.ValueInfo}
	out.Node = append(out.Node, g.Node...)
	out.Output = append(out.Output, g.Output...)
	taken := valueNames(g)
	for _, name := range tensors {
		for _, op := range figures {
			result := unusedName(name+"_"+op, taken)
			out.Node = append(out.Node, &onnxpb.NodeProto{Name: result, OpType: op, Input: []string{name}, Output: []string{result},
				Attribute: []*onnxpb.AttributeProto{{Name: "keepdims", Type: onnxpb.AttributeProto_INT, I: 0}}})
			out.Output = append(out.Output, &onnxpb.ValueInfoProto{Name: result, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
				TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(tensor.Float32), Shape: &onnxpb.TensorShapeProto{}}}}})
		}
	}
	return out
}

func (r Ranges) add(tensors []string, values []tensor.Value) error {
	for i, name := range tensors {
		low, err1 := scalar(values[len(figures)*i])
		high, err2 := scalar(values[len(figures)*i+1])
		sum, err3 := scalar(values[len(figures)*i+2])
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
		if math.IsInf(float64(low), 1) && math.IsInf(float64(high), -1) {
			continue // the tensor has no elements, as the cache of a first token
		}
		if sum != sum || low-low != 0 || high-high != 0 {
			return fmt.Errorf("tensor %s holds NaN or infinite values; mend the data or the model, or leave this example out", name)
		}
		if seen, ok := r[name]; ok {
			low, high = min(low, seen[0]), max(high, seen[1])
		}
		r[name] = [2]float32{low, high}
	}
	return nil
}

func scalar(v tensor.Value) (float32, error) {
	if v.Tensor == nil || v.Tensor.DType != tensor.Float32 || len(v.Tensor.Data) != 4 {
		return 0, errors.New("its extremes are no float32 numbers")
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(v.Tensor.Data)), nil
}
