package upgrade

import (
	"assay/onnx"
	"assay/onnx/onnxpb"
)

// overOneAxis: before version 13, Softmax and its like see their input as a matrix whose rows begin at axis; from 13 on axis is the one
// dimension that they work along. The two are the same where the other dimensions from axis on are 1. Elsewhere the input is made a
// matrix, and the result is given the input's shape back. (A shape with an element of 0 behind the second does not come back: there is
// nothing to compute then.)
func overOneAxis(c *converter, n *onnxpb.NodeProto) error {
	axis := onnx.AttrInt(n, "axis", 1)
	if direct, ok := c.along(n, axis); ok {
		onnx.SetAttrInt(n, "axis", direct)
		return nil
	}
	x, y := n.Input[0], n.Output[0]
	shape, matrix, rows := c.names.Value(y+"_shape"), c.names.Value(y+"_matrix"), c.names.Value(y+"_rows")
	c.before = []*onnxpb.NodeProto{
		{OpType: "Shape", Name: c.names.Node(shape), Input: []string{x}, Output: []string{shape}},
		{OpType: "Flatten", Name: c.names.Node(matrix), Input: []string{x}, Output: []string{matrix}},
	}
	onnx.SetAttrInt(c.before[1], "axis", axis)
	n.Input[0], n.Output[0] = matrix, rows
	onnx.SetAttrInt(n, "axis", -1)
	c.after = []*onnxpb.NodeProto{{OpType: "Reshape", Name: c.names.Node(y + "_reshape"), Input: []string{rows, shape}, Output: []string{y}}}
	return nil
}

// along finds the dimension, of those from axis on, beside which all are 1.
func (c *converter) along(n *onnxpb.NodeProto, axis int64) (int64, bool) {
	if axis == -1 {
		return axis, true
	}
	dims, ok := c.dims(n.Input[0], n.Output[0])
	if !ok {
		return 0, false
	}
	rank := int64(len(dims))
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis >= rank {
		return 0, false
	}
	long := axis
	count := 0
	for i := axis; i < rank; i++ {
		if dims[i] != 1 {
			long = i
			count++
		}
	}
	return long, count <= 1
}
