package quantize

import (
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Unit is what a runtime computes as one: an operator with its bias and the activation that follows it. Precision is decided, and its cost
// in quality and its gain in time are measured, by units: a part of one at another precision would only add conversions.
//
// MatMuls that share an input, as those of queries, keys and values, are units of their own: the CPU provider runs them one by one, and one
// of them can be far more sensitive than the others. Their Inputs say what they share.
type Unit struct {
	Name    string   `json:"name"`    // of the operator that does the work; unique within a model
	Kind    string   `json:"kind"`    // its type, with its domain where that is not ONNX's own
	Nodes   []string `json:"nodes"`   // the operator and what belongs to it, in the order of the graph
	Inputs  []string `json:"inputs"`  // values from outside that it reads, no weights
	Outputs []string `json:"outputs"` // values that others read, or the model gives
	// Parameters counts the elements of its constants, and WeightBytes is their size; a constant of several units counts for each.
	Parameters  int64 `json:"parameters"`
	WeightBytes int64 `json:"weight_bytes"`

	keys []string // nodeKey of Nodes
}

// nodeKey tells the nodes of a graph apart, whatever their names: the first value that a node makes.
func nodeKey(n *onnxpb.NodeProto) string {
	for _, name := range n.Output {
		if name != "" {
			return name
		}
	}
	return ""
}

// Units parts the main graph of a prepared model: each of its nodes is in one unit, and units are in the order of their operators. Graphs
// within nodes belong to their node.
func Units(m *onnx.Model) []Unit {
	u := &unitFinder{index: newIndex(m), makes: map[string]*onnxpb.NodeProto{}, reads: map[string][]*onnxpb.NodeProto{}}
	nodes := m.Proto.Graph.Node
	for _, n := range nodes {
		for _, name := range n.Output {
			u.makes[name] = n
		}
		for i, name := range n.Input {
			if name != "" && !slices.Contains(n.Input[:i], name) {
				u.reads[name] = append(u.reads[name], n)
			}
		}
	}
	follower := map[*onnxpb.NodeProto]bool{}
	members := map[*onnxpb.NodeProto][]*onnxpb.NodeProto{}
	for _, n := range nodes {
		if follower[n] || onnx.Domain(n.Domain) != "" {
			continue
		}
		members[n] = u.following(n)
		for _, f := range members[n] {
			follower[f] = true
		}
	}
	var units []Unit
	taken := map[string]bool{}
	for _, n := range nodes {
		if !follower[n] {
			unit := u.unit(append([]*onnxpb.NodeProto{n}, members[n]...))
			unit.Name = unusedName(unit.Name, taken)
			units = append(units, unit)
		}
	}
	return units
}

type unitFinder struct {
	*index
	makes map[string]*onnxpb.NodeProto
	reads map[string][]*onnxpb.NodeProto // each reader once
}

// producing are the operators that what follows them is computed with.
var producing = []string{"Conv", "ConvTranspose", "Gemm", "MatMul"}

// activating are operators of one value that a runtime computes with what makes it.
var activating = []string{"Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "PRelu", "Elu", "Gelu"}

// following gives what belongs to an operator: an Add of a constant after a MatMul or a convolution, then an activation, or an activation
// times its own input (SiLU, hard swish). What other nodes read in between ends it.
func (u *unitFinder) following(n *onnxpb.NodeProto) (out []*onnxpb.NodeProto) {
	if !slices.Contains(producing, n.OpType) {
		return nil
	}
	value := n.Output[0]
	if next := u.only(value); next != nil && next.OpType == "Add" && u.otherIsConstant(next, value) {
		out, value = append(out, next), next.Output[0]
	}
	if next := u.only(value); next != nil && isActivation(next, value) {
		return append(out, next)
	}
	if gate, product := u.gated(value); gate != nil {
		return append(out, gate, product)
	}
	return out
}

// only is the one node that reads a value, nil where there are others, or the model or a graph within a node reads it.
func (u *unitFinder) only(value string) *onnxpb.NodeProto {
	if r := u.reads[value]; len(r) == 1 && !u.output[value] && !u.within[value] && onnx.Domain(r[0].Domain) == "" {
		return r[0]
	}
	return nil
}

// gated finds an activation of a value, and its product with that value, where nothing else reads the two.
func (u *unitFinder) gated(value string) (gate, product *onnxpb.NodeProto) {
	r := u.reads[value]
	if len(r) != 2 || u.output[value] || u.within[value] {
		return nil, nil
	}
	for i, gate := range r {
		product := r[1-i]
		if isActivation(gate, value) && onnx.Domain(gate.Domain) == "" && u.only(gate.Output[0]) == product && product.OpType == "Mul" {
			return gate, product
		}
	}
	return nil, nil
}

func isActivation(n *onnxpb.NodeProto, value string) bool {
	return slices.Contains(activating, n.OpType) && n.Input[0] == value
}

func (u *unitFinder) otherIsConstant(n *onnxpb.NodeProto, value string) bool {
	return len(n.Input) == 2 && (n.Input[0] == value && u.weight[n.Input[1]] != nil || n.Input[1] == value && u.weight[n.Input[0]] != nil)
}

// unit describes nodes, the first of which does the work.
func (u *unitFinder) unit(nodes []*onnxpb.NodeProto) Unit {
	head := nodes[0]
	unit := Unit{Name: nodeName(head), Kind: head.OpType, Inputs: []string{}, Outputs: []string{}}
	if d := onnx.Domain(head.Domain); d != "" {
		unit.Kind = d + "." + head.OpType
	}
	seen := map[string]bool{"": true}
	for _, n := range nodes {
		unit.Nodes, unit.keys = append(unit.Nodes, nodeName(n)), append(unit.keys, nodeKey(n))
		for _, name := range n.Input {
			if seen[name] || slices.Contains(nodes, u.makes[name]) {
				continue
			}
			seen[name] = true
			if t := u.weight[name]; t != nil {
				unit.add(t)
			} else {
				unit.Inputs = append(unit.Inputs, name)
			}
		}
		for _, name := range n.Output {
			outside := slices.ContainsFunc(u.reads[name], func(r *onnxpb.NodeProto) bool { return !slices.Contains(nodes, r) })
			if name != "" && (outside || u.output[name] || u.within[name]) {
				unit.Outputs = append(unit.Outputs, name)
			}
		}
	}
	return unit
}

// add counts a constant.
func (u *Unit) add(t *onnxpb.TensorProto) {
	count, err1 := tensor.Count(t.Dims)
	size, err2 := tensor.ByteSize(tensor.DType(t.DataType), t.Dims)
	if err1 == nil && err2 == nil {
		u.Parameters += count
		u.WeightBytes += size
	}
}
