package onnx

import (
	"slices"

	"assay/onnx/onnxpb"
)

// attributes checks that a node's attributes have names of their own, a type, and a value of no other type.
func (c *checker) attributes(n *onnxpb.NodeProto) {
	seen := map[string]bool{}
	for _, a := range n.Attribute {
		switch held := valuesOf(a); {
		case a.Name == "":
			c.add("%s has an attribute without a name", who(n))
		case seen[a.Name]:
			c.add("%s has attribute %s twice", who(n), a.Name)
		case a.RefAttrName != "":
			if len(held) > 0 {
				c.add("%s has attribute %s, which is that of its function and has a value too", who(n), a.Name)
			}
		case a.Type == onnxpb.AttributeProto_UNDEFINED:
			c.add("%s has attribute %s without a type", who(n), a.Name)
		case len(held) == 0 && single[a.Type]:
			c.add("%s has attribute %s of type %s without a value", who(n), a.Name, a.Type)
		case slices.ContainsFunc(held, func(t onnxpb.AttributeProto_AttributeType) bool { return t != a.Type }):
			c.add("%s has attribute %s of type %s with a value of type %v", who(n), a.Name, a.Type, held)
		}
		seen[a.Name] = true
	}
}

// single are the types of which an attribute holds one message; other values may be zero or empty, and are then not written.
var single = map[onnxpb.AttributeProto_AttributeType]bool{onnxpb.AttributeProto_TENSOR: true, onnxpb.AttributeProto_GRAPH: true,
	onnxpb.AttributeProto_SPARSE_TENSOR: true, onnxpb.AttributeProto_TYPE_PROTO: true}

// valuesOf lists the types of the values that an attribute has.
func valuesOf(a *onnxpb.AttributeProto) (types []onnxpb.AttributeProto_AttributeType) {
	for _, v := range []struct {
		held bool
		as   onnxpb.AttributeProto_AttributeType
	}{
		{a.F != 0, onnxpb.AttributeProto_FLOAT}, {a.I != 0, onnxpb.AttributeProto_INT}, {len(a.S) > 0, onnxpb.AttributeProto_STRING},
		{a.T != nil, onnxpb.AttributeProto_TENSOR}, {a.G != nil, onnxpb.AttributeProto_GRAPH},
		{a.SparseTensor != nil, onnxpb.AttributeProto_SPARSE_TENSOR}, {a.Tp != nil, onnxpb.AttributeProto_TYPE_PROTO},
		{len(a.Floats) > 0, onnxpb.AttributeProto_FLOATS}, {len(a.Ints) > 0, onnxpb.AttributeProto_INTS}, {len(a.Strings) > 0, onnxpb.AttributeProto_STRINGS},
		{len(a.Tensors) > 0, onnxpb.AttributeProto_TENSORS}, {len(a.Graphs) > 0, onnxpb.AttributeProto_GRAPHS},
		{len(a.SparseTensors) > 0, onnxpb.AttributeProto_SPARSE_TENSORS}, {len(a.TypeProtos) > 0, onnxpb.AttributeProto_TYPE_PROTOS},
	} {
		if v.held {
			types = append(types, v.as)
		}
	}
	return types
}
