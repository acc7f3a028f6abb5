//go:build cgo && linux

package quantize

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// network builds small models. Weights are drawn from a fixed seed.
type network struct {
	model *onnxpb.ModelProto
	rng   *rand.Rand
}

func newNetwork(opset int64) *network {
	return &network{model: &onnxpb.ModelProto{IrVersion: 7, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: opset}}, Graph: &onnxpb.GraphProto{Name: "g"}},
		rng: rand.New(rand.NewPCG(1, 2))}
}

func valueInfo(name string, dims ...int64) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(tensor.Float32), Shape: shape}}}}
}

func (n *network) input(name string, dims ...int64) *network {
	n.model.Graph.Input = append(n.model.Graph.Input, valueInfo(name, dims...))
	return n
}

func (n *network) output(name string, dims ...int64) *network {
	n.model.Graph.Output = append(n.model.Graph.Output, valueInfo(name, dims...))
	return n
}

// constant adds a weight of the values given.
func (n *network) constant(name string, values []float32, dims ...int64) *network {
	n.model.Graph.Initializer = append(n.model.Graph.Initializer,
		&onnxpb.TensorProto{Name: name, DataType: int32(tensor.Float32), Dims: dims, RawData: floatBytes(values)})
	return n
}

// weight adds a weight of normal values.
func (n *network) weight(name string, dims ...int64) *network {
	count, _ := tensor.Count(dims)
	values := make([]float32, count)
	for i := range values {
		values[i] = float32(n.rng.NormFloat64())
	}
	return n.constant(name, values, dims...)
}

// node adds an operator: "Conv x w b > y".
func (n *network) node(text string, attributes ...*onnxpb.AttributeProto) *network {
	in, out, _ := strings.Cut(text, " > ")
	words := strings.Fields(in)
	n.model.Graph.Node = append(n.model.Graph.Node, &onnxpb.NodeProto{OpType: words[0], Input: words[1:], Output: strings.Fields(out),
		Name: words[0] + "_" + out, Attribute: attributes})
	return n
}

func intAttribute(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: v}
}

func floatAttribute(name string, v float32) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: v}
}

func (n *network) save(t testing.TB) string {
	t.Helper()
	b, err := proto.Marshal(n.model)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// normal gives count examples of normal values for every input.
func normal(count int) Source {
	return func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
		if i >= count {
			return nil, false, nil
		}
		rng := rand.New(rand.NewPCG(uint64(i), 3))
		var feeds []tensor.Value
		for _, v := range inputs {
			var dims []int64
			for _, d := range v.Dims {
				dims = append(dims, max(d.Size, 1))
			}
			t, err := tensor.New(tensor.Float32, dims...)
			if err != nil {
				return nil, false, err
			}
			for k := 0; k < len(t.Data); k += 4 {
				binary.LittleEndian.PutUint32(t.Data[k:], math.Float32bits(float32(rng.NormFloat64())))
			}
			feeds = append(feeds, tensor.Of(t))
		}
		return feeds, true, nil
	}
}

func loaded(t testing.TB) backend.Backend {
	t.Helper()
	be, err := openRuntime()
	if err != nil {
		t.Fatal(err)
	}
	return be
}

// static quantizes a model with normal data and gives the result and the file.
func static(t testing.TB, model string, change func(*Request)) (*Result, string, error) {
	t.Helper()
	q := Request{Model: model, Out: filepath.Join(t.TempDir(), "out.onnx"), Options: DefaultOptions(), Examples: normal(16)}
	if change != nil {
		change(&q)
	}
	res, err := Make(t.Context(), loaded(t), q)
	return res, q.Out, err
}

// exact is how near a result's outputs are to the original's where 8-bit products do not saturate, whatever the processor of the test.
func exact(res *Result) Fidelity {
	if res.Exact != nil {
		return *res.Exact
	}
	return res.Quality
}

// faithful quantizes a network and fails below a signal to noise ratio in dB. It gives the quantized model's nodes by type.
func faithful(t *testing.T, n *network, decibels float64, change func(*Request)) (*Result, map[string]int) {
	t.Helper()
	res, out, err := static(t, n.save(t), change)
	if err != nil {
		t.Fatal(err)
	}
	if q := exact(res); q.SQNR == nil || *q.SQNR < decibels {
		t.Errorf("quality %s, want at least %v dB", shown(q), decibels)
	}
	m, err := onnx.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return res, m.Info().Operators
}

// loadsEverywhere opens a model at every level of optimisation.
func loadsEverywhere(t *testing.T, path string) {
	t.Helper()
	for _, level := range []string{"disable", "basic", "extended", "layout", "all"} {
		s, err := loaded(t).Open(context.Background(), path, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: level})
		if err != nil {
			t.Errorf("level %s: %v", level, err)
			continue
		}
		s.Close()
	}
}

func shown(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func has(list []string, text string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, text) })
}
