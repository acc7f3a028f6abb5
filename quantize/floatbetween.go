package quantize

import (
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// weighed are the operators whose float weights the runtime makes 8 bits itself where they stand between a DequantizeLinear and a QuantizeLinear, a
// Relu or Clip before it or not (onnxruntime 1.30.0).
var weighed = []string{"Conv", "ConvTranspose", "Gemm"}

// needsWall reports whether a node that is to stay float stands so that the runtime would make it 8 bits.
func (s *selection) needsWall(n *onnxpb.NodeProto) bool {
	if s.options.InputsOnly || s.nodes[n] || onnx.Domain(n.Domain) != "" || !slices.Contains(weighed, n.OpType) || !s.marked[n.Input[0]] || s.weight[input(n, 1)] == nil {
		return false
	}
	out := n.Output[0]
	return s.marked[out] || slices.ContainsFunc(s.reading[out], func(reader *onnxpb.NodeProto) bool {
		return (reader.OpType == "Relu" || reader.OpType == "Clip") && s.marked[reader.Output[0]]
	})
}

// wall puts a node of one input that gives it on unchanged, a largest value of one, in front of a node that is to stay float. The runtime takes no such
// node out, and looks for no 8-bit operator across it.
func (r *rewriter) wall(n *onnxpb.NodeProto) *onnxpb.NodeProto {
	name := r.unique(n.Input[0] + "_kept")
	w := &onnxpb.NodeProto{Name: unusedName(nodeName(n)+"_kept", r.nodeNames), OpType: "Max", Input: []string{n.Input[0]}, Output: []string{name}}
	n.Input[0] = name
	return w
}
