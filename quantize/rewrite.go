package quantize

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// rewriter puts QuantizeLinear and DequantizeLinear into a graph. Names follow onnxruntime.quantization, so that other tools read the
// file.
type rewriter struct {
	*selection
	options   Options
	ranges    Ranges
	params    map[string]Params    // of activations
	written   map[string][2]string // activation -> the names of its scale and zero point
	scales    map[weight][]float32 // one a channel
	outputs   map[weight]string    // of DequantizeLinear
	domain    string               // of QuantizeLinear and DequantizeLinear
	names     map[string]bool      // of values
	nodeNames map[string]bool
	added     []*onnxpb.TensorProto
	front     []*onnxpb.NodeProto            // DequantizeLinear of constants
	after     map[string][]*onnxpb.NodeProto // Q/DQ pairs behind a value's producer
	replace   map[string]string              // value -> what its consumers read instead
}

// weight is a constant as one kind of node takes it: two that want channels along different axes get a quantized copy each.
type weight struct {
	name string
	axis int // -1 for one scale over all
}

func newRewriter(s *selection, o Options, ranges Ranges) *rewriter {
	r := &rewriter{selection: s, options: o, ranges: ranges, params: map[string]Params{}, written: map[string][2]string{},
		scales: map[weight][]float32{}, outputs: map[weight]string{}, names: valueNames(s.model.Proto.Graph), nodeNames: map[string]bool{}, after: map[string][]*onnxpb.NodeProto{}, replace: map[string]string{}}
	if s.opset < 13 {
		r.domain = "com.microsoft" // the standard operators take an axis from opset 13 on
	}
	for _, n := range s.model.Proto.Graph.Node {
		r.nodeNames[n.Name] = true
	}
	return r
}

// run rewrites the model's graph.
func (r *rewriter) run() error {
	if err := r.activationParams(); err != nil {
		return err
	}
	for n := range r.removed {
		r.dropRectifier(n)
	}
	for _, n := range r.model.Proto.Graph.Node {
		if r.nodes[n] && isHeavy(n) {
			if err := r.guard(n); err != nil {
				return err
			}
		}
	}
	for _, name := range r.constants {
		if err := r.constant(name); err != nil {
			return err
		}
	}
	for _, n := range r.model.Proto.Graph.Node {
		if r.nodes[n] && isHeavy(n) {
			if err := r.weights(n); err != nil {
				return fmt.Errorf("%s: %w", nodeName(n), err)
			}
		}
	}
	for _, name := range r.activations {
		r.activation(name)
	}
	r.assemble()
	return nil
}

func isHeavy(n *onnxpb.NodeProto) bool {
	return n.OpType == "Conv" || n.OpType == "Gemm" || n.OpType == "MatMul"
}

// activationParams computes the parameters of every calibrated tensor.
func (r *rewriter) activationParams() error {
	for _, name := range r.activations {
		from := name
		if cut, ok := r.follows[name]; ok {
			from = cut
		}
		seen, ok := r.ranges[from]
		if !ok {
			return fmt.Errorf("no range is known of tensor %s: the ranges do not name it, or it is empty in every example", from)
		}
		p, err := paramsFor(seen[0], seen[1], rangeOf(r.options.Activation, r.options.Symmetric, false), r.options.Symmetric)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
		r.params[name] = p
	}
	return nil
}

// dropRectifier lets the producer of a removed Relu's input write the Relu's output.
func (r *rewriter) dropRectifier(gone *onnxpb.NodeProto) {
	for _, n := range r.model.Proto.Graph.Node {
		for i, o := range n.Output {
			if o == gone.Input[0] {
				n.Output[i] = gone.Output[0]
			}
		}
	}
}

// channelAxis is the axis along which a node's weight has channels; -1 for one scale over all. A stack of matrices gets one: the runtime's
// 8-bit MatMul takes no scale a column there (onnxruntime 1.30.0).
func (r *rewriter) channelAxis(n *onnxpb.NodeProto, rank int) int {
	switch {
	case !r.options.PerChannel, n.OpType == "MatMul" && rank != 2:
		return -1
	case n.OpType == "Conv", n.OpType == "Gemm" && attributeInt(n, "transB", 0) != 0:
		return 0
	}
	return 1
}

// guard computes the scales of a node's weight, widened where its bias would overflow.
func (r *rewriter) guard(n *onnxpb.NodeProto) error {
	w := r.weight[n.Input[1]]
	values, err := r.model.Float32s(w)
	if err != nil {
		return err
	}
	if !finite(values) {
		return fmt.Errorf("weight %s holds NaN or infinite values; it cannot be quantized", w.Name)
	}
	key := r.key(n)
	scales, known := r.scales[key]
	if !known {
		for _, channel := range channels(values, w.Dims, key.axis) {
			low, high := extremes(channel)
			p, err := paramsFor(low, high, rangeOf(tensor.Int8, true, r.options.ReduceRange), true)
			if err != nil {
				return fmt.Errorf("weight %s: %w", w.Name, err)
			}
			scales = append(scales, p.Scale)
		}
	}
	bias, err := r.bias(n, len(scales))
	if err != nil {
		return err
	}
	if len(scales) == 1 && bias != nil {
		low, high := extremes(bias)
		bias = []float32{max(-low, high)}
	}
	for i, b := range bias {
		scales[i] = guardScale(scales[i], r.params[n.Input[0]].Scale, b)
	}
	r.scales[key] = scales
	return nil
}

// key is the weight that a node takes.
func (r *rewriter) key(n *onnxpb.NodeProto) weight {
	w := r.weight[n.Input[1]]
	return weight{w.Name, r.channelAxis(n, len(w.Dims))}
}

// bias reads what a node adds to its product, as one value a channel or however many there are for one scale. It is nil where there is no
// bias, or none that has an 8-bit form: one that is computed, or that differs from row to row.
func (r *rewriter) bias(n *onnxpb.NodeProto, scales int) ([]float32, error) {
	if n.OpType == "MatMul" || len(n.Input) < 3 || r.weight[n.Input[2]] == nil {
		return nil, nil
	}
	b := r.weight[n.Input[2]]
	if len(b.Dims) > 2 || len(b.Dims) == 2 && b.Dims[0] != 1 {
		return nil, nil
	}
	values, err := r.model.Float32s(b)
	if err != nil {
		return nil, err
	}
	if !finite(values) {
		return nil, fmt.Errorf("bias %s holds NaN or infinite values; it cannot be quantized", b.Name)
	}
	if n.OpType == "Gemm" {
		beta := attribute(n, "beta", 1)
		for i := range values {
			values[i] *= beta
		}
	}
	if len(values) == 1 && scales > 1 {
		values = slices.Repeat(values, scales)
	}
	if scales > 1 && len(values) != scales {
		return nil, fmt.Errorf("bias %s has %d values for %d channels", b.Name, len(values), scales)
	}
	return values, nil
}

// channels splits values by an axis, copying; all values in one where axis is negative.
func channels(values []float32, dims []int64, axis int) [][]float32 {
	if axis < 0 {
		return [][]float32{values}
	}
	outer, count, inner := split(dims, axis)
	out := make([][]float32, count)
	for c := range out {
		for o := range outer {
			at := (o*count + c) * inner
			out[c] = append(out[c], values[at:at+inner]...)
		}
	}
	return out
}

func split(dims []int64, axis int) (outer, count, inner int) {
	outer, inner = 1, 1
	for i, d := range dims {
		switch {
		case i < axis:
			outer *= int(d)
		case i > axis:
			inner *= int(d)
		}
	}
	return outer, int(dims[axis]), inner
}

// weights quantizes a node's weight and bias and points the node at their DequantizeLinear outputs.
func (r *rewriter) weights(n *onnxpb.NodeProto) error {
	key := r.key(n)
	if r.outputs[key] == "" {
		if err := r.quantizeWeight(key); err != nil {
			return err
		}
	}
	n.Input[1] = r.outputs[key]
	return r.quantizeBias(n, r.scales[key])
}

func (r *rewriter) quantizeWeight(key weight) error {
	w, axis := r.weight[key.name], key.axis
	values, err := r.model.Float32s(w)
	if err != nil {
		return err
	}
	scales := r.scales[key]
	q := make([]byte, len(values))
	if axis < 0 {
		quantizeInto(q, values, Params{Scale: scales[0]}, tensor.Int8)
	} else {
		outer, count, inner := split(w.Dims, axis)
		for o := range outer {
			for c := range count {
				at := (o*count + c) * inner
				quantizeInto(q[at:at+inner], values[at:at+inner], Params{Scale: scales[c]}, tensor.Int8)
			}
		}
	}
	dims := []int64{}
	if axis >= 0 {
		dims = []int64{int64(len(scales))}
	}
	r.outputs[key] = r.addQuantized(w.Name, tensor.Int8, w.Dims, q, dims, scales, make([]byte, len(scales)), axis)
	return nil
}

// addQuantized adds a constant's integers, scales and zero points and their DequantizeLinear, and returns the name of its output.
func (r *rewriter) addQuantized(name string, d tensor.DType, dims []int64, q []byte, scaleDims []int64, scales []float32, zeros []byte, axis int) string {
	quantized := r.add(name+"_quantized", d, dims, q)
	scale := r.add(name+"_scale", tensor.Float32, scaleDims, floatBytes(scales))
	zero := r.add(name+"_zero_point", d, scaleDims, zeros)
	output := r.unique(name + "_DequantizeLinear_Output")
	r.dequantize(name+"_DequantizeLinear", quantized, scale, zero, output, axis)
	return output
}

// quantizeBias makes a node's bias int32, scaled by the product of its input's and its weight's scales.
func (r *rewriter) quantizeBias(n *onnxpb.NodeProto, scales []float32) error {
	values, err := r.bias(n, len(scales))
	if err != nil || values == nil {
		return err
	}
	if n.OpType == "Gemm" {
		setAttribute(n, "beta", 1)
	}
	input := r.params[r.root(n.Input[0])].Scale
	products := make([]float32, len(scales))
	for i, s := range scales {
		products[i] = input * s
	}
	q := make([]byte, 4*len(values))
	biasInto(q, values, products)
	name := n.Input[2]
	output := name
	if r.uses[name] > 1 || r.within[name] {
		output = r.unique(name + "_" + strconv.Itoa(len(r.front)))
	}
	dims := []int64{}
	axis := -1
	if len(scales) > 1 {
		dims, axis = []int64{int64(len(scales))}, 0
	}
	quantized := r.add(name+"_quantized", tensor.Int32, []int64{int64(len(values))}, q)
	scale := r.add(quantized+"_scale", tensor.Float32, dims, floatBytes(products))
	zero := r.add(quantized+"_zero_point", tensor.Int32, dims, make([]byte, 4*len(products)))
	r.dequantize(name+"_DequantizeLinear", quantized, scale, zero, output, axis)
	n.Input[2] = output
	if output == name {
		r.dropInitializer(name)
	}
	return nil
}

// constant quantizes a constant that stands among activations, with their type.
func (r *rewriter) constant(name string) error {
	t := r.weight[name]
	values, err := r.model.Float32s(t)
	if err != nil {
		return err
	}
	if !finite(values) {
		return fmt.Errorf("constant %s holds NaN or infinite values; it cannot be quantized", name)
	}
	low, high := extremes(values)
	p, err := paramsFor(low, high, rangeOf(r.options.Activation, r.options.Symmetric, r.options.ReduceRange), r.options.Symmetric)
	if err != nil {
		return fmt.Errorf("constant %s: %w", name, err)
	}
	q := make([]byte, len(values))
	quantizeInto(q, values, p, r.options.Activation)
	output := r.addQuantized(name, r.options.Activation, t.Dims, q, []int64{}, []float32{p.Scale}, []byte{byte(p.Zero)}, -1)
	for _, n := range r.model.Proto.Graph.Node {
		for i, in := range n.Input {
			if r.nodes[n] && in == name {
				n.Input[i] = output
			}
		}
	}
	return nil
}

// root is the tensor whose parameters an activation takes.
func (r *rewriter) root(name string) string {
	if shared, ok := r.shares[name]; ok {
		return shared
	}
	return name
}

// activation puts a pair behind a tensor; its consumers read the pair's output. A graph output keeps its name behind the pair.
func (r *rewriter) activation(name string) {
	root := r.root(name)
	at, ok := r.written[root]
	if !ok {
		p := r.params[root]
		at = [2]string{r.add(root+"_scale", tensor.Float32, []int64{}, floatBytes([]float32{p.Scale})),
			r.add(root+"_zero_point", r.options.Activation, []int64{}, []byte{byte(p.Zero)})}
		r.written[root] = at
	}
	from, to := name, name
	if r.output[name] {
		from = r.unique(name + "_QuantizeLinear_Input")
		for _, n := range r.model.Proto.Graph.Node {
			for i, o := range n.Output {
				if o == name {
					n.Output[i] = from
				}
			}
		}
	} else {
		to = r.unique(name + "_DequantizeLinear_Output")
		r.replace[name] = to
	}
	middle := r.unique(name + "_QuantizeLinear_Output")
	r.after[from] = []*onnxpb.NodeProto{
		{Name: unusedName(name+"_QuantizeLinear", r.nodeNames), OpType: "QuantizeLinear", Domain: r.domain, Input: []string{from, at[0], at[1]}, Output: []string{middle}},
		{Name: unusedName(name+"_DequantizeLinear", r.nodeNames), OpType: "DequantizeLinear", Domain: r.domain, Input: []string{middle, at[0], at[1]}, Output: []string{to}},
	}
}

// assemble writes the new list of nodes, in topological order: constants' nodes, pairs behind inputs, then each node and the pairs
// behind its outputs. Weights that nothing reads any more are dropped.
func (r *rewriter) assemble() {
	g := r.model.Proto.Graph
	nodes := append([]*onnxpb.NodeProto{}, r.front...)
	for _, v := range g.Input {
		nodes = append(nodes, r.after[v.Name]...)
	}
	for _, n := range g.Node {
		if r.removed[n] {
			continue
		}
		for i, name := range n.Input {
			if to, ok := r.replace[name]; ok {
				n.Input[i] = to
			}
		}
		nodes = append(nodes, n)
		for _, o := range n.Output {
			nodes = append(nodes, r.after[o]...)
		}
	}
	g.Node = nodes
	g.Initializer = append(g.Initializer, r.added...)
	g.ValueInfo = nil // of types and names that have changed
	r.dropUnused()
	if r.domain != "" && r.model.Opset(r.domain) == 0 {
		r.model.Proto.OpsetImport = append(r.model.Proto.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: r.domain, Version: 1})
	}
}

func (r *rewriter) dropUnused() {
	used := map[string]bool{}
	r.model.EachNode(func(n *onnxpb.NodeProto) {
		for _, name := range n.Input {
			used[name] = true
		}
	})
	g := r.model.Proto.Graph
	for _, o := range g.Output {
		used[o.Name] = true
	}
	for name := range r.within {
		used[name] = true
	}
	var kept []*onnxpb.TensorProto
	gone := map[string]bool{}
	for _, t := range g.Initializer {
		if used[t.Name] {
			kept = append(kept, t)
		} else {
			gone[t.Name] = true
		}
	}
	g.Initializer = kept
	var inputs []*onnxpb.ValueInfoProto
	for _, v := range g.Input {
		if !gone[v.Name] {
			inputs = append(inputs, v)
		}
	}
	g.Input = inputs
}

func (r *rewriter) dropInitializer(name string) {
	g := r.model.Proto.Graph
	for i, t := range g.Initializer {
		if t.Name == name {
			g.Initializer = append(g.Initializer[:i:i], g.Initializer[i+1:]...)
			return
		}
	}
}

// add adds an initializer and returns its name: the one given, or one like it where that is taken.
func (r *rewriter) add(name string, d tensor.DType, dims []int64, data []byte) string {
	name = r.unique(name)
	r.added = append(r.added, &onnxpb.TensorProto{Name: name, DataType: int32(d), Dims: dims, RawData: data})
	return name
}

// dequantize adds a DequantizeLinear of constants; axis is written where it means something.
func (r *rewriter) dequantize(name, q, scale, zero, output string, axis int) {
	n := &onnxpb.NodeProto{Name: unusedName(name, r.nodeNames), OpType: "DequantizeLinear", Domain: r.domain, Input: []string{q, scale, zero}, Output: []string{output}}
	if axis >= 0 {
		n.Attribute = []*onnxpb.AttributeProto{{Name: "axis", Type: onnxpb.AttributeProto_INT, I: int64(axis)}}
	}
	r.front = append(r.front, n)
}

// unique gives a name that no value of the graph has.
func (r *rewriter) unique(name string) string { return unusedName(name, r.names) }

func setAttribute(n *onnxpb.NodeProto, name string, v float32) {
	for _, a := range n.Attribute {
		if a.Name == name {
			a.F = v
		}
	}
}

func floatBytes(values []float32) []byte {
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// valueNames are the names of a graph's values, those of its subgraphs among them: a new name must not hide behind one of theirs.
func valueNames(g *onnxpb.GraphProto) map[string]bool {
	names := map[string]bool{}
	for _, v := range g.Input {
		names[v.Name] = true
	}
	for _, t := range g.Initializer {
		names[t.Name] = true
	}
	for _, t := range g.SparseInitializer {
		names[t.GetValues().GetName()] = true
	}
	for _, n := range g.Node {
		for _, o := range n.Output {
			names[o] = true
		}
		for _, a := range n.Attribute {
			for _, sub := range append(slices.Clone(a.Graphs), a.G) {
				if sub != nil {
					maps.Copy(names, valueNames(sub))
				}
			}
		}
	}
	return names
}

// unusedName is name, or one like it where that is taken; it is taken from then on.
func unusedName(name string, taken map[string]bool) string {
	for candidate, i := name, 1; ; i++ {
		if !taken[candidate] {
			taken[candidate] = true
			return candidate
		}
		candidate = name + "_" + strconv.Itoa(i)
	}
}
