package upgrade

import (
	"fmt"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// The versions of the default operator set that To converts from and to.
const (
	Oldest = 7
	Newest = 21
)

// irVersions is the first IR version that has an operator set, from Oldest on (onnx/onnx docs/Versioning.md).
var irVersions = [...]int64{3, 3, 4, 5, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10}

// To converts the operators of the default domain to version target of their operator set, graphs within nodes included. A model that is
// there already, or that has no such operators, stays as it is. The IR version is raised to what the target needs; initializers that a
// model of IR version 3 lists among its inputs, as it must, are listed no more, because from version 4 that would mean that a caller may
// replace them.
//
// Types and shapes that the model says (value_info) are used where they help. An error names the operator, the node and the step that has
// no rule, and says what to do; the model is of no more use then.
func To(m *onnx.Model, target int64) error {
	from := m.Opset("")
	switch {
	case from == 0 || from >= target:
		return nil
	case from < Oldest:
		return fmt.Errorf("its opset is %d, and conversion begins at opset %d; %s", from, Oldest, advice)
	case target > Newest:
		return fmt.Errorf("opset %d is newer than the newest that models are converted to, %d", target, Newest)
	}
	for _, f := range m.Proto.Functions {
		for _, o := range f.OpsetImport {
			if onnx.Domain(o.Domain) == "" && o.Version < target {
				return fmt.Errorf("its function %s is of opset %d, and functions are not converted to opset %d; export the model with that or a newer one",
					f.Name, o.Version, target)
			}
		}
	}
	if m.Proto.IrVersion < 4 && irVersions[target-Oldest] >= 4 {
		m.Proto.Graph.Input = m.Inputs()
	}
	m.Proto.IrVersion = max(m.Proto.IrVersion, irVersions[target-Oldest])
	c := newConverter(m)
	for version := from + 1; version <= target; version++ {
		c.version = version
		if err := c.convert(m.Proto.Graph); err != nil {
			return err
		}
	}
	m.SetOpset("", target)
	return nil
}

const advice = "export the model with opset 13 or newer"

// convert brings the nodes of a graph, and of the graphs within them, from the version before to c.version.
func (c *converter) convert(g *onnxpb.GraphProto) error {
	var nodes []*onnxpb.NodeProto
	for _, n := range g.Node {
		for _, inner := range onnx.AttrGraphs(n) {
			if err := c.convert(inner); err != nil {
				return err
			}
		}
		c.graph, c.before, c.after = g, nil, nil
		if err := c.step(n); err != nil {
			return err
		}
		nodes = append(append(append(nodes, c.before...), n), c.after...)
	}
	g.Node = nodes
	return nil
}

// step applies the rule of one version to one node.
func (c *converter) step(n *onnxpb.NodeProto) error {
	if onnx.Domain(n.Domain) != "" {
		return nil
	}
	apply, ok := rules[step{n.OpType, c.version}]
	switch {
	case ok && (!hasInput(n, 0) || len(n.Output) == 0 || n.Output[0] == ""):
		return fmt.Errorf("%s: it has no input or no output", c.refusal(n))
	case ok:
		if err := apply(c, n); err != nil {
			return fmt.Errorf("%s: %w; %s", c.refusal(n), err, advice)
		}
	case !known[n.OpType]:
		return fmt.Errorf("%s; %s", c.refusal(n), advice)
	}
	return nil
}

func (c *converter) refusal(n *onnxpb.NodeProto) string {
	return fmt.Sprintf("no rule for %s from opset %d to %d (%s)", n.OpType, c.version-1, c.version, called(n))
}

func called(n *onnxpb.NodeProto) string {
	switch {
	case n.Name != "":
		return "node " + n.Name
	case len(n.Output) > 0:
		return "the node that makes " + n.Output[0]
	}
	return "a node without a name"
}
