package quantize

import (
	"fmt"
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// selection is what will be quantized: decided before any number is known.
type selection struct {
	model  *onnx.Model
	opset  int64
	uses   map[string]int // consumers of a value in the main graph, graph outputs counted
	output map[string]bool
	input  map[string]bool
	within map[string]bool // values that subgraphs read
	weight map[string]*onnxpb.TensorProto

	nodes       map[*onnxpb.NodeProto]bool
	activations []string          // in order of marking
	marked      map[string]bool   // activations
	shares      map[string]string // activation -> the one whose parameters it takes
	follows     map[string]string // input of a Relu or Clip that stays -> its output, whose range is all that matters of it
	constants   []string          // weights that stand among activations (of Add and Mul)
	removed     map[*onnxpb.NodeProto]bool
	left        map[*onnxpb.NodeProto]string // nodes that could be quantized by their type, and why they are not
}

// moving are operators that move data without changing values, so their output shares its input's parameters.
var moving = []string{"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Gather", "DepthToSpace", "Tile", "Expand", "Resize"}

// joining are operators that the CPU provider computes in 8 bits between quantized convolutions.
var joining = []string{"Add", "Mul", "GlobalAveragePool", "AveragePool", "Concat", "Sigmoid", "LeakyRelu"}

// selectNodes decides what to quantize, in the order of the graph.
func selectNodes(m *onnx.Model, opset int64, o Options) (*selection, error) {
	f, err := o.filter()
	if err != nil {
		return nil, err
	}
	s := &selection{model: m, opset: opset, uses: map[string]int{}, output: map[string]bool{}, input: map[string]bool{}, within: map[string]bool{},
		weight: map[string]*onnxpb.TensorProto{}, nodes: map[*onnxpb.NodeProto]bool{}, marked: map[string]bool{}, shares: map[string]string{},
		follows: map[string]string{}, removed: map[*onnxpb.NodeProto]bool{}, left: map[*onnxpb.NodeProto]string{}}
	s.index()
	convolutional := slices.ContainsFunc(m.Proto.Graph.Node, func(n *onnxpb.NodeProto) bool { return n.OpType == "Conv" })
	for _, n := range m.Proto.Graph.Node {
		switch {
		case onnx.Domain(n.Domain) != "":
		case f.types[n.OpType]:
			why := s.heavy(n)
			if allowed, reason := f.allows(n); why == "" && !allowed {
				why = reason
			}
			if why != "" {
				s.left[n] = why
				continue
			}
			s.takeHeavy(n)
		case n.OpType == "Relu" || n.OpType == "Clip":
			s.takeRectifier(n, o)
		case slices.Contains(moving, n.OpType):
			s.takeMoving(n)
		case convolutional && slices.Contains(joining, n.OpType):
			s.takeJoining(n)
		}
	}
	if o.Include != "" && !f.included {
		return nil, fmt.Errorf("--include %q matches no node", o.Include)
	}
	return s, nil
}

func (s *selection) index() {
	g := s.model.Proto.Graph
	for _, v := range g.Input {
		s.input[v.Name] = true
	}
	for _, v := range g.Output {
		s.output[v.Name] = true
		s.uses[v.Name]++
	}
	for _, t := range g.Initializer {
		s.weight[t.Name] = t
	}
	for _, n := range g.Node {
		for _, name := range n.Input {
			s.uses[name]++
		}
		for _, a := range n.Attribute {
			for _, sub := range append(slices.Clone(a.Graphs), a.G) {
				if sub != nil {
					s.readWithin(sub)
				}
			}
		}
	}
}

// readWithin notes what a subgraph reads from outside; such values keep their names and stay float.
func (s *selection) readWithin(g *onnxpb.GraphProto) {
	for _, n := range g.Node {
		for _, name := range n.Input {
			s.within[name] = true
		}
		for _, a := range n.Attribute {
			for _, sub := range append(slices.Clone(a.Graphs), a.G) {
				if sub != nil {
					s.readWithin(sub)
				}
			}
		}
	}
	for _, o := range g.Output {
		s.within[o.Name] = true
	}
}

// heavy says why a node with weights cannot be quantized, "" where it can.
func (s *selection) heavy(n *onnxpb.NodeProto) string {
	if len(n.Input) < 2 {
		return "it has no weight"
	}
	w := s.weight[n.Input[1]]
	switch {
	case w == nil:
		return "its weight is computed, not a constant"
	case tensor.DType(w.DataType) != tensor.Float32:
		return "its weight is " + tensor.DType(w.DataType).String()
	case s.weight[n.Input[0]] != nil:
		return "its input is a constant"
	case n.OpType == "Gemm" && attribute(n, "alpha", 1) != 1:
		return "its alpha is not 1"
	case n.OpType == "Gemm" && attributeInt(n, "transA", 0) != 0:
		return "its input is transposed"
	case n.OpType == "MatMul" && len(w.Dims) < 2:
		return "its weight is a vector"
	}
	if size, err := tensor.Count(w.Dims); err != nil || size == 0 {
		return "its weight is empty"
	}
	return ""
}

func (s *selection) mark(name string) {
	if !s.marked[name] {
		s.marked[name] = true
		s.activations = append(s.activations, name)
	}
}

func (s *selection) takeHeavy(n *onnxpb.NodeProto) {
	s.nodes[n] = true
	s.mark(n.Input[0])
	// Gemm and MatMul can give floats straight away; a model's last scores need no 8-bit detour.
	if n.OpType != "Conv" && s.output[n.Output[0]] {
		return
	}
	s.mark(n.Output[0])
}

// takeRectifier removes a Relu or Clip whose effect the 8-bit range has anyway: its input is quantized, and nothing else reads it. Where
// it has to stay, what it cuts off is left out of its input's range.
func (s *selection) takeRectifier(n *onnxpb.NodeProto, o Options) {
	in := n.Input[0]
	if !s.marked[in] {
		return
	}
	_, shared := s.shares[in]
	alone := s.uses[in] == 1 && !s.output[in] && !s.input[in] && !s.within[in]
	s.mark(n.Output[0])
	removable := !o.Symmetric && !shared && (n.OpType == "Relu" || s.startsAtZero(n))
	switch {
	case alone && removable:
		s.removed[n] = true
		s.marked[in] = false
		s.activations = slices.DeleteFunc(s.activations, func(name string) bool { return name == in })
	case alone:
		s.follows[in] = n.Output[0]
	}
}

// startsAtZero reports whether a Clip's lower bound is 0, as in ReLU6: then the calibrated range of its output says it all.
func (s *selection) startsAtZero(n *onnxpb.NodeProto) bool {
	if len(n.Input) < 2 || n.Input[1] == "" {
		return attribute(n, "min", -1) == 0
	}
	t := s.weight[n.Input[1]]
	if t == nil {
		return false
	}
	v, err := s.model.Float32s(t)
	return err == nil && len(v) == 1 && v[0] == 0
}

func (s *selection) takeMoving(n *onnxpb.NodeProto) {
	in := n.Input[0]
	switch {
	case !s.marked[in] || s.weight[in] != nil:
		return
	case n.OpType == "MaxPool" && (s.opset < 12 || len(n.Output) > 1):
		return
	case n.OpType == "Resize" && (s.opset < 11 || attributeString(n, "mode", "nearest") != "nearest"):
		return // interpolation makes new values
	}
	s.nodes[n] = true
	s.mark(n.Output[0])
	root := in
	if r, ok := s.shares[in]; ok {
		root = r
	}
	s.shares[n.Output[0]] = root
}

// takeJoining quantizes an operator between quantized values: all its inputs must be such, or constants.
func (s *selection) takeJoining(n *onnxpb.NodeProto) {
	var constants []string
	live := 0
	for _, name := range n.Input {
		switch w := s.weight[name]; {
		case s.marked[name]:
			live++
		case w != nil && tensor.DType(w.DataType) == tensor.Float32:
			constants = append(constants, name)
		default:
			return
		}
	}
	if live == 0 {
		return
	}
	s.nodes[n] = true
	for _, name := range constants {
		if !slices.Contains(s.constants, name) {
			s.constants = append(s.constants, name)
		}
	}
	s.mark(n.Output[0])
}

// why says why a node stays float.
func (s *selection) why(n *onnxpb.NodeProto) string {
	known := func(list []string) bool { return onnx.Domain(n.Domain) == "" && slices.Contains(list, n.OpType) }
	switch {
	case s.left[n] != "":
		return s.left[n]
	case known([]string{"Relu", "Clip"}) && s.marked[n.Output[0]]:
		return "it is more than the end of a range: its input is read elsewhere, or shared, or symmetric, or its lower bound is not 0"
	case known(moving), known(joining), known([]string{"Relu", "Clip"}):
		return "it does not stand between quantized values"
	case known(heavyTypes):
		return "its type is not among those asked for"
	}
	return "its operator is not one that is quantized"
}

func nodeName(n *onnxpb.NodeProto) string {
	if n.Name != "" {
		return n.Name
	}
	if len(n.Output) > 0 {
		return n.OpType + " of " + n.Output[0]
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
