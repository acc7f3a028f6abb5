package onnx

import (
	"slices"
	"testing"

	"assay/onnx/onnxpb"
)

func TestAttributes(t *testing.T) {
	n := &onnxpb.NodeProto{OpType: "Conv"}
	if AttrInt(n, "group", 1) != 1 || AttrFloat(n, "alpha", 0.5) != 0.5 || AttrString(n, "mode", "constant") != "constant" {
		t.Error("a missing attribute is its default")
	}
	if AttrInts(n, "pads") != nil || AttrFloats(n, "scales") != nil || AttrTensor(n, "value") != nil || AttrGraph(n, "body") != nil || AttrGraphs(n) != nil {
		t.Error("a missing attribute is nil")
	}
	SetAttrInt(n, "group", 0) // a zero that is there is no default
	SetAttrFloat(n, "alpha", 0)
	SetAttrString(n, "mode", "")
	SetAttrInts(n, "pads", []int64{1, 2})
	SetAttrTensor(n, "value", &onnxpb.TensorProto{Name: "v"})
	if AttrInt(n, "group", 1) != 0 || AttrFloat(n, "alpha", 0.5) != 0 || AttrString(n, "mode", "constant") != "" {
		t.Error("a zero is not missing")
	}
	if !slices.Equal(AttrInts(n, "pads"), []int64{1, 2}) || AttrTensor(n, "value").Name != "v" {
		t.Errorf("%v", n)
	}
	SetAttrInt(n, "alpha", 3) // of another type, in the old one's place
	if a := n.Attribute[1]; len(n.Attribute) != 5 || a.Name != "alpha" || a.Type != onnxpb.AttributeProto_INT || a.F != 0 || a.I != 3 {
		t.Errorf("%v", n.Attribute)
	}
	if !RemoveAttr(n, "alpha") || RemoveAttr(n, "alpha") || Attr(n, "alpha") != nil || len(n.Attribute) != 4 {
		t.Errorf("%v", n.Attribute)
	}
}

func TestGraphsOfANode(t *testing.T) {
	a, b, c := &onnxpb.GraphProto{Name: "a"}, &onnxpb.GraphProto{Name: "b"}, &onnxpb.GraphProto{Name: "c"}
	n := &onnxpb.NodeProto{Attribute: []*onnxpb.AttributeProto{{Name: "else_branch", G: a}, {Name: "k"}, {Name: "many", Graphs: []*onnxpb.GraphProto{b, c}}}}
	if got := AttrGraphs(n); !slices.Equal(got, []*onnxpb.GraphProto{a, b, c}) || AttrGraph(n, "else_branch") != a {
		t.Errorf("%v", got)
	}
}

func TestOpsetImports(t *testing.T) {
	m := &Model{Proto: &onnxpb.ModelProto{OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: "ai.onnx", Version: 12}}}}
	m.ImportDomain("", 21)
	m.ImportDomain("com.microsoft", 1)
	m.SetOpset("", 13)
	if m.Opset("") != 13 || m.Opset("com.microsoft") != 1 || len(m.Proto.OpsetImport) != 2 {
		t.Errorf("%v", m.Proto.OpsetImport)
	}
}
