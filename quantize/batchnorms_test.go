//go:build cgo && linux

package quantize

import (
	"math"
	"slices"
	"testing"

	"assay/tensor"
)

// normalized is a convolution, a BatchNormalization whose gains span a factor, and another convolution.
func normalized(factor float64) *network {
	gains := make([]float32, 8)
	for i := range gains {
		gains[i] = float32(math.Pow(factor, float64(i)/7))
	}
	return newNetwork(17).input("x", 1, 3, 8, 8).weight("w", 8, 3, 3, 3).weight("v", 4, 8, 1, 1).constant("gain", gains, 8).weight("shift", 8).weight("mean", 8).
		constant("variance", slices.Repeat([]float32{1}, 8), 8).
		node("Conv x w > a").node("BatchNormalization a gain shift mean variance > b").node("Relu b > r").node("Conv r v > y").output("y", 1, 4, 6, 6)
}

// One scale for all channels serves a weight badly whose channels BatchNormalization has made unequal: there it is not folded.
func TestNormalizationsThatOneScaleCannotHoldAreNotFolded(t *testing.T) {
	for name, c := range map[string]struct {
		factor   float64
		options  Options
		left     int
		decibels float64
	}{
		"equal channels, one scale":           {1.1, Options{Scheme: SchemeInt8Static, Activation: tensor.Uint8, Prepare: true}, 0, 30},
		"unequal channels, one scale":         {100, Options{Scheme: SchemeInt8Static, Activation: tensor.Uint8, Prepare: true}, 1, 30},
		"unequal channels, a scale a channel": {100, DefaultOptions(), 0, 30},
		"unequal channels, dynamic":           {100, Options{Scheme: SchemeInt8Dynamic, OpTypes: []string{"Conv"}, PerChannel: true, Prepare: true}, 1, 30},
		"equal channels, dynamic":             {1, Options{Scheme: SchemeInt8Dynamic, OpTypes: []string{AllTypes}, PerChannel: true, Prepare: true}, 0, 30},
	} {
		t.Run(name, func(t *testing.T) {
			_, nodes := faithful(t, normalized(c.factor), c.decibels, func(q *Request) { q.Options = c.options })
			if nodes["BatchNormalization"] != c.left {
				t.Errorf("%d are left, want %d", nodes["BatchNormalization"], c.left)
			}
		})
	}
}

// What is held back from folding is no input afterwards; nor is a weight that the file lists among its inputs, as many as are held.
func TestHeldNormalizationsAddNoInputs(t *testing.T) {
	o := DefaultOptions()
	o.PerChannel = false
	for name, model := range map[string]*network{"as it is": normalized(100), "a weight listed": normalized(100).input("v", 4, 8, 1, 1)} {
		out := t.TempDir() + "/prepared.onnx"
		if err := Prepare(t.Context(), loaded(t), model.save(t), out, o); err != nil {
			t.Fatal(err)
		}
		m := opened(t, out)
		if len(m.Proto.Graph.Input) != 1 || m.Info().Operators["BatchNormalization"] != 1 {
			t.Errorf("%s: inputs %v, operators %v", name, m.Proto.Graph.Input, m.Info().Operators)
		}
	}
}
