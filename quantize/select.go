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
	*index
	options  Options
	filter   *filter
	override map[string]*Override

	nodes       map[*onnxpb.NodeProto]bool
	activations []string              // in order of marking
	marked      map[string]bool       // activations
	shares      map[string]string     // activation -> the activation or constant whose parameters it takes
	follows     map[string]string     // input of a Relu or Clip that stays -> its output, whose range is all that matters of it
	fixed       map[string][2]float32 // activations whose range is known without calibration
	constants   []constant            // in order of marking, each once
	plain       map[string]constant   // the copy of a constant whose parts have its plain names
	takes       map[slot]constant
	biases      []bias
	biased      map[string]bool // constants that are some bias
	removed     map[*onnxpb.NodeProto]bool
	left        map[*onnxpb.NodeProto]string // nodes that could be quantized by their type, and why they are not
}

// constant is a weight as one kind of node takes it: two that want channels along different axes, or of which one takes it among activations,
// get a quantized copy each.
type constant struct {
	name   string
	axis   int  // -1 for one scale over all
	weight bool // of the weights' type; otherwise of the activations'
}

// slot is an input of a node.
type slot struct {
	node  *onnxpb.NodeProto
	input int
}

// bias is an input that a node adds to its product: int32, scaled by the product of the scales of two other inputs, the first and the second.
type bias struct {
	node *onnxpb.NodeProto
	name string // of its first node's copy; those of further nodes get names of their own
}

// selectNodes decides what to quantize, in the order of the graph.
func selectNodes(m *onnx.Model, o Options) (*selection, error) {
	f, err := o.filter()
	if err != nil {
		return nil, err
	}
	if err := f.static(o.OpTypes); err != nil {
		return nil, err
	}
	liftConstants(m)
	s := &selection{index: newIndex(m), options: o, filter: f, override: map[string]*Override{}, nodes: map[*onnxpb.NodeProto]bool{},
		marked: map[string]bool{}, shares: map[string]string{}, follows: map[string]string{}, fixed: map[string][2]float32{},
		plain: map[string]constant{}, takes: map[slot]constant{}, biased: map[string]bool{},
		removed: map[*onnxpb.NodeProto]bool{}, left: map[*onnxpb.NodeProto]string{}}
	if err := s.readOverrides(); err != nil {
		return nil, err
	}
	take := s.takeFusing
	if f.literal {
		take = s.takeLiteral
	} else {
		s.filter.convolutional = slices.ContainsFunc(m.Proto.Graph.Node, func(n *onnxpb.NodeProto) bool { return n.OpType == "Conv" })
	}
	for _, n := range m.Proto.Graph.Node {
		f.look(n)
		take(n)
	}
	if err := f.unused(); err != nil {
		return nil, err
	}
	s.fixRanges()
	return s, nil
}

// mark quantizes an activation with parameters of its own; what is marked already keeps its kind.
func (s *selection) mark(name string) {
	if s.marked[name] || s.weight[name] != nil || !s.isFloat(name) || s.staysFloat(name) {
		return
	}
	s.marked[name] = true
	s.activations = append(s.activations, name)
}

// markLike quantizes an activation with the parameters of another tensor, or of that which it takes them from.
func (s *selection) markLike(name, from string) {
	if !s.isFloat(name) || s.staysFloat(name) {
		return
	}
	if s.ownParams(name) {
		s.mark(name) // an override says what its parameters are
		return
	}
	s.mark(name)
	if root, ok := s.shares[from]; ok {
		from = root
	}
	s.shares[name] = from
}

// markConstant quantizes a constant as input i of a node. It reports whether there is one.
func (s *selection) markConstant(n *onnxpb.NodeProto, i, axis int, weight bool) bool {
	t := s.floatConstant(input(n, i))
	if t == nil || s.staysFloat(t.Name) {
		return false
	}
	c := s.overridden(constant{name: t.Name, axis: axis, weight: weight}, len(t.Dims))
	if !slices.Contains(s.constants, c) {
		s.constants = append(s.constants, c)
	}
	// As in the reference, what comes first names a constant, but for channels.
	if _, known := s.plain[t.Name]; !known || c.axis >= 0 {
		s.plain[t.Name] = c
	}
	s.takes[slot{n, i}] = c
	return true
}

// markBias notes that a node's third input is a bias.
func (s *selection) markBias(n *onnxpb.NodeProto) {
	t := s.floatConstant(input(n, 2))
	if t == nil || s.options.FloatBias || s.staysFloat(t.Name) {
		return
	}
	s.biases = append(s.biases, bias{node: n, name: t.Name})
	s.biased[t.Name] = true
}

// quantized reports whether a tensor is marked, as an activation or as a constant.
func (s *selection) quantized(name string) bool {
	_, constant := s.plain[name]
	return s.marked[name] || constant
}

// unmark takes an activation back.
func (s *selection) unmark(name string) {
	delete(s.marked, name)
	delete(s.shares, name)
	s.activations = slices.DeleteFunc(s.activations, func(a string) bool { return a == name })
}

// takeRectifier removes a Relu or Clip whose effect the 8-bit range has anyway: its input is quantized, and nothing else reads it. Where
// it has to stay, what it cuts off is left out of its input's range.
func (s *selection) takeRectifier(n *onnxpb.NodeProto) {
	in, out := n.Input[0], n.Output[0]
	if !s.marked[in] || s.staysFloat(out) {
		return
	}
	_, shared := s.shares[in]
	alone := s.uses[in] == 1 && !s.output[in] && !s.input[in] && !s.within[in]
	s.mark(out)
	if alone && !shared && !s.symmetric(out) && s.cutsAroundZero(n) && !s.ownParams(in) && !s.ownParams(out) {
		s.removed[n] = true
		s.unmark(in)
		return
	}
	s.nodes[n] = s.filter.literal
	if alone {
		s.follows[in] = out
	}
}

// cutsAroundZero reports whether what a Relu or Clip lets through contains 0, as every 8-bit range does: then the calibrated range of its
// output says it all.
func (s *selection) cutsAroundZero(n *onnxpb.NodeProto) bool {
	if n.OpType == "Relu" {
		return true
	}
	low, known1 := s.bound(n, 1, "min", 0)
	high, known2 := s.bound(n, 2, "max", 0)
	return known1 && known2 && low <= 0 && high >= 0
}

// bound is a bound of a Clip, missing where there is none.
func (s *selection) bound(n *onnxpb.NodeProto, at int, name string, missing float32) (v float32, known bool) {
	if input(n, at) == "" {
		return attribute(n, name, missing), true
	}
	t := s.weight[n.Input[at]]
	if t == nil {
		return 0, false
	}
	values, err := s.model.Float32s(t)
	if err != nil || len(values) != 1 {
		return 0, false
	}
	return values[0], true
}

// takeMoving quantizes an operator that moves data without making new values: its output shares its input's parameters.
func (s *selection) takeMoving(n *onnxpb.NodeProto) {
	if !s.marked[n.Input[0]] {
		return
	}
	switch {
	case n.OpType == "MaxPool" && (s.opset < 12 || len(n.Output) > 1):
		return // its 8-bit form begins with opset 12 and gives no indices
	case n.OpType == "Resize" && (s.opset < 11 || attributeString(n, "mode", "nearest") == "cubic"):
		return // a cubic reaches beyond what it goes through
	case n.OpType == "Pad" && !s.padsWithKnown(n):
		return
	}
	s.nodes[n] = true
	outputs := n.Output[:1]
	if n.OpType == "Split" {
		outputs = n.Output
	}
	for _, name := range outputs {
		s.markLike(name, n.Input[0])
	}
}

// padsWithKnown reports whether a Pad adds only what every 8-bit range has: zeros, or values that are there already.
func (s *selection) padsWithKnown(n *onnxpb.NodeProto) bool {
	if attributeString(n, "mode", "constant") != "constant" {
		return true
	}
	v, known := s.bound(n, 2, "value", 0)
	return known && v == 0
}

// symmetric reports whether a tensor's activation parameters are symmetric.
func (s *selection) symmetric(name string) bool {
	if o := s.override[name]; o != nil && o.Symmetric != nil {
		return *o.Symmetric
	}
	return s.options.Symmetric
}

// activationType is the 8-bit type of an activation, or of a constant among activations.
func (s *selection) activationType(name string) tensor.DType {
	if o := s.override[name]; o != nil && o.Type != 0 {
		return o.Type
	}
	return s.options.Activation
}

// fixRanges notes ranges that are known whatever the data is: of a quantized Softmax's output.
func (s *selection) fixRanges() {
	for _, n := range s.model.Proto.Graph.Node {
		if n.OpType == "Softmax" && s.nodes[n] && s.marked[n.Output[0]] {
			s.fixed[n.Output[0]] = [2]float32{0, 1}
		}
	}
}

func (s *selection) refuse(n *onnxpb.NodeProto, why string, args ...any) {
	s.left[n] = fmt.Sprintf(why, args...)
}
