package quantize

import (
	"fmt"
	"io"
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// precision is one of two.
type precision int

const (
	single precision = iota // float32
	halved                  // float16
)

func (p precision) dtype() tensor.DType { return [...]tensor.DType{tensor.Float32, tensor.Float16}[p] }

// halver converts a model, graph by graph. A value is made in one precision, and cast once to the other where somebody wants it so, in its own
// graph.
type halver struct {
	*half
	names  *onnx.Names
	wanted map[*onnxpb.TensorProto]bool // weights that some node reads as float16
	roles  roles
}

// halfScope is a graph at work.
type halfScope struct {
	*halver
	outer  *halfScope
	graph  *onnxpb.GraphProto
	values map[string]*halfValue // float32 tensors of the original, by their names there
	needed map[string]precision  // of outputs
	nodes  []*onnxpb.NodeProto
}

// halfValue is a value's name in either precision, "" where it has none yet.
type halfValue struct {
	names [2]string
	made  precision
	cast  string // name for the value in the other precision, "" for one made of its own
	// whole is the float32 weight that a halved one was, where nodes were chosen: those that stay float32 read it, not what was rounded or clamped.
	whole *onnxpb.TensorProto
}

func (h *half) rewrite(res *Result) error {
	h.model.NameNodes()
	h.model.ImportDomain("", 13) // of Cast, for models of other domains alone
	r := &halver{half: h, names: h.model.Names(), wanted: map[*onnxpb.TensorProto]bool{}, roles: roles{}}
	ends := halved
	if h.options.KeepIO {
		ends = single
	}
	h.castPlainly(h.model.Proto.Graph, nil)
	r.want(h.model.Proto.Graph, nil, halved, ends)
	r.roles.look(h.model.Proto.Graph, nil)
	if err := r.checkHalves(h.model.Proto.Graph); err != nil {
		return err
	}
	r.convert(h.model.Proto.Graph, nil, halved, ends)
	res.warn("on the CPU float16 makes the file smaller and nothing faster: the provider computes nearly all of it in float32 between casts; " +
		"so outputs were compared with more precision, and room for large values, than a GPU has that computes in float16")
	return nil
}

// castPlainly makes a Cast of each CastLike in a graph and in those within. The runtime makes a Cast of it, too, but to float32 where it is to be
// like float16 (onnxruntime 1.30.0).
func (h *half) castPlainly(g *onnxpb.GraphProto, around []*onnxpb.GraphProto) {
	scope := append(around[:len(around):len(around)], g)
	for _, n := range g.Node {
		for _, sub := range onnx.AttrGraphs(n) {
			h.castPlainly(sub, scope)
		}
		if n.OpType != "CastLike" || onnx.Domain(n.Domain) != "" || len(n.Input) != 2 {
			continue
		}
		if like, known := h.typed(n.Input[1], scope); known && like.Kind == tensor.KindTensor {
			n.OpType, n.Input = "Cast", n.Input[:1]
			onnx.SetAttrInt(n, "to", int64(like.DType))
		}
	}
}

// weightOf finds the weight of a name, from the innermost graph outwards.
func weightOf(name string, graphs []*onnxpb.GraphProto) *onnxpb.TensorProto {
	for _, g := range slices.Backward(graphs) {
		for _, t := range g.Initializer {
			if t.Name == name {
				return t
			}
		}
	}
	return nil
}

// want notes the weights that are read as float16. in is the precision of a graph's nodes, at most; out that of its outputs.
func (r *halver) want(g *onnxpb.GraphProto, around []*onnxpb.GraphProto, in, out precision) {
	scope := append(around[:len(around):len(around)], g)
	for _, n := range g.Node {
		p := r.precisionOf(n, in)
		for i, name := range n.Input {
			if p == halved && !slices.Contains(slotsOf(n, r.opset).inputs, i) {
				r.wanted[weightOf(name, scope)] = true
			}
		}
		for _, sub := range onnx.AttrGraphs(n) {
			r.want(sub, scope, p, p)
		}
	}
	for _, o := range g.Output {
		if out == halved {
			r.wanted[weightOf(o.Name, scope)] = true
		}
	}
}

// precisionOf is that of a node in a graph of nodes of at most the one given.
func (r *halver) precisionOf(n *onnxpb.NodeProto, most precision) precision {
	if r.half.single[n] != "" {
		return single
	}
	return most
}

// convert rewrites a graph whose inputs and outputs become of the precision ends.
func (r *halver) convert(g *onnxpb.GraphProto, outer *halfScope, most, ends precision) {
	s := &halfScope{halver: r, outer: outer, graph: g, values: map[string]*halfValue{}, needed: map[string]precision{}}
	for _, o := range g.Output {
		if s.isSingle(o.Name) || o.GetType().GetTensorType().GetElemType() == int32(tensor.Float32) {
			s.needed[o.Name] = ends
			setElement(o, ends)
		}
	}
	weights := map[string]bool{}
	for _, t := range g.Initializer {
		weights[t.Name] = true
	}
	for i, v := range g.Input {
		if v.GetType().GetTensorType().GetElemType() != int32(tensor.Float32) && !s.isSingle(v.Name) || weights[v.Name] {
			continue
		}
		setElement(v, ends)
		value := &halfValue{made: ends}
		value.names[ends] = v.Name
		if outer == nil {
			value.cast = fmt.Sprint("graph_input_cast_", i)
		}
		s.values[v.Name] = value
	}
	for _, t := range g.Initializer {
		s.initializer(t)
	}
	for _, t := range g.SparseInitializer {
		if tensor.DType(t.GetValues().GetDataType()) == tensor.Float32 {
			s.define(t.Values.Name, single)
		}
	}
	for _, n := range g.Node {
		s.node(n, r.precisionOf(n, most))
	}
	g.Node = s.nodes
	for _, v := range g.ValueInfo {
		if value := s.values[v.Name]; value != nil && value.names[halved] == v.Name {
			setElement(v, halved)
		}
	}
}

// isSingle says whether a value of this graph is a tensor of float32 in the original.
func (s *halfScope) isSingle(name string) bool {
	v, ok := s.typing[s.graph][name]
	return ok && v.Kind == tensor.KindTensor && v.DType == tensor.Float32
}

// isOf says whether a value that this graph reads is a tensor of a type in the original.
func (s *halfScope) isOf(name string, d tensor.DType) bool {
	for x := s; x != nil; x = x.outer {
		if v, ok := x.typing[x.graph][name]; ok {
			return v.Kind == tensor.KindTensor && v.DType == d
		}
	}
	return false
}

func setElement(v *onnxpb.ValueInfoProto, p precision) {
	if t := v.GetType().GetTensorType(); t != nil && t.ElemType == int32(tensor.Float32) {
		t.ElemType = int32(p.dtype())
	}
}

// initializer converts a weight that is read as float16.
func (s *halfScope) initializer(t *onnxpb.TensorProto) {
	if tensor.DType(t.DataType) != tensor.Float32 {
		return
	}
	p := single
	if s.wanted[t] {
		p = halved
	}
	name := t.Name
	t.Name = s.define(name, p)
	for _, v := range s.graph.Input { // an old model lists it there, too
		if v.Name == name {
			v.Name = t.Name
			setElement(v, p)
		}
	}
	v := s.values[name]
	if p == halved && s.filter.chooses() {
		v.whole = s.model.CloneTensor(t)
	}
	if v.names[1-p] != "" {
		s.convey(v, 1-p)
	}
	if p == halved {
		s.halveTensor(t, name, s.roles[s.graph][name])
	}
}

// halveTensor makes a tensor float16, when it is written. name is what the user knows it by, and as what is done with it.
func (r *halver) halveTensor(t *onnxpb.TensorProto, name string, as role) {
	source, told := r.model.CloneTensor(t), called(r.model.Proto.Graph, name)
	size, _ := tensor.Count(t.Dims)
	t.DataType = int32(tensor.Float16)
	r.model.SetData(t, onnx.Data{Size: 2 * size, Write: func(w io.Writer) error {
		raw, release, err := r.model.View(source)
		if err != nil {
			return err
		}
		defer release()
		out := make([]byte, 2*size)
		tally := halve(out, floatsIn(raw))
		if err := as.wrong(told, tally); err != nil {
			return err
		}
		if tally.large+tally.small > 0 {
			r.clamped = append(r.clamped, ClampedTensor{name, tally.large, tally.small})
		}
		_, err = w.Write(out)
		return err
	}})
}

// define makes a value known that is made in a precision, and gives the name to make it under: another where the graph gives it in the other
// precision, which then has its name. The cast comes next.
func (s *halfScope) define(name string, p precision) (made string) {
	v := &halfValue{made: p}
	s.values[name] = v
	needed, output := s.needed[name]
	if !output || needed == p {
		v.names[p] = name
		return name
	}
	inner := name + "_before_cast"
	if s.outer == nil {
		inner = fmt.Sprint("graph_output_cast_", slices.IndexFunc(s.graph.Output, func(o *onnxpb.ValueInfoProto) bool { return o.Name == name }))
	}
	v.names[p] = s.names.Value(inner)
	v.names[needed] = name
	return v.names[p]
}

// get is the name of a value in a precision; values that are no float32 tensors have one name.
func (s *halfScope) get(name string, p precision) string {
	for x := s; x != nil; x = x.outer {
		if v := x.values[name]; v != nil {
			if v.names[p] == "" {
				as := v.cast
				if as == "" {
					as = name + [...]string{"_cast_to_fp32", "_cast_to_fp16"}[p]
				}
				v.names[p] = s.names.Value(as)
				x.convey(v, p)
			}
			return v.names[p]
		}
	}
	return name
}

// made is the precision in which a value is made.
func (s *halfScope) made(name string) precision {
	for x := s; x != nil; x = x.outer {
		if v := x.values[name]; v != nil {
			return v.made
		}
	}
	return single
}

// convey gives a value in the precision that it is not made in: by a cast, or as a weight of its own.
func (s *halfScope) convey(v *halfValue, p precision) {
	if v.whole == nil {
		s.cast(v.names[v.made], v.names[p], p)
		return
	}
	v.whole.Name = v.names[p]
	s.graph.Initializer = append(s.graph.Initializer, v.whole)
}

func (s *halfScope) cast(from, to string, p precision) {
	n := &onnxpb.NodeProto{OpType: "Cast", Name: s.names.Node(to + "_node"), Input: []string{from}, Output: []string{to}}
	onnx.SetAttrInt(n, "to", int64(p.dtype()))
	s.nodes = append(s.nodes, n)
}

// node converts one node, casting what it reads before it and what the graph gives behind it.
func (s *halfScope) node(n *onnxpb.NodeProto, p precision) {
	slots := slotsOf(n, s.opset)
	same := false // a Cast's input is float16 already
	for i, name := range n.Input {
		want := p
		switch {
		case name == "":
			continue
		case slices.Contains(slots.inputs, i):
			want = single
		case slices.Contains(indifferent, n.OpType) && onnx.Domain(n.Domain) == "":
			want = s.made(name)
			same = n.OpType == "Cast" && (want == halved || s.isOf(name, tensor.Float16))
		}
		n.Input[i] = s.get(name, want)
		if n.OpType == "Transpose" {
			s.sayRank(n, name, want)
		}
	}
	for _, sub := range onnx.AttrGraphs(n) {
		s.convert(sub, s, p, p)
	}
	switch {
	case same && (p == halved && s.isSingle(n.Output[0]) || s.isOf(n.Output[0], tensor.Float16)):
		// At its lowest level the runtime does not load a cast of float16 to itself (onnxruntime 1.30.0).
		n.OpType, n.Attribute = "Identity", nil
	case p == halved && len(n.Output) > 0 && s.isSingle(n.Output[0]):
		s.retype(n)
	}
	s.nodes = append(s.nodes, n)
	for i, name := range n.Output {
		if name == "" || !s.isSingle(name) {
			continue
		}
		made := p
		if slices.Contains(slots.outputs, i) {
			made = single
		}
		n.Output[i] = s.define(name, made)
		if to := s.values[name].names[1-made]; to != "" {
			s.cast(n.Output[i], to, 1-made)
		}
	}
}

// typeAttributes are the attributes by which operators say what type they make, and those of them that make float32 where it is absent.
var typeAttributes = map[string]struct {
	name   string
	absent bool
}{"Cast": {"to", false}, "EyeLike": {"dtype", false}, "RandomNormal": {"dtype", true}, "RandomUniform": {"dtype", true}, "RandomNormalLike": {"dtype", false},
	"RandomUniformLike": {"dtype", false}, "Bernoulli": {"dtype", false}, "HannWindow": {"output_datatype", true}, "HammingWindow": {"output_datatype", true},
	"BlackmanWindow": {"output_datatype", true}, "MelWeightMatrix": {"output_datatype", true}}

// retype lets a node make float16 that says itself what it makes.
func (s *halfScope) retype(n *onnxpb.NodeProto) {
	if onnx.Domain(n.Domain) != "" {
		return
	}
	switch {
	case n.OpType == "Constant":
		s.constant(n)
	case n.OpType == "ConstantOfShape" && onnx.Attr(n, "value") == nil:
		t := tensorOf("", tensor.Float16, 1)
		t.RawData = []byte{0, 0}
		onnx.SetAttrTensor(n, "value", t)
	case n.OpType == "ConstantOfShape":
		s.halveTensor(onnx.AttrTensor(n, "value"), n.Output[0], s.roles[s.graph][n.Output[0]])
	}
	if a := typeAttributes[n.OpType]; a.name != "" && (a.absent || onnx.Attr(n, a.name) != nil) {
		onnx.SetAttrInt(n, a.name, int64(tensor.Float16))
	}
}

// constant converts a Constant, whatever attribute holds its numbers.
func (s *halfScope) constant(n *onnxpb.NodeProto) {
	t := onnx.AttrTensor(n, "value")
	switch {
	case t != nil:
	case onnx.Attr(n, "value_float") != nil:
		t = tensorOf("", tensor.Float32)
		t.FloatData = []float32{onnx.AttrFloat(n, "value_float", 0)}
	case onnx.Attr(n, "value_floats") != nil:
		values := onnx.AttrFloats(n, "value_floats")
		t = tensorOf("", tensor.Float32, int64(len(values)))
		t.FloatData = values
	}
	onnx.RemoveAttr(n, "value_float")
	onnx.RemoveAttr(n, "value_floats")
	onnx.SetAttrTensor(n, "value", t)
	s.halveTensor(t, n.Output[0], s.roles[s.graph][n.Output[0]])
}
