package quantize

import (
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// index answers questions about the values of a main graph.
type index struct {
	model   *onnx.Model
	opset   int64
	uses    map[string]int                 // consumers of a value in the main graph, graph outputs counted
	reading map[string][]*onnxpb.NodeProto // nodes of the main graph by what they read
	output  map[string]bool
	input   map[string]bool
	within  map[string]bool // values that subgraphs read; they keep their names and stay float
	weight  map[string]*onnxpb.TensorProto
	types   map[string]tensor.DType
}

func newIndex(m *onnx.Model) *index {
	x := &index{model: m, opset: m.Opset(""), uses: map[string]int{}, reading: map[string][]*onnxpb.NodeProto{}, output: map[string]bool{},
		input: map[string]bool{}, within: map[string]bool{}, weight: map[string]*onnxpb.TensorProto{}, types: valueTypes(m.Proto.Graph)}
	g := m.Proto.Graph
	for _, v := range g.Input {
		x.input[v.Name] = true
	}
	for _, v := range g.Output {
		x.output[v.Name] = true
		x.uses[v.Name]++
	}
	for _, t := range g.Initializer {
		x.weight[t.Name] = t
	}
	for _, n := range g.Node {
		for _, name := range n.Input {
			x.uses[name]++
			x.reading[name] = append(x.reading[name], n)
		}
		for _, sub := range graphsOf(n) {
			x.readWithin(sub)
		}
	}
	return x
}

func (x *index) readWithin(g *onnxpb.GraphProto) {
	for _, n := range g.Node {
		for _, name := range n.Input {
			x.within[name] = true
		}
		for _, sub := range graphsOf(n) {
			x.readWithin(sub)
		}
	}
	for _, o := range g.Output {
		x.within[o.Name] = true
	}
}

// isFloat reports whether a value is known to hold float32 numbers.
func (x *index) isFloat(name string) bool {
	if t := x.weight[name]; t != nil {
		return tensor.DType(t.DataType) == tensor.Float32
	}
	return name != "" && x.types[name] == tensor.Float32
}

// floatConstant is the weight of that name, nil where there is none or it holds no float32 numbers.
func (x *index) floatConstant(name string) *onnxpb.TensorProto {
	if t := x.weight[name]; t != nil && tensor.DType(t.DataType) == tensor.Float32 {
		return t
	}
	return nil
}

// graphsOf are the graphs that a node holds, as the branches of an If.
func graphsOf(n *onnxpb.NodeProto) []*onnxpb.GraphProto {
	var out []*onnxpb.GraphProto
	for _, a := range n.Attribute {
		if a.G != nil {
			out = append(out, a.G)
		}
		out = append(out, a.Graphs...)
	}
	return out
}

// input gives a node's input, "" where it is left out.
func input(n *onnxpb.NodeProto, i int) string {
	if i < len(n.Input) {
		return n.Input[i]
	}
	return ""
}

// nodeName is a node's name or, where it has none, what tells it from others: it stands in reports, and --include and --exclude match it.
func nodeName(n *onnxpb.NodeProto) string {
	if n.Name != "" {
		return n.Name
	}
	if made := nodeKey(n); made != "" {
		return n.OpType + " of " + made
	}
	return n.OpType
}

func attribute(n *onnxpb.NodeProto, name string, missing float32) float32 {
	for _, a := range n.Attribute {
		if a.Name == name {
			return a.F
		}
	}
	return missing
}

func attributeInt(n *onnxpb.NodeProto, name string, missing int64) int64 {
	for _, a := range n.Attribute {
		if a.Name == name {
			return a.I
		}
	}
	return missing
}

func attributeString(n *onnxpb.NodeProto, name, missing string) string {
	for _, a := range n.Attribute {
		if a.Name == name {
			return string(a.S)
		}
	}
	return missing
}

func setAttribute(n *onnxpb.NodeProto, name string, v float32) {
	for _, a := range n.Attribute {
		if a.Name == name {
			a.F = v
		}
	}
}

// liftConstants turns the Constant nodes of a main graph that hold float32 numbers into weights: a graph that is taken as it is may keep its
// weights there.
func liftConstants(m *onnx.Model) {
	g := m.Proto.Graph
	outputs := map[string]bool{}
	for _, o := range g.Output {
		outputs[o.Name] = true
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *onnxpb.NodeProto) bool {
		if n.OpType != "Constant" || onnx.Domain(n.Domain) != "" || len(n.Output) != 1 || outputs[n.Output[0]] {
			return false
		}
		for _, a := range n.Attribute {
			if a.Name == "value" && a.T != nil && tensor.DType(a.T.DataType) == tensor.Float32 {
				a.T.Name = n.Output[0]
				g.Initializer = append(g.Initializer, a.T)
				return true
			}
		}
		return false
	})
}
