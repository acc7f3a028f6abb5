//go:build cgo && linux

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// reluModel writes a model of one Relu over two numbers, the least work that the runtime does.
func reluModel() (path string, remove func(), err error) {
	value := func(name string) *onnxpb.ValueInfoProto {
		dim := func(n int64) *onnxpb.TensorShapeProto_Dimension {
			return &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}}
		}
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: int32(tensor.Float32),
			Shape:    &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{dim(1), dim(2)}},
		}}}}
	}
	model := &onnxpb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}},
		Graph: &onnxpb.GraphProto{
			Name:   "relu",
			Node:   []*onnxpb.NodeProto{{Name: "relu", OpType: "Relu", Input: []string{"x"}, Output: []string{"y"}}},
			Input:  []*onnxpb.ValueInfoProto{value("x")},
			Output: []*onnxpb.ValueInfoProto{value("y")},
		},
	}
	data, err := proto.Marshal(model)
	if err != nil {
		return "", nil, fmt.Errorf("make the Relu model: %w", err)
	}
	dir, err := os.MkdirTemp("", "assay-overhead-")
	if err != nil {
		return "", nil, fmt.Errorf("make the Relu model: %w", err)
	}
	path = filepath.Join(dir, "relu.onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		os.RemoveAll(dir)
		return "", nil, fmt.Errorf("make the Relu model: %w", err)
	}
	return path, func() { os.RemoveAll(dir) }, nil
}
