//go:build cgo && linux

package quantize

import (
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// dynamicParity is that of weights.
var dynamicParity = parity{script: "dynamic.py", prefix: "dynamic_", options: Options{Scheme: SchemeInt8Dynamic, Prepare: true}, made: map[string]func() *network{"rules.onnx": dynamicRules, "quirks.onnx": dynamicQuirks},
	kept:    []string{"student.onnx", "teacher.onnx", "mnist.onnx", "dtln_1.onnx", "dtln_2.onnx", "vespa_random_decoder.onnx", "rules.onnx", "quirks.onnx"},
	choices: []choice{{"all", []string{AllTypes}, true}}, deviations: dynamicDeviations, rewrite: rewriteDynamic}

// Each weight, scale and zero point of the same prepared model is the reference's, but for the deviations.
func TestDynamicModelsAreThoseOfTheReference(t *testing.T) { dynamicParity.ofGoldens(t) }

func TestDynamicReferenceLive(t *testing.T) { dynamicParity.live(t) }

func rewriteDynamic(t *testing.T, m *onnx.Model, c goldenCase, types []string) string {
	t.Helper()
	j, err := newDynamic(m, Options{Scheme: SchemeInt8Dynamic, Weight: dtype(t, c.Weight), PerChannel: c.PerChannel, ReduceRange: c.ReduceRange, OpTypes: types})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.rewrite(&Result{}); err != nil {
		return err.Error()
	}
	return ""
}

// dynamicRules has what the published models lack: both kinds of Gemm, shared, stacked and one-dimensional weights, an LSTM of two directions,
// attention, biased convolutions, and a table whose rows are multiplied as they are.
func dynamicRules() *network {
	n := newNetwork(17).input("x", 2, 5, 12).
		weight("w", 12, 8).weight("u", 6, 8).weight("bias", 6).weight("stack", 2, 8, 7).weight("vector", 7).weight("one", 8, 1).
		weight("table", 12, 12).weight("v", 12, 4).weight("kernel", 3, 5, 3).weight("channels", 3).
		weight("W", 2, 16, 8).weight("R", 2, 16, 4).weight("B", 2, 32).weight("qkv", 12, 36).weight("qkvb", 36).whole("flat", -1, 8).
		node("MatMul x w > a").node("Reshape a flat > f").node("Gemm f u bias > g", intAttribute("transB", 1)).node("Gemm f one > h").
		node("MatMul x w > again").node("MatMul again stack > s").node("MatMul s vector > t").
		node("ArgMax x > ids", intAttribute("axis", 2), intAttribute("keepdims", 0)).node("Gather table ids > rows").node("MatMul rows v > r").node("Conv x kernel channels > c").
		node("LSTM a W R B > l", intAttribute("hidden_size", 4), text("direction", "bidirectional")).
		node("Attention x qkv qkvb > q", intAttribute("num_heads", 3))
	n.model.Graph.Node[len(n.model.Graph.Node)-1].Domain = onnx.Contrib
	n.model.OpsetImport = append(n.model.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: onnx.Contrib, Version: 1})
	return n.output("g", 10, 6).output("h", 10, 1).output("t", 2, 5).output("r", 2, 5, 4).output("c", 2, 3, 10).output("l", 2, 2, 5, 4).output("q", 2, 5, 12)
}

// dynamicQuirks has what the reference gets wrong.
func dynamicQuirks() *network {
	n := newNetwork(17).input("x", 2, 3, 6, 6).weight("kernel", 4, 3, 3, 3).weight("m", 4, 4).weight("o", 4, 4).weight("bias", 4).whole("flat", -1, 4).
		node("Conv x kernel none > c").node("Reshape c flat > f").node("MatMul f m > h").node("MatMul h o > g").node("Gemm g m bias > y", intAttribute("transB", 1)).output("y", 32, 4)
	n.model.Graph.Node[0].Input[2] = "" // as some exporters leave out a bias
	return n
}

// dynamicDeviations are where assay means to do something else than the reference: by model, the beginning of names, and why.
var dynamicDeviations = map[string]map[string]string{
	"quirks.onnx": {
		"c_bias_reshape_shape$": "the reference adds a bias without a name",
		"m_":                    "the reference transposes a Gemm's weight in place, also where a MatMul reads it; its MatMul multiplies by the wrong matrix",
	},
	"rules.onnx": {
		"stack_scale":      "parameters of a stack's columns have dims [2,1,7]: with the reference's [7] the model does not run",
		"stack_zero_point": "as its scale",
		"vector":           "a vector stays float: one product is no work, and by channel the reference's does not load",
	},
}
