package quantize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// Leftover is a QuantizeLinear or DequantizeLinear node of the runtime's optimised graph, and the values that it reads and makes there.
type Leftover struct {
	Node string `json:"node"`
	From string `json:"from"`
	To   string `json:"to"`
}

// leftovers gives the Q/DQ nodes that the runtime did not fuse; those at the model's own inputs and outputs are left out, because floats come and
// go there.
func leftovers(m *onnx.Model) (found []Leftover) {
	border := map[string]bool{}
	for _, v := range append(m.Inputs(), m.Proto.Graph.Output...) {
		border[v.Name] = true
	}
	m.EachNode(func(n *onnxpb.NodeProto) {
		if (n.OpType == "QuantizeLinear" && !border[n.Input[0]]) || (n.OpType == "DequantizeLinear" && !border[n.Output[0]]) {
			found = append(found, Leftover{n.Name, n.Input[0], n.Output[0]})
		}
	})
	return found
}

// neighbours are the nodes on both sides of a value, by the names that --exclude takes.
type neighbours struct {
	maker   string // "" of an input or a weight
	readers []string
}

// neighboursOf gives those of every value of a main graph.
func neighboursOf(g *onnxpb.GraphProto) map[string]*neighbours {
	all := map[string]*neighbours{}
	at := func(value string) *neighbours {
		if all[value] == nil {
			all[value] = &neighbours{}
		}
		return all[value]
	}
	for _, n := range g.Node {
		for _, value := range n.Output {
			at(value).maker = nodeName(n)
		}
		for _, value := range n.Input {
			at(value).readers = append(at(value).readers, nodeName(n))
		}
	}
	delete(all, "")
	return all
}

// pairSuffixes end the names of Q/DQ nodes and of values around them: those that this package makes, and those that the runtime does when it moves or
// copies such nodes (onnxruntime 1.30.0).
var pairSuffixes = []string{"_QuantizeLinear", "_DequantizeLinear", "_QuantizeLinear_Input", "_QuantizeLinear_Output", "_DequantizeLinear_Output",
	"_quantized", "_pre_q", "_q_to_dq", "_q", "_dq", "/duplicated"}

// tensor is the value of the prepared graph at which the node stands, "" where that cannot be told.
func (l Leftover) tensor(known map[string]*neighbours) string {
	for _, name := range []string{l.Node, l.From, l.To} {
		for again := true; again; {
			if known[name] != nil {
				return name
			}
			again = false
			for _, suffix := range pairSuffixes {
				if short, ok := strings.CutSuffix(name, suffix); ok {
					name, again = short, true
				}
			}
		}
	}
	return ""
}

// leftoverText says where nodes remain: at which tensors of the prepared graph, and between which of its nodes.
func leftoverText(all []Leftover, known map[string]*neighbours) string {
	var places []string
	for _, l := range all {
		place := cmp.Or(l.Node, l.From)
		if name := l.tensor(known); name != "" {
			place = name + known[name].text()
		}
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	return fmt.Sprintf("%d QuantizeLinear and DequantizeLinear nodes remain in the optimised graph, at tensors %s; each costs time at a border between 8 bits and float, which --exclude of a node beside it moves",
		len(all), someOf(places))
}

func (n *neighbours) text() string {
	readers := someOf(n.readers)
	switch {
	case n.maker == "" && readers == "":
		return ""
	case n.maker == "":
		return " (before " + readers + ")"
	case readers == "":
		return " (behind " + n.maker + ")"
	}
	return " (between " + n.maker + " and " + readers + ")"
}
