package quantize

import (
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// referenceTypes are the operator types that onnxruntime.quantization 1.30.0 quantizes where none are asked for: those of its QOperator and
// its QDQ registry together (onnxruntime/python/tools/quantization/registry.py of microsoft/onnxruntime).
var referenceTypes = []string{"Add", "ArgMax", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "CumSum",
	"EmbedLayerNormalization", "Flatten", "Gather", "GatherElements", "Gemm", "GlobalAveragePool", "InstanceNormalization",
	"LayerNormalization", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "Relu", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Split",
	"Squeeze", "TopK", "Transpose", "Unsqueeze", "Where"}

// sharing are operators whose first output takes the parameters of a first input that is quantized.
var sharing = []string{"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "AveragePool", "TopK", "MaxPool", "Resize"}

// takeLiteral quantizes a node as onnxruntime.quantization does: by its type, whether or not the runtime has an 8-bit form of it. Marking is
// in the order of the graph, and a tensor keeps the kind that it is first marked with.
func (s *selection) takeLiteral(n *onnxpb.NodeProto) {
	if !s.filter.types[n.OpType] || onnx.Domain(n.Domain) != "" && n.OpType != "EmbedLayerNormalization" {
		return
	}
	if why := s.filter.refuses(n, true); why != "" {
		s.left[n] = why
		return
	}
	before := len(s.activations) + len(s.constants)
	switch {
	case n.OpType == "Conv", n.OpType == "ConvTranspose", n.OpType == "Gemm":
		s.literalProduct(n)
	case n.OpType == "MatMul":
		s.literalMatMul(n)
	case n.OpType == "Relu", n.OpType == "Clip":
		s.takeRectifier(n)
		return
	case slices.Contains(sharing, n.OpType):
		s.literalSharing(n)
	case n.OpType == "Split":
		s.literalAll(n, n.Input[:1], nil)
		s.likeFirst(n, n.Output)
	case n.OpType == "Pad":
		s.literalPad(n)
	case n.OpType == "Gather", n.OpType == "GatherElements":
		s.literalGather(n)
	case n.OpType == "Where":
		if s.quantized(input(n, 1)) && s.quantized(input(n, 2)) {
			s.literalAll(n, n.Input, n.Output)
		}
	case n.OpType == "InstanceNormalization", n.OpType == "LayerNormalization", n.OpType == "BatchNormalization":
		s.literalNorm(n)
	default:
		s.literalAll(n, n.Input, n.Output)
	}
	s.nodes[n] = len(s.activations)+len(s.constants) > before || slices.ContainsFunc(n.Input, s.quantized)
}

// literalAll marks float inputs and outputs as activations.
func (s *selection) literalAll(n *onnxpb.NodeProto, inputs, outputs []string) {
	for i, name := range inputs {
		if !s.markConstant(n, i, -1, false) {
			s.mark(name)
		}
	}
	for _, name := range outputs {
		s.mark(name)
	}
}

// likeFirst lets outputs take the parameters of the first input, where that is quantized, as an activation or as a constant of one scale.
func (s *selection) likeFirst(n *onnxpb.NodeProto, outputs []string) {
	if c, ok := s.plain[n.Input[0]]; ok && c.axis < 0 {
		s.takes[slot{n, 0}] = c
	} else if !s.marked[n.Input[0]] {
		return
	}
	for _, name := range outputs {
		s.markLike(name, n.Input[0])
	}
}

// literalProduct marks a convolution's or a Gemm's input, weight, bias and output. A weight that is computed counts as an activation.
func (s *selection) literalProduct(n *onnxpb.NodeProto) {
	if n.OpType == "Gemm" && attribute(n, "alpha", 1) != 1 {
		s.refuse(n, "its alpha is not 1, which the scale of an 8-bit product does not know")
		return
	}
	s.literalAll(n, n.Input[:1], n.Output)
	if !s.markConstant(n, 1, s.channelAxis(n), true) {
		s.mark(input(n, 1))
	}
	s.markBias(n)
}

func (s *selection) literalMatMul(n *onnxpb.NodeProto) {
	for i, name := range n.Input {
		axis := -1
		if t := s.weight[name]; t != nil && s.options.PerChannel && len(t.Dims) == 2 {
			axis = 1
		}
		if !s.markConstant(n, i, axis, true) {
			s.mark(name)
		}
	}
	s.mark(n.Output[0])
}

func (s *selection) literalSharing(n *onnxpb.NodeProto) {
	switch {
	case n.OpType == "MaxPool" && s.opset < 12, n.OpType == "Resize" && s.opset < 11:
		return
	}
	s.likeFirst(n, n.Output[:1])
}

func (s *selection) literalPad(n *onnxpb.NodeProto) {
	s.literalAll(n, n.Input, nil)
	if s.padsWithKnown(n) {
		s.likeFirst(n, n.Output)
	} else {
		s.literalAll(n, nil, n.Output)
	}
}

// literalGather quantizes a table, too: what is looked up in it has its parameters.
func (s *selection) literalGather(n *onnxpb.NodeProto) {
	s.markConstant(n, 0, -1, false)
	s.likeFirst(n, n.Output[:1])
}

// literalNorm marks a normalization's input, scale, bias and outputs. Scales are vectors, so that they have no channels.
func (s *selection) literalNorm(n *onnxpb.NodeProto) {
	s.literalAll(n, n.Input[:1], nil)
	if !s.markConstant(n, 1, -1, true) {
		s.mark(input(n, 1))
	}
	s.markBias(n)
	s.literalAll(n, nil, n.Output)
}
