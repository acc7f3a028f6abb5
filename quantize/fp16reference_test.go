//go:build cgo && linux

package quantize

import (
	"math"
	"testing"

	"assay/onnx"
)

// float16Parity is that of what float32 weights become.
var float16Parity = parity{script: "fp16.py", prefix: "fp16_", options: Options{Scheme: SchemeFP16}, made: map[string]func() *network{"rules.onnx": float16Rules},
	kept: []string{"student.onnx", "teacher.onnx", "mnist.onnx", "dtln_1.onnx", "fastestdet.onnx", "ultraface-version-RFB-320.onnx",
		"vespa_random_encoder.onnx", "rules.onnx"},
	choices: []choice{{"all", nil, true}}, rewrite: rewriteFloat16}

// Each weight becomes what the reference makes of it, bit for bit.
func TestFloat16ModelsAreThoseOfTheReference(t *testing.T) { float16Parity.ofGoldens(t) }

func TestFloat16ReferenceLive(t *testing.T) { float16Parity.live(t) }

func rewriteFloat16(t *testing.T, m *onnx.Model, c goldenCase, _ []string) string {
	t.Helper()
	h, err := newHalf(t.Context(), lookWith(loaded(t)), m, Options{Scheme: SchemeFP16, KeepIO: c.KeepIO}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if why := h.nothing(); why != "" {
		return why
	}
	if err := h.rewrite(&Result{}); err != nil {
		return err.Error()
	}
	return ""
}

// float16Rules has values at all of float16's borders, weights of operators that stay float32 and of those that do not, and slots of float32.
func float16Rules() *network {
	borders := []float32{0, float32(math.Copysign(0, -1)), 1e-45, -1e-45, 2.9e-8, 5.95e-8, 5.96e-8, 5.97e-8, -5.9e-8, 8.9e-8, 8.95e-8, 6.1e-5, 6.09e-5, 65504, 65505, 65519.996, 65520, -65520, 3e38, -3e38,
		1, 1.0004883, 1.0004884, 1.0014648, 2049, 2051, 0.1, 1. / 3, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1e-7}
	n := newNetwork(17).input("x", 1, 4, 8, 8).constant("borders", borders, 32).weight("kernel", 4, 4, 1, 1).weight("low", 1).weight("shared", 4, 1, 1).weight("limit", 1).
		constant("scales", []float32{1, 1, 2, 2}, 4).constant("unread", []float32{1, 2}, 2).whole("k", 2).whole("shape", 2, 8).
		node("Conv x kernel > c").node("Max c low > m").node("Min m shared > a").node("Add a shared > s").node("Clip s limit > l").node("Resize l none scales > r").
		node("TopK r k > t i").node("Identity borders > b").
		node("Constant > lifted", floatAttribute("value_float", 0.1)).node("Mul t lifted > y").output("y", 1, 4, 16, 2).output("b", 32).output("i", 1, 4, 16, 2)
	n.model.Graph.Node[5].Input[1] = ""
	n.model.Graph.Output[2].Type.GetTensorType().ElemType = 7
	return n
}
