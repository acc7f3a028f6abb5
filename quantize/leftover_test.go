//go:build cgo && linux

package quantize

import (
	"regexp"
	"strings"
	"testing"

	"assay/onnx/onnxpb"
)

// Nodes that the runtime leaves stand at tensors and between nodes of the prepared graph, and those can be excluded by what is printed.
func TestLeftoverNodesAreSaidByTheGraphOfTheUser(t *testing.T) {
	n := newNetwork(17).input("x", 1, 8, 8, 8).weight("w", 8, 8, 3, 3).weight("v", 8, 8, 3, 3).
		node("Conv x w > a").node("LRN a > b", intAttribute("size", 3)).node("Conv b v > y").output("y", 1, 8, 4, 4)
	for _, node := range n.model.Graph.Node {
		node.Name = ""
	}
	path := n.save(t)
	res, _, err := static(t, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, text := range res.Warnings {
		for _, m := range regexp.MustCompile(`\(between (.*?) and (.*?)\)`).FindAllStringSubmatch(text, -1) {
			said = append(said, m[1], m[2])
		}
	}
	if !has(said, "LRN of b") {
		t.Fatalf("nodes %v of %v", said, res.Warnings)
	}
	for _, name := range said {
		if _, _, err := static(t, path, func(q *Request) { q.Out, q.Options.Exclude = "", "^"+regexp.QuoteMeta(name)+"$" }); err != nil {
			t.Errorf("--exclude of %s: %v", name, err)
		}
	}
}

func TestLeftoverText(t *testing.T) {
	g := newNetwork(17).input("x", 1).node("Relu x > a").node("Exp a > y").node("Sin a > z").output("y", 1).model.Graph
	for i, name := range []string{"first", "", "third"} {
		g.Node[i].Name = name
	}
	for want, l := range map[string]Leftover{
		"at tensors a (between first and Exp of y, third); each": {"a_DequantizeLinear/duplicated", "first", "token_3"},
		"at tensors a (between first and Exp of y, third) ; ":    {"", "a_pre_q", "a_q_to_dq"},
		"at tensors x (before first); each":                      {"x_q", "", ""},
		"at tensors y (behind Exp of y); each":                   {"y_QuantizeLinear", "y_QuantizeLinear_Input", "y_QuantizeLinear_Output"},
		"at tensors foreign; each":                               {"foreign", "b", "c"},
	} {
		want = strings.ReplaceAll(want, " ; ", "; each")
		if got := leftoverText([]Leftover{l, l}, neighboursOf(g)); !strings.HasPrefix(got, "2 QuantizeLinear") || !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A node without a name is told from others by the first value that it makes, whatever comes before that.
func TestNamesOfNodesWithoutAFirstOutput(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range []*onnxpb.NodeProto{{OpType: "LSTM", Output: []string{"", "h1"}}, {OpType: "LSTM", Output: []string{"", "h2"}}, {OpType: "LSTM", Output: []string{"", "", "c"}}} {
		seen[nodeName(n)] = true
	}
	if len(seen) != 3 || !seen["LSTM of h2"] {
		t.Errorf("names %v", seen)
	}
	for _, scheme := range []string{SchemeInt8Dynamic, SchemeFP16} {
		net := newNetwork(17).input("x", 5, 1, 4)
		for _, k := range []string{"1", "2"} {
			net.weight("w"+k, 1, 12, 4).weight("r"+k, 1, 12, 3).node("LSTM x w"+k+" r"+k+" > . h"+k, intAttribute("hidden_size", 3)).output("h"+k, 1, 1, 3)
			last := net.model.Graph.Node[len(net.model.Graph.Node)-1]
			last.Name, last.Output[0] = "", ""
		}
		res, _, err := static(t, net.save(t), func(q *Request) { q.Options = Options{Scheme: scheme, Prepare: true, Exclude: "^LSTM of h1$"} })
		if err != nil || len(res.Nodes.LeftFloat) != 1 || res.Nodes.LeftFloat[0].Node != "LSTM of h1" {
			t.Errorf("%s: %+v, %v", scheme, res, err)
		}
	}
}
