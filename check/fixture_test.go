package check

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

var update = flag.Bool("update", false, "write testdata/cases anew")

// onnxModel writes a model of one node on vectors of two floats: y = op(x, x).
func onnxModel(op string, opset int64) []byte {
	vector := func(name string) *onnxpb.ValueInfoProto { // float32[2]
		dim := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 2}}
		of := &onnxpb.TypeProto_Tensor{ElemType: int32(tensor.Float32), Shape: &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{dim}}}
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: of}}}
	}
	return marshal(&onnxpb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: opset}},
		Graph: &onnxpb.GraphProto{Name: "g", Input: []*onnxpb.ValueInfoProto{vector("x")}, Output: []*onnxpb.ValueInfoProto{vector("y")},
			Node: []*onnxpb.NodeProto{{OpType: op, Input: []string{"x", "x"}, Output: []string{"y"}}}},
	})
}

// TestFixtures: the cases that the scripts of the command run are what is written here.
func TestFixtures(t *testing.T) {
	input := pbTensor(vector(1, 2))
	for name, data := range map[string][]byte{
		"good/double/model.onnx":                      onnxModel("Add", 13),
		"good/double/test_data_set_0/input_0.pb":      input,
		"good/double/test_data_set_0/output_0.pb":     pbTensor(vector(2, 4)),
		"good/future/model.onnx":                      onnxModel("Add", 99),
		"good/future/test_data_set_0/input_0.pb":      input,
		"good/future/test_data_set_0/output_0.pb":     pbTensor(vector(2, 4)),
		"bad/differs/model.onnx":                      onnxModel("Add", 13),
		"bad/differs/test_data_set_0/input_0.pb":      input,
		"bad/differs/test_data_set_0/output_0.pb":     pbTensor(vector(2, 5)),
		"bad/not_a_model/model.onnx":                  []byte("not a model"),
		"bad/not_a_model/test_data_set_0/input_0.pb":  input,
		"bad/not_a_model/test_data_set_0/output_0.pb": input,
		"square.onnx": onnxModel("Mul", 13),
	} {
		path := filepath.Join("testdata", "cases", filepath.FromSlash(name))
		if *update {
			write(t, path, data)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v; run `go test ./check -update`", err)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("%s is not what the test writes; run `go test ./check -update`", name)
		}
	}
}
