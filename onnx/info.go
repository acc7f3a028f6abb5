package onnx

import (
	"maps"
	"slices"
	"strings"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Info describes a model without its weights.
type Info struct {
	Inputs      []Value           `json:"inputs"`
	Outputs     []Value           `json:"outputs"`
	Opsets      map[string]int64  `json:"opsets"`
	IRVersion   int64             `json:"ir_version"`
	Producer    string            `json:"producer,omitempty"`
	Operators   map[string]int    `json:"operators"`    // with the domain in front unless it is the default one
	Parameters  int64             `json:"parameters"`   // elements of all weights
	WeightBytes map[string]int64  `json:"weight_bytes"` // by element type
	External    []string          `json:"external"`
	Metadata    map[string]string `json:"metadata"`
	Quantized   bool              `json:"quantized"`
	Quantizable []string          `json:"quantizable"` // operator types of which `quantize` could make lower precision, with a constant weight
}

// Value is an input or output. Dims holds sizes (int64) and symbols (string, "?" where the model names none); it is nil where the rank is
// unknown or the value is no tensor.
type Value struct {
	Name string `json:"name"`
	Type string `json:"type"` // float32, sequence(int64), map, optional(float32)
	Dims []any  `json:"dims"`
}

// Info walks the graph once.
func (m *Model) Info() Info {
	g := m.Proto.Graph
	i := Info{Inputs: []Value{}, Outputs: []Value{}, Opsets: map[string]int64{}, IRVersion: m.Proto.IrVersion, Operators: map[string]int{},
		WeightBytes: map[string]int64{}, External: m.ExternalFiles(), Metadata: m.Metadata(), Quantizable: []string{}}
	i.Producer = strings.TrimSpace(m.Proto.ProducerName + " " + m.Proto.ProducerVersion)
	for _, v := range m.Inputs() {
		i.Inputs = append(i.Inputs, describe(v))
	}
	for _, v := range g.Output {
		i.Outputs = append(i.Outputs, describe(v))
	}
	for _, o := range m.Proto.OpsetImport {
		i.Opsets[Domain(o.Domain)] = o.Version
	}
	ofConstant := m.quantizedConstant()
	m.EachNode(func(n *onnxpb.NodeProto) {
		name := n.OpType
		if d := Domain(n.Domain); d != "" {
			name = d + "." + name
		}
		i.Operators[name]++
		i.Quantized = i.Quantized || isQuantized(n.OpType) || ofConstant(n)
	})
	m.EachTensor(func(t *onnxpb.TensorProto) {
		n, err := tensor.Count(t.Dims)
		if err != nil {
			return
		}
		bytes, err := tensor.ByteSize(tensor.DType(t.DataType), t.Dims)
		if err != nil {
			return
		}
		i.Parameters += n
		i.WeightBytes[tensor.DType(t.DataType).String()] += bytes
	})
	i.Quantizable = m.quantizable()
	return i
}

// quantizable lists the operator types that have a constant weight to make smaller.
func (m *Model) quantizable() []string {
	constant := map[string]bool{}
	for _, t := range m.Proto.Graph.Initializer {
		constant[t.Name] = t.DataType == int32(tensor.Float32)
	}
	for _, n := range m.Proto.Graph.Node {
		if n.OpType == "Constant" && len(n.Output) == 1 {
			constant[n.Output[0]] = true
		}
	}
	found := map[string]bool{}
	for _, n := range m.Proto.Graph.Node {
		switch n.OpType {
		case "Conv", "ConvTranspose", "Gemm", "MatMul":
			if len(n.Input) > 1 && constant[n.Input[1]] {
				found[n.OpType] = true
			}
		}
	}
	out := slices.Sorted(maps.Keys(found))
	if out == nil {
		return []string{}
	}
	return out
}

// Inputs are what a caller must feed: the graph's inputs without those that have a weight of the same name (models of IR version 3 list
// their weights among the inputs).
func (m *Model) Inputs() []*onnxpb.ValueInfoProto {
	weights := map[string]bool{}
	for _, t := range m.Proto.Graph.Initializer {
		weights[t.Name] = true
	}
	for _, s := range m.Proto.Graph.SparseInitializer {
		if s.Values != nil {
			weights[s.Values.Name] = true
		}
	}
	var out []*onnxpb.ValueInfoProto
	for _, v := range m.Proto.Graph.Input {
		if !weights[v.Name] {
			out = append(out, v)
		}
	}
	return out
}

func describe(v *onnxpb.ValueInfoProto) Value {
	out := Value{Name: v.Name, Type: typeName(v.Type)}
	t := v.Type.GetTensorType()
	if t == nil || t.Shape == nil {
		return out
	}
	out.Dims = []any{}
	for _, d := range t.Shape.Dim {
		switch x := d.Value.(type) {
		case *onnxpb.TensorShapeProto_Dimension_DimValue:
			out.Dims = append(out.Dims, x.DimValue)
		case *onnxpb.TensorShapeProto_Dimension_DimParam:
			out.Dims = append(out.Dims, symbol(x.DimParam))
		default:
			out.Dims = append(out.Dims, symbol(""))
		}
	}
	return out
}

func symbol(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

func typeName(t *onnxpb.TypeProto) string {
	switch x := t.GetValue().(type) {
	case *onnxpb.TypeProto_TensorType:
		return tensor.DType(x.TensorType.ElemType).String()
	case *onnxpb.TypeProto_SequenceType:
		return "sequence(" + typeName(x.SequenceType.ElemType) + ")"
	case *onnxpb.TypeProto_OptionalType:
		return "optional(" + typeName(x.OptionalType.ElemType) + ")"
	case *onnxpb.TypeProto_MapType:
		return "map(" + tensor.DType(x.MapType.KeyType).String() + ", " + typeName(x.MapType.ValueType) + ")"
	case *onnxpb.TypeProto_SparseTensorType:
		return "sparse(" + tensor.DType(x.SparseTensorType.ElemType).String() + ")"
	}
	return "unknown"
}
