package quantize

import (
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// typed are operators whose first output has one element type, whatever goes in.
var typed = map[string]tensor.DType{"Shape": tensor.Int64, "Size": tensor.Int64, "ArgMax": tensor.Int64, "ArgMin": tensor.Int64,
	"NonZero": tensor.Int64, "NonMaxSuppression": tensor.Int64, "Equal": tensor.Bool, "Greater": tensor.Bool, "GreaterOrEqual": tensor.Bool,
	"Less": tensor.Bool, "LessOrEqual": tensor.Bool, "And": tensor.Bool, "Or": tensor.Bool, "Xor": tensor.Bool, "Not": tensor.Bool,
	"IsNaN": tensor.Bool, "IsInf": tensor.Bool, "DynamicQuantizeLinear": tensor.Uint8, "MatMulInteger": tensor.Int32,
	"ConvInteger": tensor.Int32}

// valueTypes gives the element types of a main graph's tensors: what the graph declares, and what follows from that by the operators of the
// standard domain. Values whose type does not follow are left out.
func valueTypes(g *onnxpb.GraphProto) map[string]tensor.DType {
	types := map[string]tensor.DType{}
	for _, list := range [][]*onnxpb.ValueInfoProto{g.ValueInfo, g.Output, g.Input} {
		for _, v := range list {
			if d := v.GetType().GetTensorType().GetElemType(); d != 0 {
				types[v.Name] = tensor.DType(d)
			}
		}
	}
	for _, t := range g.Initializer {
		types[t.Name] = tensor.DType(t.DataType)
	}
	for _, n := range g.Node {
		for i, name := range n.Output {
			if _, known := types[name]; known || name == "" || onnx.Domain(n.Domain) != "" || len(graphsOf(n)) > 0 {
				continue
			}
			if d := outputType(n, i, types); d != 0 {
				types[name] = d
			}
		}
	}
	return types
}

// outputType is the type of a node's output, 0 where it is not known.
func outputType(n *onnxpb.NodeProto, i int, types map[string]tensor.DType) tensor.DType {
	if d, ok := typed[n.OpType]; ok && i == 0 {
		return d
	}
	switch n.OpType {
	case "Cast", "RandomUniform", "RandomNormal", "EyeLike", "RandomUniformLike", "RandomNormalLike":
		return tensor.DType(attributeInt(n, "to", attributeInt(n, "dtype", 0)))
	case "Constant", "ConstantOfShape":
		for _, a := range n.Attribute {
			if a.T != nil {
				return tensor.DType(a.T.DataType)
			}
			if a.Name == "value_float" || a.Name == "value_floats" {
				return tensor.Float32
			}
		}
		if n.OpType == "ConstantOfShape" {
			return tensor.Float32
		}
		return 0
	case "QuantizeLinear":
		return types[input(n, 2)]
	case "DequantizeLinear":
		return types[input(n, 1)]
	case "Where", "OneHot":
		return types[n.Input[len(n.Input)-1]]
	case "TopK", "MaxPool", "Dropout", "Unique", "BatchNormalization", "LayerNormalization":
		if i > 0 && n.OpType != "BatchNormalization" && n.OpType != "LayerNormalization" {
			return tensor.Int64
		}
	case "LSTM", "GRU", "RNN", "Split":
	default:
		if i > 0 || len(n.Input) == 0 {
			return 0
		}
	}
	return types[input(n, 0)]
}
