package quantize

import (
	"encoding/binary"
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
	ranges    Ranges
	params    map[string]Params   // of activations that have their own
	parts     map[constant]*parts // of constants
	written   map[string]written  // activation -> the names of its scale and zero point
	domain    string              // of QuantizeLinear and DequantizeLinear
	names     map[string]bool     // of values
	nodeNames map[string]bool
	added     []*onnxpb.TensorProto
	front     []*onnxpb.NodeProto            // DequantizeLinear of constants
	after     map[string][]*onnxpb.NodeProto // Q/DQ pairs behind a value's producer
	replace   map[string]string              // value -> what its consumers read instead
}

// written are the names of a tensor's scale and zero point.
type written struct{ scale, zero string }

func newRewriter(s *selection, ranges Ranges) *rewriter {
	r := &rewriter{selection: s, ranges: ranges, params: map[string]Params{}, parts: map[constant]*parts{}, written: map[string]written{},
		names: valueNames(s.model.Proto.Graph), nodeNames: map[string]bool{}, after: map[string][]*onnxpb.NodeProto{}, replace: map[string]string{}}
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
	for _, c := range r.constants {
		if err := r.scale(c); err != nil {
			return err
		}
	}
	if err := r.guardBiases(); err != nil {
		return err
	}
	for _, c := range r.plainFirst() {
		if err := r.writeConstant(c); err != nil {
			return err
		}
	}
	for _, n := range r.model.Proto.Graph.Node {
		if r.removed[n] {
			r.dropRectifier(n)
		}
	}
	for _, name := range r.activations {
		r.activation(name)
	}
	if err := r.writeBiases(); err != nil {
		return err
	}
	r.assemble()
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
		walled := r.needsWall(n)
		for i, name := range n.Input {
			if c, ok := r.takes[slot{n, i}]; ok {
				n.Input[i] = r.parts[c].output
			} else if to, ok := r.replace[name]; ok {
				n.Input[i] = to
			}
		}
		if walled {
			nodes = append(nodes, r.wall(n))
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
	gone := map[string]bool{}
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool {
		gone[t.Name] = !used[t.Name]
		return gone[t.Name]
	})
	g.Input = slices.DeleteFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return gone[v.Name] })
}

// dropInitializer takes a weight out of the graph, and out of its inputs, where old models list their weights.
func (r *rewriter) dropInitializer(name string) {
	g := r.model.Proto.Graph
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return t.Name == name })
	g.Input = slices.DeleteFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return v.Name == name })
}

// add adds an initializer and returns its name: the one given, or one like it where that is taken.
func (r *rewriter) add(name string, d tensor.DType, dims []int64, data []byte) string {
	name = unusedName(name, r.names)
	r.added = append(r.added, &onnxpb.TensorProto{Name: name, DataType: int32(d), Dims: dims, RawData: data})
	return name
}

// convert makes a QuantizeLinear or DequantizeLinear; axis is written where it means something.
func (r *rewriter) convert(op, name, from string, at written, to string, axis int) *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{Name: unusedName(name, r.nodeNames), OpType: op, Domain: r.domain, Input: []string{from, at.scale, at.zero}, Output: []string{to}}
	if axis >= 0 {
		n.Attribute = []*onnxpb.AttributeProto{{Name: "axis", Type: onnxpb.AttributeProto_INT, I: int64(axis)}}
	}
	return n
}

// unique gives a name that no value of the graph has.
func (r *rewriter) unique(name string) string { return unusedName(name, r.names) }

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
		for _, sub := range graphsOf(n) {
			maps.Copy(names, valueNames(sub))
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
