//go:build cgo && linux

package quantize

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// dynamicGoldens are the models whose goldens are kept in the repository; ASSAY_LONG compares every model there is.
var dynamicGoldens = []string{"student.onnx", "teacher.onnx", "mnist.onnx", "dtln_1.onnx", "dtln_2.onnx", "vespa_random_decoder.onnx", "rules.onnx"}

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

// dynamicDeviations are where assay means to do something else than the reference: by model, the beginning of names, and why.
var dynamicDeviations = map[string]map[string]string{
	"rules.onnx": {
		"stack_scale":      "parameters of a stack's columns have dims [2,1,7]: with the reference's [7] the model does not run",
		"stack_zero_point": "as its scale",
		"vector":           "a vector stays float: one product is no work, and by channel the reference's does not load",
	},
}

// Each weight, scale and zero point of the same prepared model is the reference's, but for the deviations.
func TestDynamicModelsAreThoseOfTheReference(t *testing.T) {
	for _, name := range dynamicGoldens {
		t.Run(name, func(t *testing.T) {
			var g goldenModel
			readGolden(t, "dynamic_"+strings.TrimSuffix(name, ".onnx")+".json", &g)
			path := ""
			if name == "rules.onnx" {
				path = dynamicRules().save(t)
			} else {
				path = preparedBy(t, name, Options{Scheme: SchemeInt8Dynamic, Prepare: true})
			}
			compareDynamic(t, g, path)
		})
	}
}

func TestDynamicReferenceLive(t *testing.T) {
	live := askReference(t, "dynamic.py", Options{Scheme: SchemeInt8Dynamic, Prepare: true}, dynamicRules())
	for _, file := range live.goldens {
		var g goldenModel
		live.read(t, file, &g)
		t.Run(g.Model, func(t *testing.T) { compareDynamic(t, g, filepath.Join(live.prepared, g.Model)) })
		live.keep(t, file, slices.Contains(dynamicGoldens, g.Model))
	}
}

func compareDynamic(t *testing.T, g goldenModel, path string) {
	if identity(t, path) != g.Identity {
		t.Fatalf("the prepared model is not the one that the golden was made from; make it again with -update")
	}
	seen := map[string]bool{}
	for way, c := range g.Cases {
		m, err := onnx.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		j, err := newDynamic(m, Options{Scheme: SchemeInt8Dynamic, Weight: dtype(t, c.Weight), PerChannel: c.PerChannel, ReduceRange: c.ReduceRange, OpTypes: []string{AllTypes}})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.rewrite(&Result{}); err != nil {
			t.Fatal(err)
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		if c.Error != "" {
			t.Logf("the reference stops at %+v", c)
			continue
		}
		same, different := compareWithReference(t, m, &g, way, true)
		for _, name := range slices.Sorted(maps.Keys(different)) {
			known := false
			for prefix := range dynamicDeviations[g.Model] {
				if strings.HasPrefix(name, prefix) {
					known, seen[prefix] = true, true
				}
			}
			if !known {
				t.Errorf("%+v: %s: %s", c, name, different[name])
			}
		}
		if way == 0 {
			t.Logf("%d initializers are equal, %d deviate", same, len(different))
		}
	}
	for prefix := range dynamicDeviations[g.Model] {
		if !seen[prefix] {
			t.Errorf("it does not deviate at %s any more", prefix)
		}
	}
}
