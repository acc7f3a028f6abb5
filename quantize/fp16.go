package quantize

import (
	"context"
	"fmt"
	"slices"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// half makes the float32 values of a model float16, in all its graphs. Nodes without a float16 form, and those that are to stay, compute in
// float32 between casts. Graphs of If, Loop and Scan are converted with their node; those of others stay float32 as a whole.
type half struct {
	model   *onnx.Model
	options Options
	filter  *filter
	types   map[string]bool // asked for, nil for all that have a float16 form
	typing  typing
	opset   int64
	defined map[string]bool // functions of the model, by domain and name
	single  map[*onnxpb.NodeProto]string
	touched map[*onnxpb.NodeProto]bool // nodes that read or make float32 numbers, or whose graphs do
	clamped []ClampedTensor            // in the order in which they were written
}

func newHalf(ctx context.Context, look looker, m *onnx.Model, o Options, dir string) (*half, error) {
	f, err := o.filter()
	if err != nil {
		return nil, err
	}
	liftConstants(m)
	h := &half{model: m, options: o, filter: f, opset: m.Opset(""), defined: map[string]bool{}, single: map[*onnxpb.NodeProto]string{},
		touched: map[*onnxpb.NodeProto]bool{}}
	if len(o.OpTypes) > 0 && !slices.Contains(o.OpTypes, AllTypes) {
		h.types = f.types
	}
	for _, fn := range m.Proto.Functions {
		h.defined[onnx.Domain(fn.Domain)+"."+fn.Name] = true
	}
	if h.typing, err = infer(ctx, look, m, dir); err != nil {
		return nil, err
	}
	h.decide(m.Proto.Graph, nil)
	if err := f.unused(); err != nil {
		return nil, err
	}
	return h, h.unusedTypes()
}

// unusedTypes refuses operator types that were asked for and that no node has.
func (h *half) unusedTypes() error {
	for _, name := range h.options.OpTypes {
		found := name == AllTypes
		h.model.EachNode(func(n *onnxpb.NodeProto) { found = found || n.OpType == name })
		if !found {
			return fmt.Errorf("--op-types: the prepared graph has no %s", name)
		}
	}
	return nil
}

// decide says of every node of a graph, and of those within, whether it stays float32 and why. It reports whether the graph has float32 numbers.
func (h *half) decide(g *onnxpb.GraphProto, around []*onnxpb.GraphProto) (touched bool) {
	scope := append(around[:len(around):len(around)], g)
	for _, n := range g.Node {
		h.filter.look(n)
		inner := false
		for _, sub := range onnx.AttrGraphs(n) {
			inner = h.decide(sub, scope) || inner
		}
		collection := false
		for _, name := range slices.Concat(n.Input, n.Output) {
			v, known := h.typed(name, scope)
			inner = inner || known && v.Kind == tensor.KindTensor && v.DType == tensor.Float32
			collection = collection || known && v.Kind != tensor.KindTensor
		}
		h.touched[n] = inner
		touched = touched || inner
		why := staysSingle(n, h.opset, h.types)
		switch {
		case h.defined[onnx.Domain(n.Domain)+"."+n.OpType]:
			why = "it is a function of the model"
		case why == "" && collection && !slices.Contains(control, n.OpType):
			why = "it reads or makes a sequence, which has no cast"
		case why == "":
			why = h.filter.refuses(n, true)
		}
		if why != "" {
			h.single[n] = why
		}
	}
	return touched
}

// typed is a value's type, looked for from the innermost graph outwards.
func (h *half) typed(name string, scope []*onnxpb.GraphProto) (backend.ValueInfo, bool) {
	for i := len(scope) - 1; i >= 0 && name != ""; i-- {
		if v, ok := h.typing[scope[i]][name]; ok {
			return v, true
		}
	}
	return backend.ValueInfo{}, false
}

func (h *half) counts() NodeCounts {
	g := h.model.Proto.Graph
	c := NodeCounts{Total: len(g.Node), LeftFloat: []NodeLeft{}}
	for _, n := range g.Node {
		switch {
		case h.single[n] != "" && h.touched[n]:
			c.LeftFloat = append(c.LeftFloat, NodeLeft{nodeName(n), h.single[n]})
		case !h.touched[n]:
			c.LeftFloat = append(c.LeftFloat, NodeLeft{nodeName(n), "it has no float32 values"})
		default:
			c.Quantized++
		}
	}
	return c
}

func (h *half) nothing() string {
	for _, n := range h.model.Proto.Graph.Node {
		if h.single[n] == "" && h.touched[n] {
			return h.already()
		}
	}
	for _, n := range h.model.Proto.Graph.Node {
		if h.touched[n] {
			return nodeName(n) + ": " + h.single[n]
		}
	}
	if why := h.already(); why != "" {
		return why
	}
	return "it has no float32 values"
}

// already refuses a model whose weights are in half precision: what is float32 there is so on purpose.
func (h *half) already() string {
	var single, halves int64
	h.model.EachTensor(func(t *onnxpb.TensorProto) {
		switch tensor.DType(t.DataType) {
		case tensor.Float32:
			single += byteSize(t)
		case tensor.Float16, tensor.BFloat16:
			halves += byteSize(t)
		}
	})
	if halves > single {
		return fmt.Sprintf("%d bytes of its weights are in half precision already and %d in float32; what is float32 there will be so on purpose", halves, single)
	}
	return ""
}
