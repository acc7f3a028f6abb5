//go:build cgo && linux

package quantize

import (
	"assay/onnx/onnxpb"
	"assay/tensor"
)

func ints(name string, v ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v}
}

func text(name, v string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)}
}

// rulesModel has what the published models lack of the reference's rules: transposed and grouped convolutions, biases that are shared or
// overflow, tables, pads of every kind, splits, choices, norms and sums.
func rulesModel() *network {
	n := newNetwork(17).input("x", 2, 8, 6, 6).
		weight("w1", 8, 8, 3, 3).weight("b1", 8).weight("wd", 8, 1, 3, 3).weight("wt", 8, 4, 2, 2).weight("bt", 4).weight("wg", 8, 2, 3, 3).
		weight("slope", 1).weight("gamma", 8).weight("beta", 8).weight("addend", 8, 1, 1).weight("other", 2, 8, 6, 6).
		node("Conv x w1 b1 > c1", ints("pads", 1, 1, 1, 1)).node("Clip c1 zero six > r1").constant("zero", []float32{0}).constant("six", []float32{6}).
		node("Conv r1 wd b1 > d1", ints("pads", 1, 1, 1, 1), intAttribute("group", 8)).node("LeakyRelu d1 > l1").
		node("Conv l1 wg b1 > g1", ints("pads", 1, 1, 1, 1), intAttribute("group", 4)).
		node("InstanceNormalization g1 gamma beta > i1").node("Add i1 addend > a1").node("Mul a1 l1 > m1").node("Sigmoid m1 > s1").
		node("Greater s1 addend > cond").node("Where cond s1 a1 > o1").
		node("Pad o1 pads > p0").node("Pad o1 pads half > p1").node("Pad o1 pads > p2", text("mode", "reflect")).constant("half", []float32{0.5}).
		node("Concat p0 p1 p2 > k1", intAttribute("axis", 1)).node("GlobalAveragePool k1 > q1").node("Flatten q1 > f1").
		weight("wf", 24, 16).weight("bf", 16).node("Gemm f1 wf bf > y1").node("Softmax y1 > sm").
		node("Split sm > h1 h2", intAttribute("axis", 1)).weight("w8", 8, 8).node("MatMul h1 w8 > m8").node("MatMul h2 w8 > n8").
		node("MatMul m8 n8t > t8").node("Relu t8 > y2").
		node("ConvTranspose o1 wt bt > ct", ints("strides", 2, 2)).node("AveragePool ct > ap", ints("kernel_shape", 2, 2)).node("Resize ap none scales > rs").
		node("MaxPool rs > mp", ints("kernel_shape", 2, 2)).node("Slice mp starts ends > sl").
		weight("table", 10, 8).node("ArgMax y1 > ids", intAttribute("axis", 1), intAttribute("keepdims", 0)).node("Gather table ids > emb").
		node("LayerNormalization emb gamma beta > ln").node("Tanh ln > th").node("CumSum th axis > cs").node("TopK cs three > tk ti")
	g := n.model.Graph
	for i, node := range g.Node { // the transposed operand stands before its reader
		if node.Name == "MatMul_t8" {
			transpose := &onnxpb.NodeProto{OpType: "Transpose", Name: "Transpose_n8t", Input: []string{"n8"}, Output: []string{"n8t"}}
			g.Node = append(g.Node[:i:i], append([]*onnxpb.NodeProto{transpose}, g.Node[i:]...)...)
			break
		}
	}
	for _, node := range g.Node {
		if node.OpType == "Resize" {
			node.Input[1] = ""
		}
	}
	n.whole("pads", 0, 0, 1, 1, 0, 0, 1, 1).whole("starts", 0, 0).whole("ends", 2, 3).whole("three", 3).scalar("axis", 1).constant("scales", []float32{1, 1, 2, 2}, 4)
	return n.output("y1", 2, 16).output("y2", 2, 2).output("sl", 2, 3, 22, 22).output("tk", 2, 3)
}

// whole adds a constant of integers.
func (n *network) whole(name string, values ...int64) *network {
	n.model.Graph.Initializer = append(n.model.Graph.Initializer,
		&onnxpb.TensorProto{Name: name, DataType: int32(tensor.Int64), Dims: []int64{int64(len(values))}, Int64Data: values})
	return n
}

// scalar adds a constant of one integer.
func (n *network) scalar(name string, v int64) *network {
	n.model.Graph.Initializer = append(n.model.Graph.Initializer,
		&onnxpb.TensorProto{Name: name, DataType: int32(tensor.Int64), Int64Data: []int64{v}})
	return n
}
