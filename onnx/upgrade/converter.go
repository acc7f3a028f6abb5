package upgrade

import (
	"fmt"
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// converter is what the rules know of a model, and where they put what they add.
type converter struct {
	m         *onnx.Model
	version   int64 // that the nodes are brought to
	names     *onnx.Names
	made      map[string]int                      // how often a value is made: graphs beside each other may use a name differently
	types     map[string]*onnxpb.TypeProto_Tensor // of values, where the model says it
	constants map[string]*onnxpb.TensorProto      // initializers and what Constant nodes make
	read      map[string]bool                     // values that a node or a graph's output reads
	upsamples map[*onnxpb.NodeProto]bool          // Resize nodes that were Upsample, whose scales are 1 or more
	wide      bool                                // some value is of a floating-point type other than float32
	graph     *onnxpb.GraphProto                  // the graph of the node at hand
	before    []*onnxpb.NodeProto                 // to stand before the node
	after     []*onnxpb.NodeProto                 // and behind it
}

func newConverter(m *onnx.Model) *converter {
	c := &converter{m: m, names: m.Names(), made: map[string]int{}, types: map[string]*onnxpb.TypeProto_Tensor{},
		constants: map[string]*onnxpb.TensorProto{}, read: map[string]bool{}, upsamples: map[*onnxpb.NodeProto]bool{}}
	c.learn(m.Proto.Graph)
	m.EachTensor(func(t *onnxpb.TensorProto) { c.note(t.DataType) })
	return c
}

// learn gathers types and constants of a graph and of those within its nodes. An initializer that is an input too is made twice: a caller
// may replace it.
func (c *converter) learn(g *onnxpb.GraphProto) {
	for _, list := range [][]*onnxpb.ValueInfoProto{g.Input, g.Output, g.ValueInfo} {
		for _, v := range list {
			if t := v.Type.GetTensorType(); t != nil && t.ElemType != 0 {
				c.note(t.ElemType)
				c.types[v.Name] = t
			}
		}
	}
	for _, v := range g.Input {
		c.made[v.Name]++
	}
	for _, v := range g.Output {
		c.read[v.Name] = true
	}
	for _, t := range g.Initializer {
		c.made[t.Name]++
		c.constants[t.Name] = t
	}
	for _, n := range g.Node {
		c.learnNode(n)
	}
}

func (c *converter) learnNode(n *onnxpb.NodeProto) {
	for _, name := range n.Input {
		c.read[name] = true
	}
	for _, name := range n.Output {
		c.made[name]++
	}
	switch {
	case n.OpType == "Constant" && len(n.Output) == 1 && onnx.AttrTensor(n, "value") != nil:
		c.constants[n.Output[0]] = onnx.AttrTensor(n, "value")
	case n.OpType == "Cast":
		c.note(int32(onnx.AttrInt(n, "to", 0)))
	}
	for _, inner := range onnx.AttrGraphs(n) {
		c.learn(inner)
	}
}

// note sees the element type of some value.
func (c *converter) note(dtype int32) {
	d := tensor.DType(dtype)
	c.wide = c.wide || d.IsFloat() && d != tensor.Float32
}

// typeOf is the type of a value, nil where it is not known.
func (c *converter) typeOf(name string) *onnxpb.TypeProto_Tensor {
	if c.made[name] != 1 {
		return nil
	}
	return c.types[name]
}

// constant is the tensor that a value always is, nil where that is not known.
func (c *converter) constant(name string) *onnxpb.TensorProto {
	if c.made[name] != 1 {
		return nil
	}
	return c.constants[name]
}

// dims gives the dimensions of the first of the values whose shape is known, -1 for those that are not fixed.
func (c *converter) dims(names ...string) ([]int64, bool) {
	for _, name := range names {
		t := c.typeOf(name)
		if t.GetShape() == nil {
			continue
		}
		out := []int64{}
		for _, d := range t.Shape.Dim {
			if v, ok := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue); ok {
				out = append(out, v.DimValue)
			} else {
				out = append(out, -1)
			}
		}
		return out, true
	}
	return nil, false
}

// floatType gives the floating-point type that the values share.
func (c *converter) floatType(names ...string) (tensor.DType, error) {
	for _, name := range names {
		if t := c.typeOf(name); t != nil && tensor.DType(t.ElemType).IsFloat() {
			return tensor.DType(t.ElemType), nil
		}
	}
	if c.wide {
		return 0, fmt.Errorf("the type of %s is not known, and the model has values of more floating-point types than float32", names[0])
	}
	return tensor.Float32, nil
}

// add gives the graph at hand a constant, named for the node's first output and its part in it.
func (c *converter) add(n *onnxpb.NodeProto, part string, t *onnxpb.TensorProto) string {
	t.Name = c.names.Value(n.Output[0] + "_" + part)
	c.graph.Initializer = append(c.graph.Initializer, t)
	c.made[t.Name], c.constants[t.Name] = 1, t
	return t.Name
}

// forget takes the types of values out that are gone, or are of another type now.
func (c *converter) forget(names ...string) {
	gone := func(v *onnxpb.ValueInfoProto) bool { return slices.Contains(names, v.Name) }
	c.graph.ValueInfo = slices.DeleteFunc(c.graph.ValueInfo, gone)
	for _, name := range names {
		delete(c.types, name)
	}
}

// keepOutputs drops all outputs of a node but the first count. It gives an error where one of them is read.
func (c *converter) keepOutputs(n *onnxpb.NodeProto, count int) error {
	if len(n.Output) <= count {
		return nil
	}
	for _, name := range n.Output[count:] {
		if name != "" && c.read[name] {
			return fmt.Errorf("its output %s is read", name)
		}
	}
	c.forget(n.Output[count:]...)
	n.Output = n.Output[:count]
	return nil
}
