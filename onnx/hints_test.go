package onnx

import (
	"path/filepath"
	"testing"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

func TestVocabularyHint(t *testing.T) {
	for _, file := range published(t) {
		want := map[string]int64{"vespa_random_encoder.onnx": 10000, "tiny_gpt2_fp32.onnx": 1000}[filepath.Base(file)]
		if want == 0 {
			continue
		}
		m := open2(t, file)
		if got := m.InputHint("input_ids"); got.Rows > want || got.Rows < 100 || got.Use != UseData {
			t.Errorf("%s: %+v", file, got)
		}
	}
	if h := open2(t, write(t, small())).InputHint("X"); h != (Hint{}) {
		t.Errorf("a factor of a MatMul indexes a table: %+v", h)
	}
}

// TestInputHint: what the operator makes of an input, also behind a cast, tells what it may hold.
func TestInputHint(t *testing.T) {
	node := func(op string, output string, inputs ...string) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: op, Input: inputs, Output: []string{output}}
	}
	m := small()
	g := m.Graph
	g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: "table", Dims: []int64{7, 2}, DataType: int32(tensor.Float32), RawData: make([]byte, 56)})
	g.Node = append(g.Node,
		node("Reshape", "a", "X", "shape"), node("Cast", "k64", "k"), node("TopK", "b", "X", "k64"), node("Resize", "c", "X", "", "", "sizes"),
		node("Gather", "d", "table", "ids"), node("Gather", "e", "X", "index"), node("Slice", "f", "X", "starts", "ends", "axes", "steps"),
		node("Add", "g", "X", "data"), node("Dropout", "h", "X", "rate"))
	for _, name := range []string{"shape", "k", "sizes", "ids", "index", "starts", "ends", "axes", "steps", "data", "rate"} {
		g.Input = append(g.Input, &onnxpb.ValueInfoProto{Name: name})
	}
	opened := open2(t, write(t, m))
	for name, want := range map[string]Hint{
		"shape": {Use: UseShape}, "k": {Use: UseOnes}, "sizes": {Use: UseSizes, Like: "X"}, "ids": {Rows: 7}, "index": {Use: UseZeros}, "starts": {Use: UseZeros},
		"ends": {Use: UseEnds}, "axes": {Use: UseAxes}, "steps": {Use: UseOnes}, "data": {}, "rate": {Use: UseHalf},
	} {
		if got := opened.InputHint(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
