package onnx

import (
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Contrib is the domain of onnxruntime's own operators.
const Contrib = "com.microsoft"

// operatorSince is the version of the default domain with which each operator of quantization came (onnx/onnx docs/Operators.md).
var operatorSince = map[string]int64{"QuantizeLinear": 10, "DequantizeLinear": 10, "MatMulInteger": 10, "ConvInteger": 10, "QLinearConv": 10,
	"QLinearMatMul": 10, "DynamicQuantizeLinear": 11}

// attributesSince are the attributes of QuantizeLinear and DequantizeLinear and the versions with which they came, in order.
var attributesSince = []struct {
	name    string
	version int64
}{{"axis", 13}, {"saturate", 19}, {"block_size", 21}, {"output_dtype", 21}, {"precision", 23}}

// quantizedSince is the version from which QuantizeLinear and DequantizeLinear take an element type as the integer one, and the IR version
// that knows it.
func quantizedSince(d tensor.DType) (opset, ir int64) {
	switch d {
	case tensor.Float8E4M3FN, tensor.Float8E4M3FNUZ, tensor.Float8E5M2, tensor.Float8E5M2FNUZ:
		return 19, 9
	case tensor.Uint16, tensor.Int16:
		return 21, 0
	case tensor.Uint4, tensor.Int4:
		return 21, 10
	case tensor.Float4E2M1:
		return 23, 11
	case tensor.Float8E8M0:
		return 24, 12
	case tensor.Uint2, tensor.Int2:
		return 25, 13
	}
	return 0, 0
}

// opset checks that an operator of quantization exists, as it is used, in the imported version of its domain.
func (c *checker) opset(n *onnxpb.NodeProto, s *scope) {
	linear := n.OpType == "QuantizeLinear" || n.OpType == "DequantizeLinear"
	switch version := c.imported[Domain(n.Domain)]; {
	case Domain(n.Domain) == Contrib && linear:
		for _, a := range attributesSince[1:] {
			if Attr(n, a.name) != nil {
				c.add("%s has attribute %s, which the operator of %s has not", who(n), a.name, Contrib)
			}
		}
	case Domain(n.Domain) != "" || version == 0:
	case version < operatorSince[n.OpType]:
		c.add("%s needs opset %d, and the model imports %d", who(n), operatorSince[n.OpType], version)
	case linear:
		c.linear(n, s, version)
	case n.OpType == "MaxPool" && version < 12 && len(n.Input) > 0:
		if d := s.typeOf(n.Input[0]); d == tensor.Int8 || d == tensor.Uint8 {
			c.add("%s reads %s, which needs opset 12, and the model imports %d", who(n), d, version)
		}
	}
}

// linear checks a QuantizeLinear or DequantizeLinear of the default domain.
func (c *checker) linear(n *onnxpb.NodeProto, s *scope, version int64) {
	for _, a := range attributesSince {
		if version < a.version && Attr(n, a.name) != nil {
			c.add("%s has attribute %s, which needs opset %d, and the model imports %d", who(n), a.name, a.version, version)
		}
	}
	for i, name := range n.Input {
		d := s.typeOf(name)
		since, _ := quantizedSince(d)
		if i < 2 && (d == tensor.Float16 || d == tensor.BFloat16) { // what is quantized, or a scale
			since = 19
		}
		if version < since {
			c.add("%s takes %s of %s, which needs opset %d, and the model imports %d", who(n), name, d, since, version)
			return // its other inputs are of the same kind
		}
	}
}

// outputType is the element type of what a node makes first, where that takes no inference.
func outputType(n *onnxpb.NodeProto, s *scope) tensor.DType {
	switch n.OpType {
	case "Constant":
		if t := AttrTensor(n, "value"); t != nil {
			return tensor.DType(t.DataType)
		}
	case "QuantizeLinear":
		if len(n.Input) > 2 && n.Input[2] != "" {
			return s.typeOf(n.Input[2])
		}
		return tensor.DType(AttrInt(n, "output_dtype", int64(tensor.Uint8)))
	}
	return tensor.Undefined
}

// RequiredIR is the lowest IR version whose readers know all that the model holds: element types, weights that are no inputs, functions.
// Runtimes are lenient here, so Check is; a writer should raise Proto.IrVersion to it.
func (m *Model) RequiredIR() int64 {
	need := int64(3)
	inputs := map[string]bool{}
	for _, v := range m.Proto.Graph.GetInput() {
		inputs[v.Name] = true
	}
	for _, t := range m.Proto.Graph.GetInitializer() {
		if !inputs[t.Name] {
			need = max(need, 4)
		}
	}
	if len(m.Proto.Functions) > 0 {
		need = max(need, 8)
	}
	m.EachTensor(func(t *onnxpb.TensorProto) {
		_, ir := quantizedSince(tensor.DType(t.DataType))
		need = max(need, ir)
	})
	return need
}
