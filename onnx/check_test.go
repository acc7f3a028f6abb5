package onnx

import (
	"path/filepath"
	"strings"
	"testing"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

func TestPublishedModelsPassTheCheck(t *testing.T) {
	for _, file := range published(t) {
		if err := open2(t, file).Check(); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	within := func(nodes ...*onnxpb.NodeProto) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: "If", Name: "if", Input: []string{"X"}, Output: []string{"Z"}, Attribute: []*onnxpb.AttributeProto{
			{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH, G: &onnxpb.GraphProto{Name: "then", Node: nodes, Output: []*onnxpb.ValueInfoProto{{Name: "t"}}}}}}
	}
	node := func(op, in, out string) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: op, Name: "n", Input: strings.Fields(in), Output: strings.Fields(out)}
	}
	for name, c := range map[string]struct {
		change func(g *onnxpb.GraphProto)
		want   string
	}{
		"nothing": {func(*onnxpb.GraphProto) {}, ""},
		"unmade":  {func(g *onnxpb.GraphProto) { g.Node[1].Input[0] = "Q" }, `reads "Q", which nothing makes`},
		"optional": {func(g *onnxpb.GraphProto) {
			g.Node = append(g.Node, node("Clip", "Y", "Z"))
			g.Node[2].Input = []string{"Y", "", "C"}
		}, ""},
		"order":             {func(g *onnxpb.GraphProto) { g.Node = append([]*onnxpb.NodeProto{node("Relu", "Y", "Z")}, g.Node...) }, `Relu n reads "Y", which is made only behind it`},
		"twice":             {func(g *onnxpb.GraphProto) { g.Node = append(g.Node, node("Relu", "X", "Y")) }, `Relu n makes "Y", which the graph has already`},
		"a weight twice":    {func(g *onnxpb.GraphProto) { g.Initializer = append(g.Initializer, g.Initializer[0]) }, `an initializer makes "W"`},
		"an input twice":    {func(g *onnxpb.GraphProto) { g.Input = append(g.Input, g.Input[0]) }, `an input makes "X"`},
		"output":            {func(g *onnxpb.GraphProto) { g.Output[0].Name = "Q" }, `graph g gives "Q", which nothing makes`},
		"domain":            {func(g *onnxpb.GraphProto) { g.Node[1].Domain = "com.example" }, `domain "com.example", which the model does not import`},
		"no operator":       {func(g *onnxpb.GraphProto) { g.Node[1].OpType = "" }, "has no operator"},
		"reads from around": {func(g *onnxpb.GraphProto) { g.Node = append(g.Node, within(node("Relu", "Y", "t"))) }, ""},
		"unmade within":     {func(g *onnxpb.GraphProto) { g.Node = append(g.Node, within(node("Relu", "Q", "t"))) }, `Relu n reads "Q"`},
		"hides":             {func(g *onnxpb.GraphProto) { g.Node = append(g.Node, within(node("Relu", "X", "Y"))) }, `Relu n makes "Y", which a graph around it has already`},
		"gives what is around": {func(g *onnxpb.GraphProto) {
			g.Node = append(g.Node, within())
			g.Node[2].Attribute[0].G.Output[0].Name = "Y"
		}, `graph then gives "Y" of a graph around it`},
		"stays within": {func(g *onnxpb.GraphProto) {
			g.Node = append(g.Node, within(node("Relu", "Y", "t")), node("Relu", "t", "U"))
		}, `reads "t", which nothing makes`},
		"length":            {func(g *onnxpb.GraphProto) { g.Initializer[0].Dims[0] = 17 }, "tensor W: 2048 bytes of data for float32 [17 32], which takes 2176"},
		"short length":      {func(g *onnxpb.GraphProto) { g.Initializer[1].Dims[0] = 3 }, "tensor B: 4 bytes of data for float16 [3], which takes 6"},
		"negative":          {func(g *onnxpb.GraphProto) { g.Initializer[0].Dims[0] = -16 }, "tensor W"},
		"inline":            {func(g *onnxpb.GraphProto) { g.Initializer[1].RawData = []byte{1} }, "tensor B: 1 bytes"},
		"a type of its own": {func(g *onnxpb.GraphProto) { g.Initializer[0].DataType = 99 }, "tensor W"},
		"strings": {func(g *onnxpb.GraphProto) {
			g.Initializer[1].DataType, g.Initializer[1].Int32Data = int32(tensor.String), nil
		}, "tensor B: 0 strings"},
	} {
		t.Run(name, func(t *testing.T) {
			m := small()
			c.change(m.Graph)
			err := open2(t, write(t, m)).Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckListsAHandful(t *testing.T) {
	m := small()
	for range 100 {
		m.Graph.Node = append(m.Graph.Node, &onnxpb.NodeProto{OpType: "Relu", Input: []string{"Q"}})
	}
	if err := open2(t, write(t, m)).Check(); err == nil || strings.Count(err.Error(), "\n") != maxProblems-1 {
		t.Errorf("%v", err)
	}
}
