package quantize

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// shapeBytes is the size from which a weight is no shape, axis or other small constant on whose value the shapes of a graph may depend.
const shapeBytes = 1 << 10

// describe gives the kind, element type and dimensions that the runtime infers for every value of the main graph: inputs, weights, and what
// nodes make; graphs within nodes are not looked into. Dimensions that depend on the input are -1, and Dims is nil where even their number
// does. It runs nothing and reads no large weight, so its memory does not grow with them. dir is a folder for a file that is gone when
// describe returns.
func describe(ctx context.Context, look looker, m *onnx.Model, dir string) (map[string]backend.ValueInfo, error) {
	path := filepath.Join(dir, "describe.onnx")
	before := m.Proto.Graph
	m.Proto.Graph = allOutputs(before)
	err := m.SaveDraft(path, onnx.ExternalNever)
	m.Proto.Graph = before
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	s, err := look(ctx, path, cpuOptions("disable", 1, nil))
	if err != nil {
		return nil, fmt.Errorf("infer types and shapes: %w", unloaded{err})
	}
	out := map[string]backend.ValueInfo{}
	for _, t := range before.Initializer {
		out[t.Name] = weightInfo(t)
	}
	for _, list := range [][]backend.ValueInfo{s.Inputs, s.Outputs} {
		for _, v := range list {
			out[v.Name] = v
		}
	}
	return out, nil
}

func weightInfo(t *onnxpb.TensorProto) backend.ValueInfo {
	v := backend.ValueInfo{Name: t.Name, Kind: tensor.KindTensor, DType: tensor.DType(t.DataType), Dims: []backend.Dim{}}
	for _, d := range t.Dims {
		v.Dims = append(v.Dims, backend.Dim{Size: d})
	}
	return v
}

// allOutputs gives a graph whose nodes' results are all outputs, of types that are the runtime's to say, and whose large weights are inputs.
func allOutputs(g *onnxpb.GraphProto) *onnxpb.GraphProto {
	out := &onnxpb.GraphProto{Name: g.Name, Node: g.Node, SparseInitializer: g.SparseInitializer, ValueInfo: g.ValueInfo}
	inputs, outputs := map[string]bool{}, map[string]bool{"": true}
	out.Input = append(out.Input, g.Input...)
	for _, v := range g.Input {
		inputs[v.Name] = true
	}
	for _, t := range g.Initializer {
		size, err := tensor.ByteSize(tensor.DType(t.DataType), t.Dims)
		switch {
		case err != nil || size <= shapeBytes:
			out.Initializer = append(out.Initializer, t)
		case !inputs[t.Name]:
			out.Input = append(out.Input, &onnxpb.ValueInfoProto{Name: t.Name, Type: typeProto(weightInfo(t))})
		}
	}
	out.Output = append(out.Output, g.Output...)
	for _, v := range g.Output {
		outputs[v.Name] = true
	}
	for _, n := range g.Node {
		for _, name := range n.Output {
			if !outputs[name] {
				outputs[name] = true
				out.Output = append(out.Output, &onnxpb.ValueInfoProto{Name: name})
			}
		}
	}
	return out
}

// hidden says how many operators with weights stand where no scheme looks, "" for none.
func hidden(m *onnx.Model) string {
	main := map[*onnxpb.NodeProto]bool{}
	for _, n := range m.Proto.Graph.Node {
		main[n] = true
	}
	count := 0
	m.EachNode(func(n *onnxpb.NodeProto) {
		if !main[n] && slices.Contains([]string{"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Attention"}, n.OpType) {
			count++
		}
	})
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("; %d operators with weights stand in graphs within nodes, as the branches of If, or in functions, which are left as they are", count)
}
