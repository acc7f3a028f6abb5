//go:build cgo && linux

package ort

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// oneNode is a model of one node from x to y, both of n elements.
func oneNode(t *testing.T, op, domain string, version int64, d tensor.DType) []byte {
	t.Helper()
	value := func(name string) *onnxpb.ValueInfoProto {
		n := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "n"}}
		return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: int32(d), Shape: &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{n}}}}}}
	}
	data, err := proto.Marshal(&onnxpb.ModelProto{
		IrVersion:   8,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: domain, Version: version}},
		Graph: &onnxpb.GraphProto{
			Name:   "one",
			Node:   []*onnxpb.NodeProto{{Name: "node", OpType: op, Domain: domain, Input: []string{"x"}, Output: []string{"y"}}},
			Input:  []*onnxpb.ValueInfoProto{value("x")},
			Output: []*onnxpb.ValueInfoProto{value("y")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeModel(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBadModelsSayWhatIsWrong(t *testing.T) {
	whole := oneNode(t, "Relu", "", 17, tensor.Float32)
	for name, c := range map[string]struct {
		path string
		text string
		code backend.Code
	}{
		"missing":   {filepath.Join(t.TempDir(), "none.onnx"), "there is no such file", backend.CodeNoSuchFile},
		"folder":    {t.TempDir(), "it is a folder", backend.CodeInvalidArgument},
		"empty":     {writeModel(t, nil), "the file is empty", backend.CodeInvalidProtobuf},
		"lfs":       {writeModel(t, []byte("version https://git-lfs.github.com/spec/v1\noid")), "git-LFS pointer", backend.CodeInvalidProtobuf},
		"garbage":   {writeModel(t, []byte("this is no model at all, but long enough")), "no ONNX model, or it is truncated", backend.CodeInvalidProtobuf},
		"truncated": {writeModel(t, whole[:len(whole)/2]), "no ONNX model, or it is truncated", backend.CodeInvalidProtobuf},
		"no graph":  {writeModel(t, []byte{8, 8}), "ModelProto does not have a graph", backend.CodeFail},
		"operator":  {writeModel(t, oneNode(t, "Nonsense", "", 17, tensor.Float32)), "No Op registered for Nonsense", backend.CodeInvalidGraph},
		"domain":    {writeModel(t, oneNode(t, "Foo", "com.acme", 1, tensor.Float32)), "com.acme:Foo(-1) is not a registered function/op", backend.CodeFail},
		"opset":     {writeModel(t, oneNode(t, "Relu", "", 99, tensor.Float32)), "Opset 99 is under development", backend.CodeFail},
		"kernel":    {writeModel(t, oneNode(t, "Relu", "", 17, tensor.BFloat16)), "Could not find an implementation for Relu", backend.CodeNotImplemented},
	} {
		_, err := runtime(t).Open(t.Context(), c.path, backend.Options{})
		var e *backend.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) || e.Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCauseIsSaidOnce(t *testing.T) {
	path := writeModel(t, oneNode(t, "Relu", "", 17, tensor.Float32))
	_, err := runtime(t).Open(t.Context(), path, backend.Options{Config: map[string]string{"session.disable_cpu_ep_fallback": "1"}})
	if err == nil || strings.Count(err.Error(), "fallback to CPU EP has been explicitly disabled") != 1 {
		t.Errorf("%v", err)
	}
}
