//go:build cgo && linux

package quantize

import (
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/onnx"
)

// float16Goldens are the models whose goldens are kept in the repository; ASSAY_LONG compares every model there is.
var float16Goldens = []string{"student.onnx", "teacher.onnx", "mnist.onnx", "dtln_1.onnx", "fastestdet.onnx", "ultraface-version-RFB-320.onnx", "vespa_random_encoder.onnx", "rules.onnx"}

// float16Rules has values at all of float16's borders, weights of operators that stay float32 and of those that do not, and slots of float32.
func float16Rules() *network {
	borders := []float32{0, float32(math.Copysign(0, -1)), 1e-45, -1e-45, 2.9e-8, 5.95e-8, 5.96e-8, 5.97e-8, -5.9e-8, 8.9e-8, 8.95e-8, 6.1e-5, 6.09e-5, 65504, 65505, 65519.996, 65520, -65520, 3e38, -3e38,
		1, 1.0004883, 1.0004884, 1.0014648, 2049, 2051, 0.1, 1. / 3, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 1e-7}
	n := newNetwork(17).input("x", 1, 4, 8, 8).constant("borders", borders, 32).weight("kernel", 4, 4, 1, 1).weight("low", 1).weight("shared", 4, 1, 1).weight("limit", 1).
		constant("scales", []float32{1, 1, 2, 2}, 4).constant("unread", []float32{1, 2}, 2).whole("k", 2).whole("shape", 2, 8).
		node("Conv x kernel > c").node("Max c low > m").node("Min m shared > a").node("Add a shared > s").node("Clip s limit > l").node("Resize l none scales > r").
		node("TopK r k > t i").node("Add borders borders > b").
		node("Constant > lifted", floatAttribute("value_float", 0.1)).node("Mul t lifted > y").output("y", 1, 4, 16, 2).output("b", 32).output("i", 1, 4, 16, 2)
	n.model.Graph.Node[5].Input[1] = ""
	n.model.Graph.Output[2].Type.GetTensorType().ElemType = 7
	return n
}

// Each weight becomes what the reference makes of it, bit for bit.
func TestFloat16ModelsAreThoseOfTheReference(t *testing.T) {
	for _, name := range float16Goldens {
		t.Run(name, func(t *testing.T) {
			var g goldenModel
			readGolden(t, "fp16_"+strings.TrimSuffix(name, ".onnx")+".json", &g)
			path := ""
			if name == "rules.onnx" {
				path = float16Rules().save(t)
			} else {
				path = preparedBy(t, name, Options{Scheme: SchemeFP16})
			}
			compareFloat16(t, g, path)
		})
	}
}

func TestFloat16ReferenceLive(t *testing.T) {
	live := askReference(t, "fp16.py", Options{Scheme: SchemeFP16}, float16Rules())
	for _, file := range live.goldens {
		var g goldenModel
		live.read(t, file, &g)
		t.Run(g.Model, func(t *testing.T) { compareFloat16(t, g, filepath.Join(live.prepared, g.Model)) })
		live.keep(t, file, slices.Contains(float16Goldens, g.Model))
	}
}

func compareFloat16(t *testing.T, g goldenModel, path string) {
	if identity(t, path) != g.Identity {
		t.Fatalf("the model is not the one that the golden was made from; make it again with -update")
	}
	for way, c := range g.Cases {
		if c.Error != "" {
			t.Logf("the reference stops at %+v", c)
		}
		m, err := onnx.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		h, err := newHalf(t.Context(), lookWith(loaded(t)), m, Options{Scheme: SchemeFP16, KeepIO: c.KeepIO}, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if why := h.nothing(); why != "" {
			t.Skip(why)
		}
		if err := h.rewrite(&Result{}); err != nil {
			t.Fatal(err)
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		same, different := compareWithReference(t, m, &g, way, true)
		for _, name := range slices.Sorted(maps.Keys(different)) {
			t.Errorf("%+v: %s: %s", c, name, different[name])
		}
		t.Logf("%d initializers are equal", same)
	}
}
