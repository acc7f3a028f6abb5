package onnx

import (
	"slices"

	"assay/onnx/onnxpb"
)

// Attr finds a node's attribute by name, nil where the node has none.
func Attr(n *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	for _, a := range n.Attribute {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// AttrInt is an attribute of type int, or missing where the node has none of that name.
func AttrInt(n *onnxpb.NodeProto, name string, missing int64) int64 {
	if a := Attr(n, name); a != nil {
		return a.I
	}
	return missing
}

// AttrFloat is an attribute of type float, or missing where the node has none of that name.
func AttrFloat(n *onnxpb.NodeProto, name string, missing float32) float32 {
	if a := Attr(n, name); a != nil {
		return a.F
	}
	return missing
}

// AttrString is an attribute of type string, or missing where the node has none of that name.
func AttrString(n *onnxpb.NodeProto, name, missing string) string {
	if a := Attr(n, name); a != nil {
		return string(a.S)
	}
	return missing
}

// AttrInts is an attribute's list of ints, nil where the node has none of that name. The list is the node's own.
func AttrInts(n *onnxpb.NodeProto, name string) []int64 { return Attr(n, name).GetInts() }

// AttrFloats is an attribute's list of floats, nil where the node has none of that name. The list is the node's own.
func AttrFloats(n *onnxpb.NodeProto, name string) []float32 { return Attr(n, name).GetFloats() }

// AttrTensor is an attribute's tensor, nil where the node has none of that name. Model.Tensor reads its data.
func AttrTensor(n *onnxpb.NodeProto, name string) *onnxpb.TensorProto { return Attr(n, name).GetT() }

// AttrGraph is an attribute's graph, nil where the node has none of that name.
func AttrGraph(n *onnxpb.NodeProto, name string) *onnxpb.GraphProto { return Attr(n, name).GetG() }

// AttrGraphs are the graphs within a node (the branches of If, the bodies of Loop and Scan), in the order of its attributes.
func AttrGraphs(n *onnxpb.NodeProto) []*onnxpb.GraphProto {
	var out []*onnxpb.GraphProto
	for _, a := range n.Attribute {
		if a.G != nil {
			out = append(out, a.G)
		}
		out = append(out, a.Graphs...)
	}
	return out
}

// SetAttrInt adds an attribute of type int, or replaces the one of that name where it stands.
func SetAttrInt(n *onnxpb.NodeProto, name string, v int64) {
	setAttr(n, &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: v})
}

// SetAttrFloat adds an attribute of type float, or replaces the one of that name where it stands.
func SetAttrFloat(n *onnxpb.NodeProto, name string, v float32) {
	setAttr(n, &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: v})
}

// SetAttrString adds an attribute of type string, or replaces the one of that name where it stands.
func SetAttrString(n *onnxpb.NodeProto, name, v string) {
	setAttr(n, &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)})
}

// SetAttrInts adds an attribute of a list of ints, or replaces the one of that name where it stands. It keeps the list.
func SetAttrInts(n *onnxpb.NodeProto, name string, v []int64) {
	setAttr(n, &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v})
}

// SetAttrTensor adds an attribute of type tensor, or replaces the one of that name where it stands. It keeps the tensor.
func SetAttrTensor(n *onnxpb.NodeProto, name string, v *onnxpb.TensorProto) {
	setAttr(n, &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_TENSOR, T: v})
}

func setAttr(n *onnxpb.NodeProto, v *onnxpb.AttributeProto) {
	for i, a := range n.Attribute {
		if a.Name == v.Name {
			n.Attribute[i] = v
			return
		}
	}
	n.Attribute = append(n.Attribute, v)
}

// RemoveAttr removes an attribute, and reports whether the node had it.
func RemoveAttr(n *onnxpb.NodeProto, name string) bool {
	before := len(n.Attribute)
	n.Attribute = slices.DeleteFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return a.Name == name })
	return len(n.Attribute) < before
}

// SetOpset sets the version of an operator domain that the model imports, importing the domain where it was not. Nodes are not converted:
// package upgrade does that.
func (m *Model) SetOpset(domain string, version int64) {
	for _, o := range m.Proto.OpsetImport {
		if Domain(o.Domain) == Domain(domain) {
			o.Version = version
			return
		}
	}
	m.Proto.OpsetImport = append(m.Proto.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: Domain(domain), Version: version})
}

// ImportDomain makes sure that the model imports an operator domain: at the version given where it does not yet, as it is where it does.
func (m *Model) ImportDomain(domain string, version int64) {
	if m.Opset(domain) == 0 {
		m.SetOpset(domain, version)
	}
}
