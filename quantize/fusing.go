package quantize

import (
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// moving are operators that move data without changing values, so their output shares its input's parameters. An average of values stays
// within their range, and so does interpolation along lines.
var moving = []string{"MaxPool", "AveragePool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Pad", "Gather",
	"GatherElements", "DepthToSpace", "Tile", "Expand", "Resize"}

// joining are operators that the CPU provider computes in 8 bits between quantized convolutions.
var joining = []string{"Add", "Mul", "GlobalAveragePool", "Concat", "Sigmoid", "LeakyRelu", "Where"}

// heavyTypes are the operator types whose weights are quantized where no types are asked for.
var heavyTypes = []string{"Conv", "Gemm", "MatMul"}

// takeFusing quantizes what the runtime computes in 8 bits, and nothing that would stay float between conversions: operators with constant
// weights, what carries their values on unchanged, and, among convolutions, what joins them.
func (s *selection) takeFusing(n *onnxpb.NodeProto) {
	if onnx.Domain(n.Domain) != "" {
		return
	}
	heavy := s.filter.types[n.OpType]
	if why := s.filter.refuses(n, heavy); why != "" {
		if heavy || isCarrier(n) {
			s.left[n] = why
		}
		return
	}
	switch {
	case heavy:
		s.takeHeavy(n)
	case s.options.InputsOnly:
	case n.OpType == "Relu" || n.OpType == "Clip":
		s.takeRectifier(n)
	case slices.Contains(moving, n.OpType):
		s.takeMoving(n)
	case s.filter.convolutional && slices.Contains(joining, n.OpType):
		s.takeJoining(n)
	}
}

// isCarrier reports whether an operator may stand between quantized values.
func isCarrier(n *onnxpb.NodeProto) bool {
	return n.OpType == "Relu" || n.OpType == "Clip" || slices.Contains(moving, n.OpType) || slices.Contains(joining, n.OpType)
}

func (s *selection) takeHeavy(n *onnxpb.NodeProto) {
	if why := s.unfit(n); why != "" {
		s.left[n] = why
		return
	}
	s.nodes[n] = true
	s.mark(n.Input[0])
	s.markConstant(n, 1, s.channelAxis(n), true)
	if n.OpType != "MatMul" {
		s.markBias(n)
	}
	// Gemm and MatMul can give floats straight away; what nothing takes in 8 bits needs no detour through them.
	product := n.OpType == "Gemm" || n.OpType == "MatMul"
	if s.options.InputsOnly || product && (s.output[n.Output[0]] || !s.wanted(n.Output[0]) && !s.swallowed(n.Output[0])) {
		return
	}
	s.mark(n.Output[0])
}

// swallowed reports whether a value goes into a Relu or Clip alone, which the runtime makes part of the float product before it looks for 8-bit ones,
// unless there is a QuantizeLinear in between or behind (onnxruntime 1.30.0): the product's weight would be made float at every request.
func (s *selection) swallowed(value string) bool {
	readers := s.reading[value]
	return s.uses[value] == 1 && !s.within[value] && len(readers) == 1 && (readers[0].OpType == "Relu" || readers[0].OpType == "Clip") && !s.output[readers[0].Output[0]]
}

// wanted reports whether something that will be quantized reads a value, straight or behind what carries it on.
func (s *selection) wanted(value string) bool {
	return slices.ContainsFunc(s.reading[value], func(n *onnxpb.NodeProto) bool {
		heavy := s.filter.types[n.OpType]
		if onnx.Domain(n.Domain) != "" || s.filter.refuses(n, heavy) != "" {
			return false
		}
		switch {
		case heavy:
			return n.Input[0] == value && s.unfit(n) == ""
		case n.OpType == "Relu" || n.OpType == "Clip", slices.Contains(moving, n.OpType):
			return n.Input[0] == value && slices.ContainsFunc(n.Output, s.wanted)
		}
		return s.filter.convolutional && slices.Contains(joining, n.OpType)
	})
}

// unfit says why a node with weights cannot be quantized, "" where it can.
func (s *selection) unfit(n *onnxpb.NodeProto) string {
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
	case s.staysFloat(n.Input[0]), s.staysFloat(n.Input[1]):
		return "its input or its weight is float by an override"
	case !s.isFloat(n.Input[0]):
		return "the type of its input is not known to be float32"
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

// channelAxis is the axis along which a node's weight has channels; -1 for one scale over all. A stack of matrices gets one: the runtime's
// 8-bit MatMul takes no scale a column there (onnxruntime 1.30.0).
func (s *selection) channelAxis(n *onnxpb.NodeProto) int {
	rank := 0
	if t := s.weight[input(n, 1)]; t != nil {
		rank = len(t.Dims)
	}
	switch {
	case !s.options.PerChannel, n.OpType == "MatMul" && rank != 2, rank < 2:
		return -1
	case n.OpType == "Conv", n.OpType == "Gemm" && attributeInt(n, "transB", 0) != 0:
		return 0
	}
	return 1
}

// takeJoining quantizes an operator between quantized values: all its float inputs must be such, or constants, and at least one no constant.
func (s *selection) takeJoining(n *onnxpb.NodeProto) {
	live := 0
	var constants []int
	for i, name := range n.Input {
		switch {
		case n.OpType == "Where" && i == 0:
		case s.marked[name]:
			live++
		case s.floatConstant(name) != nil && !s.staysFloat(name):
			constants = append(constants, i)
		default:
			return
		}
	}
	if live == 0 {
		return
	}
	s.nodes[n] = true
	for _, i := range constants {
		s.markConstant(n, i, -1, false)
	}
	s.mark(n.Output[0])
}

// why says why a node stays float.
func (s *selection) why(n *onnxpb.NodeProto) string {
	standard := onnx.Domain(n.Domain) == ""
	switch {
	case s.left[n] != "":
		return s.left[n]
	case s.filter.literal && !s.filter.types[n.OpType]:
		return "its type is not among those asked for"
	case standard && (n.OpType == "Relu" || n.OpType == "Clip") && s.marked[n.Output[0]] && !s.marked[n.Input[0]]:
		return "what it takes stays float"
	case standard && (n.OpType == "Relu" || n.OpType == "Clip") && s.marked[n.Output[0]]:
		return "it is more than the end of a range: its input is read elsewhere, or shared, or symmetric, or what it lets through has no 0"
	case standard && n.OpType == "ConvTranspose":
		return "the CPU provider has no 8-bit form of it; ask for it by its type"
	case standard && s.options.InputsOnly && isCarrier(n):
		return "the target decides itself what it computes in 8 bits around operators with weights"
	case standard && isCarrier(n):
		return "it does not stand between quantized values"
	case standard && slices.Contains(heavyTypes, n.OpType):
		return "its type is not among those asked for"
	}
	return "its operator is not one that is quantized"
}
