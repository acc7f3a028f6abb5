//go:build cgo && linux

package quantize

import "assay/onnx/onnxpb"

// quirksModel has what the reference gets wrong: deviations say how.
func quirksModel() *network {
	n := newNetwork(17).input("x", 1, 4, 8, 8).input("u", 1, 4, 4, 4).weight("k1", 4, 4, 1, 1).weight("b1", 4).weight("k2", 4, 4, 1, 1).weight("k3", 4, 4, 1, 1).weight("k4", 4, 4, 1, 1).
		constant("half", []float32{0.5}).constant("two", []float32{2}).constant("zero", []float32{0}).constant("six", []float32{6}).
		node("Conv x k1 b1 > a").node("Clip a half two > c").node("Conv c k2 > d").
		node("MaxPool d > p", ints("kernel_shape", 2, 2), ints("strides", 2, 2)).node("Clip p zero six > q").
		node("Conv q k3 > z").node("Relu z > zz").node("Add zz u > au").node("Softmax au > s", intAttribute("axis", 1)).node("Conv s k4 > t").
		whole("flat", 16, 4).whole("stacked", 2, 8, 4).weight("w", 4, 4).weight("v1", 4).weight("stack", 2, 4, 4).
		node("Reshape t flat > f").node("Gemm f w v1 > g", floatAttribute("beta", 0.5)).node("Reshape g stacked > i").
		node("MatMul i stack > j").node("Constant > lifted", &onnxpb.AttributeProto{Name: "value", Type: onnxpb.AttributeProto_TENSOR}).node("MatMul j lifted > y").
		output("z", 1, 4, 4, 4).output("au", 1, 4, 4, 4).output("u", 1, 4, 4, 4).output("y", 2, 8, 4).output("b1", 4)
	n.weight("lifted", 4, 4) // is the Constant's
	g := n.model.Graph
	last := len(g.Initializer) - 1
	for _, node := range g.Node {
		if node.OpType == "Constant" {
			node.Attribute[0].T = g.Initializer[last]
		}
	}
	g.Initializer = g.Initializer[:last]
	for _, t := range g.Initializer { // bounds of a Clip are scalars
		if len(t.RawData) == 4 && len(t.Dims) == 1 {
			t.Dims = nil
		}
	}
	return n
}

// rowsModel adds other values to each row.
func rowsModel() *network {
	return newNetwork(17).input("x", 6, 12).weight("w", 12, 8).weight("b", 6, 8).weight("v", 8, 5).weight("c", 6, 1).
		node("Gemm x w b > a").node("Relu a > r").node("Gemm r v c > y").output("y", 6, 5)
}
