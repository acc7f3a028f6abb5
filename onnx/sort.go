package onnx

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"

	"assay/onnx/onnxpb"
)

// Sort puts the nodes of every graph and function behind those whose values they read, as the format wants them; what graphs within a
// node read counts as read by the node. It moves as little as it must: of the nodes that could be next, the first in the given order is,
// so what is in order stays as it is. Where nodes read each other in a circle it changes nothing in their graph, and the error names one.
func (m *Model) Sort() error {
	var problems []error
	if m.Proto.Graph != nil {
		problems = append(problems, sortNodes(m.Proto.Graph.Node))
	}
	for _, f := range m.Proto.Functions {
		problems = append(problems, sortNodes(f.Node))
	}
	return errors.Join(problems...)
}

// sortNodes sorts in place, graphs within nodes first.
func sortNodes(nodes []*onnxpb.NodeProto) error {
	made := map[string]int{}
	for i, n := range nodes {
		for _, g := range AttrGraphs(n) {
			if err := sortNodes(g.Node); err != nil {
				return err
			}
		}
		for _, o := range n.Output {
			if o != "" {
				made[o] = i
			}
		}
	}
	readers := make([][]int, len(nodes)) // of any value of a node
	waits := make([]int, len(nodes))     // for so many nodes
	for i, n := range nodes {
		for from := range sources(n, made) {
			readers[from] = append(readers[from], i)
			waits[i]++
		}
	}
	var ready queue
	for i, w := range waits {
		if w == 0 {
			ready = append(ready, i) // in order, which is a heap
		}
	}
	sorted := make([]*onnxpb.NodeProto, 0, len(nodes))
	for len(ready) > 0 {
		i := heap.Pop(&ready).(int)
		sorted = append(sorted, nodes[i])
		for _, r := range readers[i] {
			if waits[r]--; waits[r] == 0 {
				heap.Push(&ready, r)
			}
		}
	}
	if len(sorted) < len(nodes) {
		return fmt.Errorf("%s reads, directly or by way of others, what it makes itself", who(circular(nodes, made, waits)))
	}
	copy(nodes, sorted)
	return nil
}

// circular is a node in a circle, found by going from a node that waits to one that it waits for until one comes again.
func circular(nodes []*onnxpb.NodeProto, made map[string]int, waits []int) *onnxpb.NodeProto {
	at := slices.IndexFunc(waits, func(w int) bool { return w > 0 })
	for seen := map[int]bool{}; !seen[at]; {
		seen[at] = true
		for _, name := range Reads(nodes[at]) {
			if from, ok := made[name]; ok && waits[from] > 0 {
				at = from
				break
			}
		}
	}
	return nodes[at]
}

// sources are the nodes of the same graph that a node reads from.
func sources(n *onnxpb.NodeProto, made map[string]int) map[int]bool {
	out := map[int]bool{}
	for _, name := range Reads(n) {
		if i, ok := made[name]; ok {
			out[i] = true
		}
	}
	return out
}

// Reads lists the values that a node reads, each once: its inputs, then what graphs within it read from around them.
func Reads(n *onnxpb.NodeProto) []string {
	r := reader{seen: map[string]bool{"": true}}
	r.node(n, nil)
	return r.names
}

// reader collects names that are read and not made inside.
type reader struct {
	names []string
	seen  map[string]bool
}

func (r *reader) read(name string, inner *scope) {
	if !r.seen[name] && !inner.has(name) {
		r.seen[name] = true
		r.names = append(r.names, name)
	}
}

func (r *reader) node(n *onnxpb.NodeProto, inner *scope) {
	for _, name := range n.Input {
		r.read(name, inner)
	}
	for _, g := range AttrGraphs(n) {
		r.graph(g, inner)
	}
}

// graph reads a graph whose nodes may be in any order.
func (r *reader) graph(g *onnxpb.GraphProto, outer *scope) {
	s := newScope(outer)
	for _, v := range g.Input {
		s.made[v.Name] = true
	}
	for _, t := range g.Initializer {
		s.made[t.Name] = true
	}
	for _, t := range g.SparseInitializer {
		s.made[t.GetValues().GetName()] = true
	}
	for _, n := range g.Node {
		take(s.made, n.Output...)
	}
	for _, n := range g.Node {
		r.node(n, s)
	}
	for _, o := range g.Output {
		r.read(o.Name, s)
	}
}

// queue is a heap of places in a list, the first of them on top.
type queue []int

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i] < q[j] }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(int)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
