package onnx

import (
	"errors"
	"fmt"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Check holds the model against the rules of the format that need little knowledge of operators: every value is made once and before it
// is read, graphs within nodes included; domains are imported; attributes have one value, of the type they say; the data of every tensor
// has the length that its type and shape say; operators of quantization exist in the imported version, with the attributes and element
// types that they are given. The error names nodes and tensors, at most a handful of them. Types and shapes of values are the runtime's
// to check, and so are names of nodes, which the format lets be equal (onnxruntime does not: see NameNodes). Check reads no large data.
func (m *Model) Check() error {
	c := checker{imported: imports(m.Proto.OpsetImport)}
	if m.Proto.Graph == nil {
		return errors.New("the model has no graph")
	}
	c.listed(m.Proto)
	c.graph(m.Proto.Graph, nil)
	for _, f := range m.Proto.Functions {
		c.function(f)
	}
	m.EachTensor(func(t *onnxpb.TensorProto) { c.tensor(m, t) })
	return errors.Join(c.problems...)
}

// scope is the values that a graph's nodes may read: those made so far, and those of the graphs around it.
type scope struct {
	made  map[string]bool
	types map[string]tensor.DType // of those whose element type is known
	outer *scope
}

func newScope(outer *scope) *scope {
	return &scope{map[string]bool{}, map[string]tensor.DType{}, outer}
}

// typeOf is a value's element type, Undefined where it is not known.
func (s *scope) typeOf(name string) tensor.DType {
	for ; s != nil; s = s.outer {
		if s.made[name] {
			return s.types[name]
		}
	}
	return tensor.Undefined
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.made[name] {
			return true
		}
	}
	return false
}

type checker struct {
	problems []error
	imported map[string]int64 // versions by domain
}

func (c *checker) add(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Errorf(format, args...))
	}
}

func imports(list []*onnxpb.OperatorSetIdProto) map[string]int64 {
	out := map[string]int64{}
	for _, o := range list {
		out[Domain(o.Domain)] = max(out[Domain(o.Domain)], o.Version)
	}
	return out
}

// function checks a function's body, which has imports and values of its own.
func (c *checker) function(f *onnxpb.FunctionProto) {
	outside := c.imported
	defer func() { c.imported = outside }()
	c.imported = imports(f.OpsetImport)
	s := newScope(nil)
	for _, name := range f.Input {
		c.define(s, name, "function "+f.Name)
	}
	c.nodes(f.Node, s)
	c.outputs(f.Output, s, "function "+f.Name)
}

// listed checks that a model of an IR version below 4 lists its weights among the inputs. Only one that nothing reads keeps a file from
// being loaded (onnxruntime 1.30.0).
func (c *checker) listed(m *onnxpb.ModelProto) {
	if m.IrVersion >= 4 || m.IrVersion == 0 {
		return
	}
	known := map[string]bool{}
	for _, v := range m.Graph.Input {
		known[v.Name] = true
	}
	for _, n := range m.Graph.Node {
		take(known, Reads(n)...)
	}
	for _, v := range m.Graph.Output {
		known[v.Name] = true
	}
	for _, t := range m.Graph.Initializer {
		if !known[t.Name] {
			c.add("initializer %s is no input and nothing reads it, which needs IR version 4, and the model has %d", t.Name, m.IrVersion)
		}
	}
}

// define makes a value, which may be made only once in a graph.
func (c *checker) define(s *scope, name, by string) {
	if s.made[name] {
		c.add("%s makes %q, which the graph has already", by, name)
	}
	s.made[name] = true
}

// output makes a node's value, which may hide none that was made around its graph before.
func (c *checker) output(s *scope, name, by string) {
	if s.outer.has(name) {
		c.add("%s makes %q, which a graph around it has already", by, name)
	}
	c.define(s, name, by)
}

func (c *checker) graph(g *onnxpb.GraphProto, outer *scope) {
	s := newScope(outer)
	for _, v := range g.Input {
		c.define(s, v.Name, "an input")
		s.types[v.Name] = tensor.DType(v.GetType().GetTensorType().GetElemType())
	}
	weights := newScope(nil) // a weight may also be an input, which gives it a default
	for _, t := range g.Initializer {
		c.define(weights, t.Name, "an initializer")
		s.made[t.Name] = true
		s.types[t.Name] = tensor.DType(t.DataType)
	}
	for _, t := range g.SparseInitializer {
		c.define(weights, t.GetValues().GetName(), "a sparse initializer")
		s.made[t.GetValues().GetName()] = true
	}
	c.nodes(g.Node, s)
	var outputs []string
	for _, o := range g.Output {
		outputs = append(outputs, o.Name)
	}
	c.outputs(outputs, s, "graph "+g.Name)
}

func (c *checker) outputs(names []string, s *scope, of string) {
	for _, name := range names {
		switch {
		case s.made[name]:
		case s.has(name):
			c.add("%s gives %q of a graph around it; put an Identity between", of, name)
		default:
			c.add("%s gives %q, which nothing makes", of, name)
		}
	}
}

func (c *checker) nodes(nodes []*onnxpb.NodeProto, s *scope) {
	later := map[string]bool{}
	for _, n := range nodes {
		for _, o := range n.Output {
			later[o] = true
		}
	}
	for _, n := range nodes {
		c.node(n, s, later)
	}
}

// node checks one node and makes its outputs; later are the values that some node of the graph makes.
func (c *checker) node(n *onnxpb.NodeProto, s *scope, later map[string]bool) {
	if n.OpType == "" {
		c.add("node %s has no operator", n.Name)
	}
	if d := Domain(n.Domain); c.imported[d] == 0 {
		c.add("%s is of domain %q, which the model does not import", who(n), d)
	}
	for _, name := range n.Input {
		switch {
		case name == "" || s.has(name):
		case later[name]:
			c.add("%s reads %q, which is made only behind it; nodes must stand in order", who(n), name)
		default:
			c.add("%s reads %q, which nothing makes", who(n), name)
		}
	}
	c.attributes(n)
	c.opset(n, s)
	for _, g := range AttrGraphs(n) {
		c.graph(g, s)
	}
	for _, o := range n.Output {
		if o != "" {
			c.output(s, o, who(n))
		}
	}
	if d := outputType(n, s); d != tensor.Undefined && len(n.Output) > 0 {
		s.types[n.Output[0]] = d
	}
}

// tensor checks a tensor's length, without reading what stays in a file.
func (c *checker) tensor(m *Model, t *onnxpb.TensorProto) {
	var err error
	if tensor.DType(t.DataType) == tensor.String {
		err = m.readStrings(t, &tensor.Tensor{})
	} else {
		_, err = m.checked(t)
	}
	if err != nil {
		c.add("%w", err)
	}
}
