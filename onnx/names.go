package onnx

import (
	"strconv"

	"assay/onnx/onnxpb"
)

// Names knows which names a model uses, and gives new ones that nothing has. It is not safe for concurrent use.
type Names struct{ values, nodes map[string]bool }

// Names lists the model's names: of values in all graphs and functions, made or only read, since a new value must neither hide one of an
// outer graph nor be taken for one that is missing; and of nodes.
func (m *Model) Names() *Names {
	n := &Names{values: map[string]bool{"": true}, nodes: map[string]bool{"": true}}
	if m.Proto.Graph != nil {
		n.graph(m.Proto.Graph)
	}
	for _, f := range m.Proto.Functions {
		take(n.values, f.Input...)
		take(n.values, f.Output...)
		n.takeNodes(f.Node)
	}
	return n
}

func take(names map[string]bool, more ...string) {
	for _, name := range more {
		names[name] = true
	}
}

func (n *Names) graph(g *onnxpb.GraphProto) {
	for _, list := range [][]*onnxpb.ValueInfoProto{g.Input, g.Output, g.ValueInfo} {
		for _, v := range list {
			take(n.values, v.Name)
		}
	}
	for _, t := range g.Initializer {
		take(n.values, t.Name)
	}
	for _, t := range g.SparseInitializer {
		take(n.values, t.GetValues().GetName())
	}
	n.takeNodes(g.Node)
}

func (n *Names) takeNodes(nodes []*onnxpb.NodeProto) {
	for _, node := range nodes {
		take(n.nodes, node.Name)
		take(n.values, node.Input...)
		take(n.values, node.Output...)
		for _, g := range AttrGraphs(node) {
			n.graph(g)
		}
	}
}

// Value is a name for a new value: the one given, or where that is taken the same with _1, _2 and so on behind it. It is taken from then on.
func (n *Names) Value(name string) string { return unused(name, n.values) }

// Node is a name for a new node, as Value is for a value.
func (n *Names) Node(name string) string { return unused(name, n.nodes) }

func unused(name string, taken map[string]bool) string {
	for candidate, i := name, 1; ; i++ {
		if !taken[candidate] {
			taken[candidate] = true
			return candidate
		}
		candidate = name + "_" + strconv.Itoa(i)
	}
}

// NameNodes gives every node a name that no other node has, in the order of EachNode: the first with a name keeps it, and one without is
// named after its operator.
func (m *Model) NameNodes() {
	names := &Names{nodes: map[string]bool{"": true}}
	first := map[string]*onnxpb.NodeProto{}
	m.EachNode(func(n *onnxpb.NodeProto) {
		if first[n.Name] == nil {
			first[n.Name] = n
		}
		take(names.nodes, n.Name)
	})
	m.EachNode(func(n *onnxpb.NodeProto) {
		switch {
		case n.Name == "":
			n.Name = names.Node(n.OpType)
		case first[n.Name] != n:
			n.Name = names.Node(n.Name)
		}
	})
}

// who names a node in messages.
func who(n *onnxpb.NodeProto) string {
	if n.Name == "" && len(n.Output) > 0 {
		return n.OpType + " that makes " + n.Output[0]
	}
	return n.OpType + " " + n.Name
}
