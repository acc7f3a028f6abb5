//go:build cgo && linux

package quantize

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// staticParity is that of weights, activations and biases, and of where QuantizeLinear and DequantizeLinear stand, with ranges that are made up
// from names.
var staticParity = parity{script: "golden.py", options: DefaultOptions(), made: map[string]func() *network{"rules.onnx": rulesModel, "quirks.onnx": quirksModel, "rows.onnx": rowsModel},
	kept: []string{"student.onnx", "teacher.onnx", "mnist.onnx", "dtln_2.onnx", "fastestdet.onnx", "light_squeezenet.onnx", "tiny_gpt2_fp32.onnx",
		"ultraface-version-RFB-320.onnx", "vespa_random_encoder.onnx", "rules.onnx", "quirks.onnx", "rows.onnx"},
	choices:    []choice{{"all", []string{AllTypes}, true}, {"default", nil, false}},
	deviations: deviations, rewrite: rewriteStatic}

// The same prepared model with the same ranges gives the reference's integers, scales, zero points and wiring, but for the deviations.
func TestModelsAreThoseOfTheReference(t *testing.T) { staticParity.ofGoldens(t) }

func TestReferenceLive(t *testing.T) { staticParity.live(t) }

func rewriteStatic(t *testing.T, m *onnx.Model, c goldenCase, types []string) string {
	t.Helper()
	s, err := selectNodes(m, Options{Scheme: SchemeInt8Static, Activation: dtype(t, c.Activation), Weight: dtype(t, c.Weight),
		PerChannel: c.PerChannel, ReduceRange: c.ReduceRange, Symmetric: c.Symmetric, OpTypes: types})
	if err != nil {
		t.Fatal(err)
	}
	if err := newRewriter(s, madeUpRanges(m.Proto.Graph)).run(); err != nil {
		return err.Error()
	}
	return ""
}

// madeUpRanges are golden.py's.
func madeUpRanges(g *onnxpb.GraphProto) Ranges {
	source := map[string]string{}
	for _, n := range g.Node {
		if slices.Contains([]string{"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}, n.OpType) {
			source[n.Output[0]] = cmp.Or(source[n.Input[0]], n.Input[0])
		}
	}
	ranges := Ranges{}
	for name := range valueNames(g) {
		ranges[name] = madeUpRange(cmp.Or(source[name], name))
	}
	return ranges
}

// madeUpRange is golden.py's.
func madeUpRange(name string) [2]float32 {
	h := uint32(0x811C9DC5)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 0x01000193
	}
	exponent := int(h>>16)%12 - 8
	if h>>29 == 0 {
		exponent = -34
	}
	unit := math.Ldexp(1, exponent-6)
	return [2]float32{float32(-float64(h&0xFF) * unit), float32(float64(h>>8&0xFF+1) * unit)}
}
