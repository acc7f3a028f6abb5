package onnx

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"assay/onnx/onnxpb"
)

// nodesOf makes nodes of text: "Add a b > c" each, named by their first output.
func nodesOf(lines ...string) (nodes []*onnxpb.NodeProto) {
	for _, line := range lines {
		in, out, _ := strings.Cut(line, " > ")
		words := strings.Fields(in)
		nodes = append(nodes, &onnxpb.NodeProto{OpType: words[0], Input: words[1:], Output: strings.Fields(out), Name: strings.Fields(out)[0]})
	}
	return nodes
}

// ifNode is an If whose one branch has the nodes.
func ifNode(condition, out string, nodes ...*onnxpb.NodeProto) *onnxpb.NodeProto {
	branch := &onnxpb.GraphProto{Name: "branch", Node: nodes, Output: []*onnxpb.ValueInfoProto{{Name: nodes[len(nodes)-1].Output[0]}}}
	return &onnxpb.NodeProto{OpType: "If", Name: out, Input: []string{condition}, Output: []string{out},
		Attribute: []*onnxpb.AttributeProto{{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch}}}
}

func sorted(t *testing.T, nodes []*onnxpb.NodeProto) string {
	t.Helper()
	m := New(&onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Node: nodes}})
	if err := m.Sort(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range m.Proto.Graph.Node {
		names = append(names, n.Name)
	}
	return strings.Join(names, " ")
}

func TestSortMovesAsLittleAsItMust(t *testing.T) {
	for name, c := range map[string]struct {
		nodes []*onnxpb.NodeProto
		want  string
	}{
		"in order":           {nodesOf("A x > b", "A x > a", "A a b > c"), "b a c"},
		"one behind":         {nodesOf("A x > a", "A late > b", "A a > c", "A x > late"), "a c late b"},
		"backwards":          {nodesOf("A b > c", "A a > b", "A x > a"), "a b c"},
		"read within":        {append([]*onnxpb.NodeProto{ifNode("x", "if", nodesOf("A late > y")...)}, nodesOf("A x > late")...), "late if"},
		"made and read":      {append([]*onnxpb.NodeProto{ifNode("x", "if", nodesOf("A x > late", "A late > y")...)}, nodesOf("A x > late")...), "if late"},
		"the branch's value": {append([]*onnxpb.NodeProto{ifNode("x", "if", nodesOf("A x > y")...)}, nodesOf("A x > y")...), "if y"},
		"twice the same":     {nodesOf("A a a > b", "A x > a"), "a b"},
	} {
		if got := sorted(t, c.nodes); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestSortWithinNodes(t *testing.T) {
	n := ifNode("x", "if", nodesOf("A a > y", "A x > a")...)
	sorted(t, []*onnxpb.NodeProto{n})
	if g := AttrGraph(n, "then_branch"); g.Node[0].Name != "a" {
		t.Errorf("%v", g.Node)
	}
}

func TestSortNamesACircle(t *testing.T) {
	for _, nodes := range [][]*onnxpb.NodeProto{
		nodesOf("A b > end", "A x c > a", "A a > b", "A b > c", "A x > free"),
		nodesOf("A b > b"),
		{ifNode("x", "if", nodesOf("A if > y")...)},
	} {
		before := slices.Clone(nodes)
		err := New(&onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Node: nodes}}).Sort()
		if err == nil || strings.Contains(err.Error(), "A end") || strings.Contains(err.Error(), "A free") || !strings.Contains(err.Error(), "what it makes itself") {
			t.Errorf("%v", err)
		}
		if !slices.Equal(before, nodes) {
			t.Error("an error changes nothing")
		}
	}
}

// Shuffled nodes come out in an order that the check accepts, and sorting that again changes nothing.
func TestSortOfShuffledNodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		names := []string{"x"}
		g := &onnxpb.GraphProto{Input: []*onnxpb.ValueInfoProto{{Name: "x"}}}
		for i := range 40 {
			out := "v" + string(rune('A'+i))
			g.Node = append(g.Node, nodesOf("Add "+names[rng.IntN(len(names))]+" "+names[rng.IntN(len(names))]+" > "+out)...)
			names = append(names, out)
		}
		rng.Shuffle(len(g.Node), func(i, j int) { g.Node[i], g.Node[j] = g.Node[j], g.Node[i] })
		m := New(&onnxpb.ModelProto{OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 13}}, Graph: g})
		if err := m.Sort(); err != nil {
			t.Fatal(err)
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(g.Node)
		if err := m.Sort(); err != nil || !slices.Equal(before, g.Node) {
			t.Errorf("sorted again: %v", err)
		}
	}
}

func TestReads(t *testing.T) {
	n := ifNode("cond", "if", append(nodesOf("A outer inner > z", "A x > inner"), ifNode("inner", "deep", nodesOf("A far inner outer > q")...))...)
	if got := Reads(n); !slices.Equal(got, []string{"cond", "outer", "x", "far"}) {
		t.Errorf("%v", got)
	}
}

func TestNamesAreUnusedEverywhere(t *testing.T) {
	g := &onnxpb.GraphProto{Input: []*onnxpb.ValueInfoProto{{Name: "x"}}, Initializer: []*onnxpb.TensorProto{{Name: "w"}},
		Node: append(nodesOf("A x dangling > y"), ifNode("x", "if", nodesOf("A x > hidden")...))}
	names := New(&onnxpb.ModelProto{Graph: g, Functions: []*onnxpb.FunctionProto{{Input: []string{"arg"}, Node: nodesOf("A arg > local")}}}).Names()
	for _, taken := range []string{"x", "w", "y", "dangling", "hidden", "arg", "local"} {
		if got := names.Value(taken); got != taken+"_1" {
			t.Errorf("%s for %s", got, taken)
		}
	}
	if a, b, c := names.Value("new"), names.Value("new"), names.Value("x"); a != "new" || b != "new_1" || c != "x_2" {
		t.Errorf("%s %s %s", a, b, c)
	}
	if a, b := names.Node("hidden"), names.Node("new"); a != "hidden_1" || b != "new" {
		t.Errorf("%s %s: nodes and values have names of their own", a, b)
	}
}

func TestNameNodes(t *testing.T) {
	g := &onnxpb.GraphProto{Node: append(nodesOf("Relu x > a", "Relu x > b", "Relu x > c"), ifNode("x", "d", nodesOf("Add x > e")...))}
	for i, name := range []string{"", "same", "same", "Relu"} {
		g.Node[i].Name = name
	}
	inner := AttrGraph(g.Node[3], "then_branch").Node[0]
	inner.Name = "same_1"
	New(&onnxpb.ModelProto{Graph: g}).NameNodes()
	for i, want := range []string{"Relu_1", "same", "same_2", "Relu"} {
		if g.Node[i].Name != want {
			t.Errorf("node %d is %s, want %s", i, g.Node[i].Name, want)
		}
	}
	if inner.Name != "same_1" {
		t.Errorf("the inner node is %s", inner.Name)
	}
}
