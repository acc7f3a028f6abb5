package quantize

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/onnx/upgrade"
	"assay/tensor"
)

// Prepare writes to out the graph that quantization begins with, to be looked at or kept: of operator versions that the scheme's operators
// work with (models below are converted by package upgrade), and with constants and BatchNormalization folded by the runtime at its BASIC
// level. Its outputs are the model's, but for rounding. No file is left on an error.
func Prepare(ctx context.Context, be backend.Backend, model, out string, o Options) error {
	src, err := onnx.Open(model)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := refuseTarget(src, out, onnx.ExternalAuto); err != nil {
		return fmt.Errorf("model %s: %w", model, err)
	}
	dir, err := os.MkdirTemp("", "assay-prepare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := prepared(ctx, lookWith(be), src, o, dir)
	if err != nil {
		return fmt.Errorf("model %s: %w", model, ofTheModel(ctx, lookWith(be), src, err))
	}
	defer m.Close()
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return m.Save(out)
}

// leastOpset is the oldest default operator set that a scheme's operators work beside. The runtime takes those of its own domain beside
// older ones, but then fuses 8-bit ones into operators that the older set lacks, and stops (onnxruntime 1.30.0, opset 8).
func leastOpset(o Options) int64 {
	switch o.Scheme {
	case SchemeInt8Static:
		if o.FloatBias {
			return 13 // the runtime quantizes such biases itself, by channel, with an axis whatever the opset (onnxruntime 1.30.0)
		}
		return 10 // QLinearConv
	case SchemeInt8Dynamic:
		return 11 // DynamicQuantizeLinear
	}
	return upgrade.Oldest
}

// upgradedOpset is what older models are converted to: the first at which QuantizeLinear has an axis.
const upgradedOpset = 13

// prepared gives the graph that a scheme works on: see Prepare. Without preparation it is the model as it is, or an error where that is too
// old. The caller closes the result.
func prepared(ctx context.Context, look looker, src *onnx.Model, o Options, dir string) (*onnx.Model, error) {
	m, err := folded(ctx, look, src, o, dir)
	if err != nil || o.Scheme != SchemeInt8Static || !lacksTypes(m.Proto.Graph) {
		return m, err
	}
	if err := addTypes(ctx, look, m, dir); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// lacksTypes reports whether there are values whose element types are not said, as behind operators that are not of the standard domain.
func lacksTypes(g *onnxpb.GraphProto) bool {
	types := valueTypes(g)
	return slices.ContainsFunc(g.Node, func(n *onnxpb.NodeProto) bool {
		return slices.ContainsFunc(n.Output, func(name string) bool { return name != "" && types[name] == 0 })
	})
}

// folded is prepared, without the types that only the runtime knows.
func folded(ctx context.Context, look looker, src *onnx.Model, o Options, dir string) (*onnx.Model, error) {
	v, least := src.Opset(""), leastOpset(o)
	old := v > 0 && v < least
	if !o.Prepare {
		if old {
			return nil, fmt.Errorf("its opset is %d, and the operators of %s begin with opset %d; let the model be prepared, or export it with opset %d or newer",
				v, o.Scheme, least, upgradedOpset)
		}
		if err := src.Check(); err != nil { // nothing is loaded that would say so
			return nil, err
		}
		return onnx.Open(src.Path())
	}
	m, err := onnx.Open(src.Path())
	if err != nil {
		return nil, err
	}
	// The runtime does not fold what a caller may replace: weights are no inputs. Below version 4 they must be.
	inputs := m.Inputs()
	changed := old || len(inputs) != len(m.Proto.Graph.Input) || m.Proto.IrVersion < 4
	m.Proto.Graph.Input, m.Proto.IrVersion = inputs, max(m.Proto.IrVersion, 4)
	if old {
		if err := convert(ctx, look, m, dir); err != nil {
			m.Close()
			return nil, err
		}
	}
	if !needsFolding(m, o) {
		return m, nil
	}
	defer m.Close()
	held, release, err := holdNorms(m, o)
	if err != nil {
		return nil, err
	}
	out, err := fold(ctx, look, m, dir, changed || held)
	if err != nil {
		return nil, err
	}
	release(out)
	return out, nil
}

// foldedBytes is the size of weights above which the weight-only schemes take a graph as it is: folding loads all weights into the runtime.
const foldedBytes = 500e6

// needsFolding says whether a scheme gains by constants folded into weights. The weight-only schemes take weights as they are stored, and of
// large models more memory would be lost than is gained. Of a model that computes in half precision the CPU provider would make one that
// casts before and after each operator.
func needsFolding(m *onnx.Model, o Options) bool {
	if holdsHalves(m) {
		return false
	}
	if o.Scheme != SchemeInt4Weight && o.Scheme != SchemeInt8Weight {
		return true
	}
	var size int64
	m.EachTensor(func(t *onnxpb.TensorProto) { size += byteSize(t) })
	return size <= foldedBytes
}

// holdsHalves reports whether a model has float16 or bfloat16 weights or casts to such.
func holdsHalves(m *onnx.Model) (found bool) {
	half := func(d int64) bool { return tensor.DType(d) == tensor.Float16 || tensor.DType(d) == tensor.BFloat16 }
	m.EachTensor(func(t *onnxpb.TensorProto) { found = found || half(int64(t.DataType)) })
	m.EachNode(func(n *onnxpb.NodeProto) { found = found || n.OpType == "Cast" && half(onnx.AttrInt(n, "to", 0)) })
	return found
}

// convert upgrades a model, with the types and shapes that the runtime knows, which some rules can use.
func convert(ctx context.Context, look looker, m *onnx.Model, dir string) error {
	if m.Opset("") < upgrade.Oldest {
		return upgrade.To(m, upgradedOpset) // which says that it is too old; the runtime would say less
	}
	if err := addTypes(ctx, look, m, dir); err != nil {
		return err
	}
	return upgrade.To(m, upgradedOpset)
}

// addTypes says in a graph the types and shapes that the runtime knows of its values.
func addTypes(ctx context.Context, look looker, m *onnx.Model, dir string) error {
	values, err := describe(ctx, look, m, dir)
	if err != nil {
		return err
	}
	g := m.Proto.Graph
	said := map[string]bool{}
	for _, v := range slices.Concat(g.Input, g.Output, g.ValueInfo) {
		said[v.Name] = true
	}
	for _, t := range g.Initializer {
		said[t.Name] = true
	}
	for _, n := range g.Node {
		for _, name := range n.Output {
			if v, ok := values[name]; ok && !said[name] && v.Kind == tensor.KindTensor {
				g.ValueInfo = append(g.ValueInfo, &onnxpb.ValueInfoProto{Name: name, Type: typeProto(v)})
			}
		}
	}
	return nil
}

// typeProto is a tensor's type, without a shape where the rank is not known.
func typeProto(v backend.ValueInfo) *onnxpb.TypeProto {
	if v.Dims == nil {
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(v.DType)}}}
	}
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range v.Dims {
		dim := &onnxpb.TensorShapeProto_Dimension{}
		switch {
		case d.Size >= 0:
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d.Size}
		case d.Symbol != "":
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d.Symbol}
		}
		shape.Dim = append(shape.Dim, dim)
	}
	return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(v.DType), Shape: shape}}}
}

// mappedBytes is the size of weights from which a model is folded with its weights in a file of their own. The runtime maps that; of what is in the
// model's file it makes one copy to parse it and another to hold it, which takes longer than to write the second file.
const mappedBytes = 4 << 20

// worthMapping says whether a model is folded so. Its large weights must be the main graph's: of graphs within nodes the runtime writes weights that
// it has mapped as they were, in the file that it read them from (onnxruntime 1.30.0).
func worthMapping(m *onnx.Model) bool {
	var size int64
	weights := map[*onnxpb.TensorProto]bool{}
	for _, t := range m.Proto.Graph.Initializer {
		weights[t], size = true, size+byteSize(t)
	}
	worth := size >= mappedBytes && len(m.ExternalFiles()) == 0
	m.EachTensor(func(t *onnxpb.TensorProto) { worth = worth && (weights[t] || byteSize(t) <= shapeBytes) })
	return worth
}

// fold lets the runtime fold constants and BatchNormalization, at its BASIC level, and gives the folded model. changed says that the model is
// not what its file holds. The caller closes the result.
func fold(ctx context.Context, look looker, m *onnx.Model, dir string, changed bool) (*onnx.Model, error) {
	if worthMapping(m) {
		if out, err := foldDraft(ctx, look, m, dir, onnx.ExternalAlways); err == nil {
			return out, nil
		} // in two files it is not taken wherever it is in one, and of one the runtime's errors are as they were for the user's
	}
	if !changed {
		out, err := foldFile(ctx, look, m.Path(), dir)
		if err == nil || ctx.Err() != nil || OutOfRoom(err) {
			return out, err
		}
	}
	return foldDraft(ctx, look, m, dir, onnx.ExternalAuto)
}

// foldDraft is fold of a file that it writes.
func foldDraft(ctx context.Context, look looker, m *onnx.Model, dir string, weights onnx.External) (*onnx.Model, error) {
	plain := filepath.Join(dir, "plain.onnx")
	if err := m.SaveDraft(plain, weights); err != nil {
		return nil, err
	}
	defer os.Remove(plain)
	defer os.Remove(plain + ".data")
	return foldFile(ctx, look, plain, dir)
}

// foldFile is fold of a file.
func foldFile(ctx context.Context, look looker, plain, dir string) (*onnx.Model, error) {
	folded, weights := filepath.Join(dir, "folded.onnx"), filepath.Join(dir, "folded.data")
	failed := func(err error) error { // and who tries again has the room that they took
		err = unwritten(err, folded, weights)
		os.Remove(folded)
		os.Remove(weights)
		return err
	}
	// Weights in a file of their own: the runtime writes no model file of more than 2 GiB.
	o := cpuOptions("basic", 1, map[string]string{"session.optimized_model_external_initializers_file_name": filepath.Base(weights),
		"session.optimized_model_external_initializers_min_size_in_bytes": "1024"})
	o.OptimizedPath = folded
	_, err := look(ctx, plain, o)
	if err != nil {
		return nil, failed(fmt.Errorf("fold constants: %w", unloaded{err}))
	}
	out, err := onnx.Open(folded)
	if err != nil {
		return nil, failed(err)
	}
	tidy(out)
	return out, nil
}

// tidy mends what the runtime writes: it imports every domain that it knows, and gives the graphs within nodes each of their weights twice
// where weights stand in a file of their own (onnxruntime 1.30.0).
func tidy(m *onnx.Model) {
	used := map[string]bool{"": true}
	m.EachNode(func(n *onnxpb.NodeProto) {
		used[onnx.Domain(n.Domain)] = true
		for _, a := range n.Attribute {
			if a.G == nil {
				continue
			}
			seen := map[string]bool{}
			a.G.Initializer = slices.DeleteFunc(a.G.Initializer, func(t *onnxpb.TensorProto) bool {
				again := seen[t.Name]
				seen[t.Name] = true
				return again
			})
		}
	})
	m.Proto.OpsetImport = slices.DeleteFunc(m.Proto.OpsetImport, func(o *onnxpb.OperatorSetIdProto) bool { return !used[onnx.Domain(o.Domain)] })
}
