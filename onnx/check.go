package onnx

import (
	"errors"
	"fmt"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Check holds the model against the rules of the format that need no knowledge of operators: every value is made once and before it is
// read, graphs within nodes included; domains are imported; the data of every tensor has the length that its type and shape say. The
// error names nodes and tensors, at most a handful of them. Types and shapes of values are the runtime's to check.
func (m *Model) Check() error {
	c := checker{}
	c.domains(m.Proto.OpsetImport)
	c.graph(m.Proto.Graph, nil)
	for _, f := range m.Proto.Functions {
		c.domains(f.OpsetImport)
		s := newScope(nil)
		for _, name := range f.Input {
			c.define(s, name, "function "+f.Name)
		}
		c.nodes(f.Node, s)
		c.outputs(f.Output, s, "function "+f.Name)
	}
	m.EachTensor(func(t *onnxpb.TensorProto) { c.tensor(m, t) })
	return errors.Join(c.problems...)
}

// scope is the values that a graph's nodes may read: those made so far, and those of the graphs around it.
type scope struct {
	made  map[string]bool
	outer *scope
}

func newScope(outer *scope) *scope { return &scope{map[string]bool{}, outer} }

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
	imported map[string]bool
}

func (c *checker) add(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Errorf(format, args...))
	}
}

func (c *checker) domains(imports []*onnxpb.OperatorSetIdProto) {
	c.imported = map[string]bool{}
	for _, o := range imports {
		c.imported[Domain(o.Domain)] = true
	}
}

// define makes a value, which may be made only once in a graph.
func (c *checker) define(s *scope, name, by string) {
	if s.made[name] {
		c.add("%s makes %q, which the graph has already", by, name)
	}
	s.made[name] = true
}

func (c *checker) graph(g *onnxpb.GraphProto, outer *scope) {
	s := newScope(outer)
	for _, v := range g.Input {
		c.define(s, v.Name, "an input")
	}
	weights := newScope(nil) // a weight may also be an input, which gives it a default
	for _, t := range g.Initializer {
		c.define(weights, t.Name, "an initializer")
		s.made[t.Name] = true
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
		if !s.has(name) {
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
		who := n.OpType + " " + n.Name
		if n.Name == "" && len(n.Output) > 0 {
			who = n.OpType + " that makes " + n.Output[0]
		}
		if n.OpType == "" {
			c.add("node %s has no operator", n.Name)
		}
		if d := Domain(n.Domain); !c.imported[d] {
			c.add("%s is of domain %q, which the model does not import", who, d)
		}
		for _, name := range n.Input {
			switch {
			case name == "" || s.has(name):
			case later[name]:
				c.add("%s reads %q, which is made only behind it; nodes must stand in order", who, name)
			default:
				c.add("%s reads %q, which nothing makes", who, name)
			}
		}
		for _, a := range n.Attribute {
			for _, g := range a.Graphs {
				c.graph(g, s)
			}
			if a.G != nil {
				c.graph(a.G, s)
			}
		}
		for _, o := range n.Output {
			if o != "" {
				c.define(s, o, who)
			}
		}
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
