package main

import (
	"encoding/binary"
	"math"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// mkmodel is a command of scripts: `mkmodel KIND FILE` writes a tiny model, `mkmodel npz FILE NAME=VALUES...` arrays of examples.
func mkmodel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mkmodel KIND FILE")
	}
	path := ts.MkAbs(args[1])
	if args[0] == "npz" {
		ts.Check(writeArrays(path, args[2:]))
		return
	}
	kinds := map[string]func() *onnxpb.ModelProto{"relu": relu, "classifier": classifier, "nan": notANumber, "gather": gather, "unknown-op": unknownOp,
		"absurd": absurd, "external": func() *onnxpb.ModelProto { return external("weights.bin") }, "escape": func() *onnxpb.ModelProto { return external("../weights.bin") }}
	make, ok := kinds[args[0]]
	if !ok {
		ts.Fatalf("mkmodel: unknown kind %s", args[0])
	}
	b, err := proto.Marshal(make())
	ts.Check(err)
	ts.Check(os.WriteFile(path, b, 0o644))
}

// writeArrays writes x=float rows of 2 and others as int64, from comma-separated values.
func writeArrays(path string, pairs []string) error {
	arrays := map[string]*tensor.Tensor{}
	var names []string
	for _, pair := range pairs {
		name, text, _ := strings.Cut(pair, "=")
		names = append(names, name)
		t := &tensor.Tensor{DType: tensor.Int64}
		values := strings.Split(text, ",")
		for _, v := range values {
			n := float64(len(v)) // values are as long as the number: i, ii, iii
			if v == "-" {
				n = -1
			}
			if name == "x" {
				t.DType = tensor.Float32
				t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(float32(n)))
			} else {
				t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(int64(n)))
			}
		}
		t.Shape = []int64{int64(len(values))}
		if name == "x" {
			t.Shape = []int64{int64(len(values) / 2), 2}
		}
		arrays[name] = t
	}
	return tensor.WriteNPZ(path, names, arrays)
}

func value(name string, d tensor.DType, dims ...any) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, dim := range dims {
		switch v := dim.(type) {
		case int:
			shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(v)}})
		case string:
			shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: v}})
		}
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(d), Shape: shape}}}}
}

func model(nodes []*onnxpb.NodeProto, in, out *onnxpb.ValueInfoProto, weights ...*onnxpb.TensorProto) *onnxpb.ModelProto {
	return &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}},
		Graph: &onnxpb.GraphProto{Name: "g", Node: nodes, Input: []*onnxpb.ValueInfoProto{in}, Output: []*onnxpb.ValueInfoProto{out}, Initializer: weights}}
}

func node(op string, in []string, out string) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: op, Name: op, Input: in, Output: []string{out}}
}

func relu() *onnxpb.ModelProto {
	return model([]*onnxpb.NodeProto{node("Relu", []string{"x"}, "y")}, value("x", tensor.Float32, "batch", 2), value("y", tensor.Float32, "batch", 2))
}

func classifier() *onnxpb.ModelProto {
	w := &onnxpb.TensorProto{Name: "w", Dims: []int64{2, 2}, DataType: int32(tensor.Float32), FloatData: []float32{1, 0, 0, 1}}
	return model([]*onnxpb.NodeProto{node("MatMul", []string{"x", "w"}, "y")}, value("x", tensor.Float32, "batch", 2), value("y", tensor.Float32, "batch", 2), w)
}

func notANumber() *onnxpb.ModelProto {
	return model([]*onnxpb.NodeProto{node("Log", []string{"x"}, "y")}, value("x", tensor.Float32, "batch", 2), value("y", tensor.Float32, "batch", 2))
}

func gather() *onnxpb.ModelProto {
	w := &onnxpb.TensorProto{Name: "w", Dims: []int64{3, 2}, DataType: int32(tensor.Float32), FloatData: make([]float32, 6)}
	return model([]*onnxpb.NodeProto{node("Gather", []string{"w", "ids"}, "y")}, value("ids", tensor.Int64, "batch"), value("y", tensor.Float32, "batch", 2), w)
}

func unknownOp() *onnxpb.ModelProto {
	return model([]*onnxpb.NodeProto{node("Frobnicate", []string{"x"}, "y")}, value("x", tensor.Float32, 2), value("y", tensor.Float32, 2))
}

func absurd() *onnxpb.ModelProto {
	return model([]*onnxpb.NodeProto{node("Relu", []string{"x"}, "y")}, value("x", tensor.Float32, 1<<20, 1<<20), value("y", tensor.Float32, 1<<20, 1<<20))
}

func external(location string) *onnxpb.ModelProto {
	w := &onnxpb.TensorProto{Name: "w", Dims: []int64{2, 2}, DataType: int32(tensor.Float32), DataLocation: onnxpb.TensorProto_EXTERNAL,
		ExternalData: []*onnxpb.StringStringEntryProto{{Key: "location", Value: location}}}
	return model([]*onnxpb.NodeProto{node("MatMul", []string{"x", "w"}, "y")}, value("x", tensor.Float32, "batch", 2), value("y", tensor.Float32, "batch", 2), w)
}
