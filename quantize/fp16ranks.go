package quantize

import (
	"slices"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
)

// sayRank writes down of what rank a Transpose's input is where the runtime does not find that out by itself. At its highest level it exchanges
// the Transpose with the cast of a product on the CPU, and crashes where it does not know the shape (onnxruntime 1.30.0, MatmulTransposeFusion).
// original is the input's name before the conversion.
func (s *halfScope) sayRank(n *onnxpb.NodeProto, original string, p precision) {
	perm := onnx.AttrInts(n, "perm")
	v, known := s.typing[s.graph][original]
	if len(perm) == 0 || !s.isSingle(original) || known && v.Dims != nil {
		return
	}
	g, name := s.graph, n.Input[0]
	if slices.ContainsFunc(slices.Concat(g.Input, g.Output), func(v *onnxpb.ValueInfoProto) bool { return v.Name == name }) {
		return
	}
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *onnxpb.ValueInfoProto) bool { return v.Name == name })
	dims := make([]backend.Dim, len(perm))
	for i := range dims {
		dims[i].Size = -1
	}
	g.ValueInfo = append(g.ValueInfo, &onnxpb.ValueInfoProto{Name: name, Type: typeProto(backend.ValueInfo{DType: p.dtype(), Dims: dims})})
}
