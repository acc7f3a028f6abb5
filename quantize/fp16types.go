package quantize

import (
	"context"
	"fmt"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// typing are the kinds and element types of the values of every graph of a model, as the runtime infers them.
type typing map[*onnxpb.GraphProto]map[string]backend.ValueInfo

// infer types a model. The runtime says nothing of the graphs within nodes, so each is shown to it as if it were a model: what it reads from
// around it becomes inputs.
func infer(ctx context.Context, look looker, m *onnx.Model, dir string) (typing, error) {
	t := typing{}
	values, err := describe(ctx, look, m, dir)
	if err != nil {
		return nil, err
	}
	main := m.Proto.Graph
	defer func() { m.Proto.Graph = main }()
	t[main] = values
	return t, t.within(ctx, look, m, dir, main, []map[string]backend.ValueInfo{values})
}

// within types the graphs of a graph's nodes. around are the values of the graphs so far, the innermost last.
func (t typing) within(ctx context.Context, look looker, m *onnx.Model, dir string, g *onnxpb.GraphProto, around []map[string]backend.ValueInfo) error {
	for _, n := range g.Node {
		for _, sub := range onnx.AttrGraphs(n) {
			alone, err := standAlone(n, sub, g, around)
			if err != nil {
				return fmt.Errorf("%s: %w", nodeName(n), err)
			}
			values := map[string]backend.ValueInfo{}
			if len(sub.Node) > 0 {
				m.Proto.Graph = alone
				if values, err = describe(ctx, look, m, dir); err != nil {
					return fmt.Errorf("the graph %s within %s: %w", sub.Name, nodeName(n), err)
				}
			}
			for _, w := range sub.Initializer {
				values[w.Name] = weightInfo(w)
			}
			t[sub] = values
			if err := t.within(ctx, look, m, dir, sub, append(around[:len(around):len(around)], values)); err != nil {
				return err
			}
		}
	}
	return nil
}

// standAlone makes a model's graph of one within a node.
func standAlone(n *onnxpb.NodeProto, sub, outer *onnxpb.GraphProto, around []map[string]backend.ValueInfo) (*onnxpb.GraphProto, error) {
	alone := &onnxpb.GraphProto{Name: "within", Node: sub.Node, Initializer: sub.Initializer, SparseInitializer: sub.SparseInitializer, ValueInfo: sub.ValueInfo}
	find := func(name string) (backend.ValueInfo, bool) {
		for i := len(around) - 1; i >= 0; i-- {
			if v, ok := around[i][name]; ok {
				return v, true
			}
		}
		return backend.ValueInfo{}, false
	}
	for i, v := range sub.Input {
		if v.GetType().GetValue() == nil { // which Loop and Scan say themselves
			outside, ok := find(input(n, i))
			if !ok {
				return nil, fmt.Errorf("nothing says of what type the input %s of its graph is", v.Name)
			}
			v = &onnxpb.ValueInfoProto{Name: v.Name, Type: valueType(outside)}
			v.Type.GetTensorType().Shape = nil
		}
		alone.Input = append(alone.Input, v)
	}
	small := map[string]*onnxpb.TensorProto{}
	for _, w := range outer.Initializer {
		if byteSize(w) <= shapeBytes {
			small[w.Name] = w
		}
	}
	for _, name := range onnx.Reads(&onnxpb.NodeProto{Attribute: []*onnxpb.AttributeProto{{Name: "g", G: sub}}}) {
		v, ok := find(name)
		switch {
		case small[name] != nil:
			alone.Initializer = append(alone.Initializer, small[name])
		case !ok:
			return nil, fmt.Errorf("its graph reads %s, whose type is not known", name)
		case valueType(v) == nil:
			return nil, fmt.Errorf("its graph reads %s, which is neither a tensor nor a sequence of tensors", name)
		default:
			alone.Input = append(alone.Input, &onnxpb.ValueInfoProto{Name: name, Type: valueType(v)})
		}
	}
	alone.Output = sub.Output
	return alone, nil
}

// valueType is the type of a tensor or of a sequence of tensors, nil for others.
func valueType(v backend.ValueInfo) *onnxpb.TypeProto {
	switch v.Kind {
	case tensor.KindTensor:
		return typeProto(v)
	case tensor.KindSequence:
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{
			ElemType: typeProto(backend.ValueInfo{DType: v.DType})}}}
	}
	return nil
}
