package quantize

import (
	"context"
	"fmt"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
)

// prepared folds the graph where that was asked for, and refuses opsets that have no 8-bit form.
func prepared(ctx context.Context, be backend.Backend, src *onnx.Model, o Options, dir string) (*onnx.Model, error) {
	if v := src.Opset(""); v > 0 && v < 10 {
		return nil, fmt.Errorf("its opset is %d, and 8-bit operators begin with opset 10; export it with opset 13 or newer", v)
	}
	if o.Prepare {
		return prepare(ctx, be, src, dir)
	}
	return onnx.Open(src.Path())
}

// prepare lets the runtime fold constants and BatchNormalization at its BASIC level and gives the folded model. Weights are taken out of
// the graph's inputs first: the runtime does not fold what a caller may override. The caller closes the result.
func prepare(ctx context.Context, be backend.Backend, m *onnx.Model, dir string) (*onnx.Model, error) {
	plain, folded := filepath.Join(dir, "plain.onnx"), filepath.Join(dir, "folded.onnx")
	before := proto.Clone(m.Proto.Graph).(*onnxpb.GraphProto).Input
	m.Proto.Graph.Input = m.Inputs()
	m.Proto.IrVersion = max(m.Proto.IrVersion, 4) // below, weights must be inputs
	err := m.Save(plain)
	m.Proto.Graph.Input = before
	if err != nil {
		return nil, err
	}
	// Weights in a file of their own: the runtime writes no model file of more than 2 GiB.
	s, err := be.Open(ctx, plain, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "basic", OptimizedPath: folded,
		Config: map[string]string{"session.optimized_model_external_initializers_file_name": "folded.data",
			"session.optimized_model_external_initializers_min_size_in_bytes": "1024"}})
	if err != nil {
		return nil, fmt.Errorf("fold constants: %w", err)
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	out, err := onnx.Open(folded)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{"": true}
	out.EachNode(func(n *onnxpb.NodeProto) { used[onnx.Domain(n.Domain)] = true })
	var imports []*onnxpb.OperatorSetIdProto
	for _, o := range out.Proto.OpsetImport { // the runtime writes every domain that it knows
		if used[onnx.Domain(o.Domain)] {
			imports = append(imports, o)
		}
	}
	out.Proto.OpsetImport = imports
	return out, nil
}
