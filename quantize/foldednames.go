package quantize

import (
	"fmt"
	"slices"
	"strings"

	"assay/onnx/onnxpb"
)

// foldedPrefixes begin the names that the runtime gives constants which it computes of a node's and of those of the nodes behind it
// (onnxruntime 1.30.0).
var foldedPrefixes = []string{"ConvBnFusion_", "ConvMulFusion_", "ConvAddFusion_", "MatMulBnFusion_"}

// called is what errors call a constant of a prepared graph: its name, or that of the node that has it where the runtime made it. Such a name is
// not in the user's model.
func called(g *onnxpb.GraphProto, name string) string {
	if !ofFolding(name) {
		return name
	}
	for _, n := range g.Node {
		switch {
		case !slices.Contains(n.Input, name):
		case ofFolding(n.Name):
			return fmt.Sprintf("of the node that makes %s (with what the runtime folded into it)", n.Output[0])
		default:
			return fmt.Sprintf("of node %s (with what the runtime folded into it)", nodeName(n))
		}
	}
	return name
}

func ofFolding(name string) bool {
	return slices.ContainsFunc(foldedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
