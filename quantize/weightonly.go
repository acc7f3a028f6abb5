package quantize

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// The forms of a model with blocked weights.
const (
	FormNBits = "nbits" // operators of the runtime's own domain: MatMulNBits and GatherBlockQuantized
	FormQDQ   = "qdq"   // DequantizeLinear with a block size, of opset 21
)

// defaultBlock is how many weights share a scale unless that is said: at 4 bits and no zero point, 5 bits a weight.
const defaultBlock = 32

// weightOnly makes constant matrices integers of 4 or 8 bits in blocks that share a scale, and leaves everything else as it is. It needs no
// data, and no more memory than one matrix takes: each is read, quantized and written when its turn in the file comes.
type weightOnly struct {
	model   *onnx.Model
	options Options
	bits    int
	weights map[string]*onnxpb.TensorProto
	ranks   map[string]int // of values whose rank the graph says
	types   map[string]bool
	plans   map[*onnxpb.NodeProto]*blockedNode
	left    map[*onnxpb.NodeProto]string
}

// blockedNode is a node whose weight will be quantized.
type blockedNode struct {
	source *onnxpb.TensorProto
	layout blockLayout
	factor float32 // of the scales: Gemm's alpha
}

func newWeightOnly(m *onnx.Model, o Options) (*weightOnly, error) {
	w := &weightOnly{model: m, options: o.withBlocks(), bits: 4, weights: map[string]*onnxpb.TensorProto{}, ranks: ranksOf(m.Proto.Graph),
		plans: map[*onnxpb.NodeProto]*blockedNode{}, left: map[*onnxpb.NodeProto]string{}}
	if o.Scheme == SchemeInt8Weight {
		w.bits = 8
	}
	if err := w.options.validateBlocks(); err != nil {
		return nil, err
	}
	f, err := o.filter()
	if err != nil {
		return nil, err
	}
	if w.types, err = blockedTypes(f.types); err != nil {
		return nil, err
	}
	liftConstants(m)
	for _, t := range m.Proto.Graph.Initializer {
		w.weights[t.Name] = t
	}
	for _, n := range m.Proto.Graph.Node {
		f.look(n)
		p, why := w.plan(n)
		if p != nil {
			why = f.refuses(n, true)
		}
		if why != "" {
			w.left[n] = why
		} else {
			w.plans[n] = p
		}
	}
	if err := f.unused(); err != nil {
		return nil, err
	}
	return w, nil
}

// blockedOperators have a form with blocked weights.
var blockedOperators = []string{"MatMul", "Gemm", "Gather"}

// blockedTypes checks the operator types that were asked for. Convolutions have no blocked form and are no mistake: they are among the types
// that stand for none.
func blockedTypes(asked map[string]bool) (map[string]bool, error) {
	types := map[string]bool{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		switch {
		case name == AllTypes:
			for _, k := range blockedOperators {
				types[k] = true
			}
		case slices.Contains(blockedOperators, name) || name == "Conv":
			types[name] = true
		default:
			errs = append(errs, fmt.Errorf("--op-types: %s has no form with blocked weights; want some of %v", name, blockedOperators))
		}
	}
	return types, errors.Join(errs...)
}

// withBlocks fills in what was left to the scheme.
func (o Options) withBlocks() Options {
	if o.Block == 0 {
		o.Block = defaultBlock
	}
	if o.WeightMethod == "" {
		o.WeightMethod = WeightNearest
	}
	if o.Form == "" {
		o.Form = FormNBits
	}
	return o
}

func (o *Options) validateBlocks() error {
	var errs []error
	if o.Block < 16 || o.Block > 256 || bits.OnesCount(uint(o.Block)) != 1 {
		errs = append(errs, fmt.Errorf("--block %d: want 16, 32, 64, 128 or 256", o.Block))
	}
	if fitters[o.WeightMethod] == nil {
		errs = append(errs, fmt.Errorf("--weight-method %q: want one of %v", o.WeightMethod, WeightMethods))
	}
	if o.Form != FormNBits && o.Form != FormQDQ {
		errs = append(errs, fmt.Errorf("form %q of blocked weights: want %s or %s", o.Form, FormNBits, FormQDQ))
	}
	if o.AccuracyLevel < 0 || o.AccuracyLevel > 4 {
		errs = append(errs, fmt.Errorf("--accuracy-level %d: want 0 to 4", o.AccuracyLevel))
	}
	if o.AccuracyLevel != 0 && o.Form == FormQDQ {
		errs = append(errs, errors.New("--accuracy-level: DequantizeLinear has none; it is an option of the session, session.qdq_matmulnbits_accuracy_level"))
	}
	return errors.Join(errs...)
}

// ranksOf gives the ranks that a graph says of its values.
func ranksOf(g *onnxpb.GraphProto) map[string]int {
	ranks := map[string]int{}
	for _, list := range [][]*onnxpb.ValueInfoProto{g.ValueInfo, g.Output, g.Input} {
		for _, v := range list {
			if shape := v.GetType().GetTensorType().GetShape(); shape != nil {
				ranks[v.Name] = len(shape.Dim)
			}
		}
	}
	return ranks
}

// plan says how a node's weight will be quantized, or why not.
func (w *weightOnly) plan(n *onnxpb.NodeProto) (*blockedNode, string) {
	standard := onnx.Domain(n.Domain) == ""
	switch {
	case standard && n.OpType == "MatMul" && w.types["MatMul"]:
		return w.planMatMul(n)
	case standard && n.OpType == "Gemm" && w.types["Gemm"]:
		return w.planGemm(n)
	case standard && n.OpType == "Gather" && w.types["Gather"]:
		return w.planTable(n)
	case standard && n.OpType == "Gather" && len(n.Input) > 0 && w.weights[n.Input[0]] != nil:
		return nil, fmt.Sprintf("its table of %d bytes is quantized where --op-types names Gather: its error enters before every layer", byteSize(w.weights[n.Input[0]]))
	case standard && (n.OpType == "MatMul" || n.OpType == "Gemm"):
		return nil, "its type is not among those asked for"
	}
	return nil, "its operator has no form with blocked weights"
}

func byteSize(t *onnxpb.TensorProto) int64 {
	size, _ := tensor.ByteSize(tensor.DType(t.DataType), t.Dims)
	return size
}

// constantMatrix gives a node's weight, or says why it cannot be quantized.
func (w *weightOnly) constantMatrix(n *onnxpb.NodeProto, at int) (*onnxpb.TensorProto, string) {
	if len(n.Input) <= at || w.weights[n.Input[at]] == nil {
		return nil, "its weight is computed, not a constant"
	}
	t := w.weights[n.Input[at]]
	count, err := tensor.Count(t.Dims)
	switch {
	case tensor.DType(t.DataType) != tensor.Float32:
		return nil, "its weight is " + tensor.DType(t.DataType).String()
	case len(t.Dims) < 2:
		return nil, "its weight is a vector"
	case err != nil || count == 0:
		return nil, "its weight is empty"
	}
	return t, ""
}

func (w *weightOnly) planMatMul(n *onnxpb.NodeProto) (*blockedNode, string) {
	t, why := w.constantMatrix(n, 1)
	if why != "" {
		return nil, why
	}
	last := len(t.Dims) - 2
	for _, d := range t.Dims[:last] {
		if d != 1 {
			return nil, "its weight is a stack of matrices"
		}
	}
	// A stack of one matrix gives its rank to the product, unless the other factor has as many dimensions already.
	if rank, known := w.ranks[n.Input[0]]; last > 0 && (!known || rank < len(t.Dims)) {
		return nil, "its weight has more dimensions than its input is known to have"
	}
	return w.product(n, t, int(t.Dims[last]), int(t.Dims[last+1]), true)
}

func (w *weightOnly) planGemm(n *onnxpb.NodeProto) (*blockedNode, string) {
	t, why := w.constantMatrix(n, 1)
	switch {
	case why != "":
		return nil, why
	case onnx.AttrInt(n, "transA", 0) != 0:
		return nil, "its input is transposed"
	}
	if onnx.AttrFloat(n, "beta", 1) != 1 && len(n.Input) > 2 && n.Input[2] != "" {
		if c := w.weights[n.Input[2]]; c == nil || tensor.DType(c.DataType) != tensor.Float32 {
			return nil, "its beta is not 1, and its bias is computed"
		}
	}
	return w.product(n, t, int(t.Dims[0]), int(t.Dims[1]), onnx.AttrInt(n, "transB", 0) == 0)
}

// product plans the weight of a matrix product, whose blocks run along the axis that is summed over.
func (w *weightOnly) product(n *onnxpb.NodeProto, t *onnxpb.TensorProto, rows, columns int, down bool) (*blockedNode, string) {
	l := blockLayout{blockFormat: w.format(zeroFirst), rows: rows, columns: columns, down: down}
	if w.options.Form == FormQDQ {
		l.inPlace, l.turned, l.rounding = true, !down, zeroLast
	}
	factor := float32(1)
	if n.OpType == "Gemm" {
		factor = onnx.AttrFloat(n, "alpha", 1)
	}
	return w.smaller(&blockedNode{source: t, layout: l, factor: factor})
}

// planTable plans a table of which Gather takes rows.
func (w *weightOnly) planTable(n *onnxpb.NodeProto) (*blockedNode, string) {
	t, why := w.constantMatrix(n, 0)
	switch {
	case why != "":
		return nil, why
	case w.options.Form == FormQDQ:
		return nil, "a table has no form with DequantizeLinear that would not expand all of it"
	}
	columns := int(t.Dims[len(t.Dims)-1])
	count, _ := tensor.Count(t.Dims)
	// The runtime's 8-bit codes of a table have no signed form.
	l := blockLayout{blockFormat: w.format(divided), rows: int(count) / columns, columns: columns, inPlace: true, unsigned: w.bits == 8}
	return w.smaller(&blockedNode{source: t, layout: l, factor: 1})
}

func (w *weightOnly) format(r rounding) blockFormat {
	return blockFormat{bits: w.bits, block: w.options.Block, symmetric: w.options.Symmetric, rounding: r, fit: fitters[w.options.WeightMethod]}
}

// smaller refuses what would only grow, as a matrix of few rows with long blocks.
func (w *weightOnly) smaller(p *blockedNode) (*blockedNode, string) {
	if made := p.layout.codeBytes() + 4*p.layout.scaleCount() + p.layout.zeroBytes(); int64(made) >= byteSize(p.source) {
		return nil, fmt.Sprintf("its weight of %d bytes would take %d in blocks of %d", byteSize(p.source), made, p.layout.block)
	}
	return p, ""
}

func (w *weightOnly) counts() NodeCounts {
	g := w.model.Proto.Graph
	c := NodeCounts{Total: len(g.Node), LeftFloat: []NodeLeft{}}
	for _, n := range g.Node {
		if w.plans[n] != nil {
			c.Quantized++
		} else {
			c.LeftFloat = append(c.LeftFloat, NodeLeft{nodeName(n), w.left[n]})
		}
	}
	return c
}

func (w *weightOnly) nothing() string {
	if len(w.plans) > 0 {
		return ""
	}
	for _, n := range w.model.Proto.Graph.Node {
		if blockedOperator(n) && (w.types[n.OpType] || len(n.Input) > 0 && w.weights[n.Input[0]] != nil) {
			return nodeName(n) + ": " + w.left[n]
		}
	}
	return "it has no MatMul or Gemm with constant float32 weights, which alone have a form with blocked weights; " + SchemeInt8Static + " quantizes convolutions"
}

// blockedOperator says whether a node's operator has a form with blocked weights.
func blockedOperator(n *onnxpb.NodeProto) bool {
	return onnx.Domain(n.Domain) == "" && slices.Contains(blockedOperators, n.OpType)
}
