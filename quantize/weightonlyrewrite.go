package quantize

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/onnx/upgrade"
	"assay/tensor"
)

// blockedNames are the initializers of a quantized weight; zeros is "" where it is symmetric.
type blockedNames struct{ codes, scales, zeros string }

// blockedKey is what two nodes must agree on to share a quantized weight.
type blockedKey struct {
	name    string
	down    bool
	inPlace bool
	factor  float32
}

func (p *blockedNode) key() blockedKey {
	return blockedKey{p.source.Name, p.layout.down, p.layout.inPlace, p.factor}
}

// blockedRewriter puts quantized weights into a graph. Names follow onnxruntime's MatMulNBitsQuantizer.
type blockedRewriter struct {
	*weightOnly
	names     map[string]bool // of values
	nodeNames map[string]bool
	written   map[blockedKey]blockedNames
	last      *blockedCache
	added     []*onnxpb.TensorProto
	replaced  map[string]bool // weights that nodes read no more
}

func (w *weightOnly) rewrite(res *Result) error {
	if err := w.raise(); err != nil {
		return err
	}
	g := w.model.Proto.Graph
	r := &blockedRewriter{weightOnly: w, names: valueNames(g), nodeNames: map[string]bool{}, written: map[blockedKey]blockedNames{},
		last: &blockedCache{model: w.model}, replaced: map[string]bool{}}
	for _, n := range g.Node {
		r.nodeNames[n.Name] = true
	}
	var nodes []*onnxpb.NodeProto
	for i, n := range g.Node {
		p := w.plans[n]
		if p == nil {
			nodes = append(nodes, n)
			continue
		}
		said := nodeName(n) // the user's name for it
		if n.Name == "" {
			n.Name = unusedName(n.OpType+"_"+strconv.Itoa(i), r.nodeNames)
		}
		made, err := r.node(n, p)
		if err != nil {
			return fmt.Errorf("%s: %w", said, err)
		}
		nodes = append(nodes, made...)
	}
	g.Node = nodes
	g.Initializer = append(g.Initializer, r.added...)
	dropUnread(w.model, r.replaced)
	r.describe(res)
	return nil
}

// raise brings the model to the versions that its new operators and types need.
func (w *weightOnly) raise() error {
	const fourBits = 10 // the IR version that has 4-bit types
	if w.options.Form == FormQDQ {
		const blockSize = 21 // the opset of DequantizeLinear's block_size
		if err := upgrade.To(w.model, blockSize); err != nil {
			return err
		}
		w.model.Proto.IrVersion = max(w.model.Proto.IrVersion, fourBits)
		return nil
	}
	w.model.ImportDomain("com.microsoft", 1)
	for _, p := range w.plans {
		if p.layout.inPlace && w.bits == 4 {
			w.model.Proto.IrVersion = max(w.model.Proto.IrVersion, fourBits)
		}
	}
	return nil
}

// describe notes what the model's metadata and the result should say of the arithmetic.
func (r *blockedRewriter) describe(res *Result) {
	if r.options.Form == FormQDQ {
		res.Warnings = append(res.Warnings, "the runtime makes MatMulNBits with 8-bit activations (accuracy level 4) of the DequantizeLinear form "+
			"unless the session's option session.qdq_matmulnbits_accuracy_level says otherwise")
		return
	}
	r.model.SetMetadata("assay.accuracy_level", strconv.Itoa(r.options.AccuracyLevel))
}

func (r *blockedRewriter) node(n *onnxpb.NodeProto, p *blockedNode) ([]*onnxpb.NodeProto, error) {
	names := r.weight(p)
	switch {
	case n.OpType == "Gather":
		return r.table(n, p, names), nil
	case r.options.Form == FormQDQ:
		return r.dequantized(n, p, names)
	}
	return r.nbits(n, p, names)
}

// weight adds the quantized form of a node's weight, once for all nodes that read it the same way.
func (r *blockedRewriter) weight(p *blockedNode) blockedNames {
	r.replaced[p.source.Name] = true
	if names, ok := r.written[p.key()]; ok {
		return names
	}
	codes, scales, zeros := p.tensors()
	l := &p.layout
	names := blockedNames{codes: r.add(p, codes, l.codeBytes(), func(b *blocked) []byte { return b.codes }),
		scales: r.add(p, scales, 4*l.scaleCount(), func(b *blocked) []byte { return floatBytes(b.scales) })}
	if !l.symmetric {
		names.zeros = r.add(p, zeros, l.zeroBytes(), func(b *blocked) []byte { return b.zeros })
	}
	r.written[p.key()] = names
	return names
}

// add adds a tensor whose data is made when the file is written. Those of one weight stand side by side, so that it is quantized once.
func (r *blockedRewriter) add(p *blockedNode, t *onnxpb.TensorProto, size int, part func(*blocked) []byte) string {
	t.Name = unusedName(t.Name, r.names)
	r.added = append(r.added, t)
	name := called(r.model.Proto.Graph, p.source.Name) // while its node reads it
	r.model.SetData(t, onnx.Data{Size: int64(size), Write: func(to io.Writer) error {
		b, err := r.last.of(p)
		if err != nil {
			return fmt.Errorf("weight %s: %w", name, err)
		}
		_, err = to.Write(part(b))
		return err
	}})
	return t.Name
}

// tensors are the names, types and dimensions of a weight's quantized form.
func (p *blockedNode) tensors() (codes, scales, zeros *onnxpb.TensorProto) {
	l, name, width := &p.layout, p.source.Name, strconv.Itoa(p.layout.bits)
	if !l.inPlace {
		lanes, blocks := int64(l.lanes()), int64(l.blocks())
		return tensorOf(name+"_Q"+width, tensor.Uint8, lanes, blocks, int64(l.blob())), tensorOf(name+"_scales", tensor.Float32, lanes, blocks),
			tensorOf(name+"_zero_points", tensor.Uint8, lanes, int64(l.zeroBytes())/lanes)
	}
	dims := p.source.Dims
	if l.rounding == zeroLast { // of a product
		name += "_DQ"
		dims = []int64{int64(l.depth()), int64(l.lanes())}
	}
	less := slices.Clone(dims)
	axis := len(less) - 1
	if l.rounding == zeroLast {
		axis = 0
	}
	less[axis] = int64(l.blocks())
	return tensorOf(name+"_Q"+width, l.codeType(), dims...), tensorOf(name+"_scales", tensor.Float32, less...),
		tensorOf(name+"_zero_points", l.codeType(), less...)
}

func tensorOf(name string, d tensor.DType, dims ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: name, DataType: int32(d), Dims: dims}
}

// inputs are a quantized weight's names as a node's last inputs.
func (b blockedNames) inputs(first ...string) []string {
	first = append(first, b.codes, b.scales)
	if b.zeros != "" {
		first = append(first, b.zeros)
	}
	return first
}

// nbits makes a product MatMulNBits.
func (r *blockedRewriter) nbits(n *onnxpb.NodeProto, p *blockedNode, names blockedNames) ([]*onnxpb.NodeProto, error) {
	l := &p.layout
	made := &onnxpb.NodeProto{OpType: "MatMulNBits", Domain: "com.microsoft", Name: unusedName(n.Name+"_Q"+strconv.Itoa(l.bits), r.nodeNames),
		Input: names.inputs(n.Input[0]), Output: []string{n.Output[0]}}
	onnx.SetAttrInt(made, "K", int64(l.depth()))
	onnx.SetAttrInt(made, "N", int64(l.lanes()))
	onnx.SetAttrInt(made, "bits", int64(l.bits))
	onnx.SetAttrInt(made, "block_size", int64(l.block))
	if r.options.AccuracyLevel != 0 { // most providers know no such attribute, and 0 says nothing
		onnx.SetAttrInt(made, "accuracy_level", int64(r.options.AccuracyLevel))
	}
	return r.withBias(n, made)
}

// withBias puts what a Gemm adds behind the product that takes its place.
func (r *blockedRewriter) withBias(n *onnxpb.NodeProto, product ...*onnxpb.NodeProto) ([]*onnxpb.NodeProto, error) {
	if n.OpType != "Gemm" || len(n.Input) < 3 || n.Input[2] == "" {
		return product, nil
	}
	bias, err := r.bias(n)
	if err != nil {
		return nil, err
	}
	last := product[len(product)-1]
	last.Output[0] = unusedName(n.Output[0]+"_without_bias", r.names)
	return append(product, &onnxpb.NodeProto{OpType: "Add", Name: unusedName(n.Name+"_bias", r.nodeNames),
		Input: []string{last.Output[0], bias}, Output: []string{n.Output[0]}}), nil
}

// bias is what a Gemm adds, times its beta.
func (r *blockedRewriter) bias(n *onnxpb.NodeProto) (string, error) {
	beta := onnx.AttrFloat(n, "beta", 1)
	if beta == 1 {
		return n.Input[2], nil
	}
	t := r.weights[n.Input[2]]
	values, err := r.model.Float32s(t)
	if err != nil {
		return "", err
	}
	for i := range values {
		values[i] *= beta
	}
	scaled := tensorOf(unusedName(t.Name+"_times_beta", r.names), tensor.Float32, t.Dims...)
	scaled.RawData = floatBytes(values)
	r.added = append(r.added, scaled)
	r.replaced[t.Name] = true
	return scaled.Name, nil
}

// dequantized puts DequantizeLinear before the weight of a product. Gemm becomes MatMul: the runtime fuses few forms of it.
func (r *blockedRewriter) dequantized(n *onnxpb.NodeProto, p *blockedNode, names blockedNames) ([]*onnxpb.NodeProto, error) {
	width := strconv.Itoa(p.layout.bits)
	weight := &onnxpb.NodeProto{OpType: "DequantizeLinear", Name: unusedName(n.Name+"_DQ_Q"+width, r.nodeNames), Input: names.inputs(),
		Output: []string{unusedName(names.codes+"_output", r.names)}}
	onnx.SetAttrInt(weight, "axis", 0)
	onnx.SetAttrInt(weight, "block_size", int64(p.layout.block))
	return r.withBias(n, weight, &onnxpb.NodeProto{OpType: "MatMul", Name: unusedName(n.Name+"_matmul_Q"+width, r.nodeNames),
		Input: []string{n.Input[0], weight.Output[0]}, Output: []string{n.Output[0]}})
}

// table makes a Gather of rows one of blocks.
func (r *blockedRewriter) table(n *onnxpb.NodeProto, p *blockedNode, names blockedNames) []*onnxpb.NodeProto {
	l := &p.layout
	inputs := names.inputs()
	made := &onnxpb.NodeProto{OpType: "GatherBlockQuantized", Domain: "com.microsoft", Name: unusedName(n.Name+"_Q"+strconv.Itoa(l.bits), r.nodeNames),
		Input: slices.Insert(inputs, 1, n.Input[1]), Output: n.Output}
	onnx.SetAttrInt(made, "gather_axis", onnx.AttrInt(n, "axis", 0))
	onnx.SetAttrInt(made, "quantize_axis", int64(len(p.source.Dims)-1))
	onnx.SetAttrInt(made, "block_size", int64(l.block))
	if l.bits != 4 {
		onnx.SetAttrInt(made, "bits", int64(l.bits))
	}
	return []*onnxpb.NodeProto{made}
}

// dropUnread drops the weights among replaced that nothing reads any more.
func dropUnread(m *onnx.Model, replaced map[string]bool) {
	g := m.Proto.Graph
	read := map[string]bool{}
	outputs := func(g *onnxpb.GraphProto) {
		for _, o := range g.Output {
			read[o.Name] = true
		}
	}
	outputs(g)
	m.EachNode(func(n *onnxpb.NodeProto) {
		for _, name := range n.Input {
			read[name] = true
		}
		for _, sub := range onnx.AttrGraphs(n) {
			outputs(sub)
		}
	})
	gone := func(name string) bool { return replaced[name] && !read[name] }
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return gone(t.Name) })
	g.Input = slices.DeleteFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return gone(v.Name) })
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *onnxpb.ValueInfoProto) bool { return gone(v.Name) })
}

// blockedCache holds the quantized form of the weight that was last asked for.
type blockedCache struct {
	model *onnx.Model
	mu    sync.Mutex
	key   blockedKey
	made  blocked
	valid bool
}

// of quantizes a node's weight, unless that is the one at hand. The result is good until the next call.
func (c *blockedCache) of(p *blockedNode) (*blocked, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.valid && c.key == p.key() {
		return &c.made, nil
	}
	c.valid = false
	raw, release, err := c.model.View(p.source)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := p.layout.quantize(floatsIn(raw), &c.made, release); err != nil {
		return nil, err
	}
	if p.factor != 1 {
		for i := range c.made.scales {
			c.made.scales[i] *= p.factor
		}
	}
	c.key, c.valid = p.key(), true
	return &c.made, nil
}
