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
	version   int64                               // that the nodes are brought to
	names     map[string]bool                     // of all values and nodes
	types     map[string]*onnxpb.TypeProto_Tensor // of values, where the model says it; nil where two graphs use a name differently
	constants map[string]*onnxpb.TensorProto      // values that no caller can change; nil where two graphs use a name differently
	read      map[string]bool                     // values that a node or a graph's output reads
	upsamples map[*onnxpb.NodeProto]bool          // Resize nodes that were Upsample, whose scales are 1 or more
	graph     *onnxpb.GraphProto                  // the graph of the node at hand
	before    []*onnxpb.NodeProto                 // to stand before the node
	after     []*onnxpb.NodeProto                 // and behind it
	wide      bool                                // some value is of a floating-point type other than float32
}

func newConverter(m *onnx.Model) *converter {
	c := &converter{m: m, names: map[string]bool{"": true}, types: map[string]*onnxpb.TypeProto_Tensor{}, constants: map[string]*onnxpb.TensorProto{},
		read: map[string]bool{}, upsamples: map[*onnxpb.NodeProto]bool{}}
	c.learn(m.Proto.Graph)
	for _, v := range m.Proto.Graph.Input { // a caller may replace an initializer that is an input too
		delete(c.constants, v.Name)
	}
	m.EachTensor(func(t *onnxpb.TensorProto) { c.note(t.DataType) })
	return c
}

// learn gathers names, types and constants of a graph and of those within its nodes.
func (c *converter) learn(g *onnxpb.GraphProto) {
	for _, list := range [][]*onnxpb.ValueInfoProto{g.Input, g.Output, g.ValueInfo} {
		for _, v := range list {
			c.names[v.Name] = true
			if t := v.Type.GetTensorType(); t != nil && t.ElemType != 0 {
				c.note(t.ElemType)
				c.learnType(v.Name, t)
			}
		}
	}
	for _, v := range g.Output {
		c.read[v.Name] = true
	}
	for _, t := range g.Initializer {
		c.learnConstant(t.Name, t)
	}
	for _, n := range g.Node {
		c.names[n.Name] = true
		for _, name := range n.Input {
			c.read[name] = true
		}
		for _, name := range n.Output {
			c.names[name] = true
		}
		for _, a := range n.Attribute {
			if n.OpType == "Constant" && a.T != nil && len(n.Output) == 1 {
				c.learnConstant(n.Output[0], a.T)
			}
			if n.OpType == "Cast" && a.Name == "to" {
				c.note(int32(a.I))
			}
			for _, inner := range graphs(a) {
				c.learn(inner)
			}
		}
	}
}

func (c *converter) note(dtype int32) {
	d := tensor.DType(dtype)
	c.wide = c.wide || d.IsFloat() && d != tensor.Float32
}

func (c *converter) learnType(name string, t *onnxpb.TypeProto_Tensor) {
	if old, ok := c.types[name]; ok && (old == nil || !sameType(old, t)) {
		c.types[name] = nil
		return
	}
	c.types[name] = t
}

func sameType(a, b *onnxpb.TypeProto_Tensor) bool {
	return a.ElemType == b.ElemType && (a.Shape == nil) == (b.Shape == nil) &&
		slices.EqualFunc(a.Shape.GetDim(), b.Shape.GetDim(), func(x, y *onnxpb.TensorShapeProto_Dimension) bool { return x.GetDimValue() == y.GetDimValue() })
}

func (c *converter) learnConstant(name string, t *onnxpb.TensorProto) {
	c.names[name] = true
	if _, ok := c.constants[name]; ok {
		c.constants[name], c.types[name] = nil, nil
		return
	}
	c.constants[name] = t
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range t.Dims {
		shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	c.learnType(name, &onnxpb.TypeProto_Tensor{ElemType: t.DataType, Shape: shape})
}

// dims gives the dimensions of the first of the values whose shape is known, -1 for those that are not fixed.
func (c *converter) dims(names ...string) ([]int64, bool) {
	for _, name := range names {
		t := c.types[name]
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
		if t := c.types[name]; t != nil && tensor.DType(t.ElemType).IsFloat() {
			return tensor.DType(t.ElemType), nil
		}
	}
	if c.wide {
		return 0, fmt.Errorf("the type of %s is not known, and the model has values of more floating-point types than float32", names[0])
	}
	return tensor.Float32, nil
}

// unused gives a name that no value and no node has.
func (c *converter) unused(want string) string {
	name := want
	for i := 1; c.names[name]; i++ {
		name = fmt.Sprintf("%s_%d", want, i)
	}
	c.names[name] = true
	return name
}

// add gives the graph at hand a constant, named for the node's first output and its part in it.
func (c *converter) add(n *onnxpb.NodeProto, part string, t *onnxpb.TensorProto) string {
	t.Name = c.unused(n.Output[0] + "_" + part)
	c.graph.Initializer = append(c.graph.Initializer, t)
	c.constants[t.Name] = t
	return t.Name
}

// rename calls a node's first output something else and gives the new name; the caller has another node make the old one.
func (c *converter) rename(n *onnxpb.NodeProto, part string) string {
	n.Output[0] = c.unused(n.Output[0] + "_" + part)
	return n.Output[0]
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
