package onnx_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// scaled is a model that multiplies its input by a weight.
func scaled() *onnx.Model {
	shape := &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 2}}}}
	value := func(name string) *onnxpb.ValueInfoProto {
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
			TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(tensor.Float32), Shape: shape}}}}
	}
	return onnx.New(&onnxpb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}},
		Graph: &onnxpb.GraphProto{
			Name:        "scaled",
			Node:        []*onnxpb.NodeProto{{Name: "scale", OpType: "Mul", Input: []string{"x", "w"}, Output: []string{"y"}}},
			Initializer: []*onnxpb.TensorProto{{Name: "w", DataType: int32(tensor.Float32), Dims: []int64{2}, FloatData: []float32{0.5, 2}}},
			Input:       []*onnxpb.ValueInfoProto{value("x")},
			Output:      []*onnxpb.ValueInfoProto{value("y")},
		},
	})
}

// A model is opened by its skeleton: weights stay in the file until they are asked for, so that models of any size open at once.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "scaled.onnx")
	if err := scaled().Save(path); err != nil {
		log.Fatal(err)
	}
	m, err := onnx.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println("opset", m.Opset(""), "with", m.Info().Operators)
	weights, err := m.Float32s(m.Initializer("w"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("w", weights)
	// Output:
	// opset 17 with map[Mul:1]
	// w [0.5 2]
}

// Check names the node that breaks a rule.
func ExampleModel_Check() {
	m := scaled()
	m.Proto.Graph.Node[0].Input[1] = "v"
	fmt.Println(m.Check())
	// Output:
	// Mul scale reads "v", which nothing makes
}

// Data replaces what a tensor had, in whichever form that was.
func ExampleModel_SetRaw() {
	m := scaled()
	w := m.Initializer("w")
	m.SetRaw(w, []byte{0, 0, 128, 63, 0, 0, 0, 64}) // 1 and 2, little endian
	weights, err := m.Float32s(w)
	fmt.Println(weights, err)
	// Output:
	// [1 2] <nil>
}
