//go:build cgo && linux

package quantize

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"assay/backend"
	"assay/dataset"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/onnx/upgrade"
	"assay/results"
	"assay/tensor"
)

// publishedModels lists the models beside the checkout.
func publishedModels(t *testing.T) []string {
	t.Helper()
	shared := os.Getenv("ASSAY_SHARED_DATA")
	if shared == "" {
		shared = "../../shared/data"
	}
	files, _ := filepath.Glob(filepath.Join(shared, "models", "*.onnx"))
	if len(files) == 0 {
		t.Skipf("no published models in %s/models", shared)
	}
	return files
}

// feedsFor generates an example for a model, the same each time.
func feedsFor(t *testing.T, model string) []tensor.Value {
	t.Helper()
	m, err := onnx.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := loaded(t).Open(t.Context(), model, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	feeds, _, err := dataset.Feeds(s.Inputs(), results.Input{}, 1, 1, m.InputHint)
	if err != nil {
		t.Fatal(err)
	}
	return feeds[0]
}

// outputsOf runs a model without optimisation, so that what it says is what runs.
func outputsOf(t *testing.T, model string, feeds []tensor.Value) []tensor.Value {
	t.Helper()
	s, err := loaded(t).Open(t.Context(), model, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(t.Context(), feeds)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// distance is the largest difference of two results, as a part of the largest magnitude of the first; 1 where they are of another kind.
func distance(a, b []tensor.Value) float64 {
	if len(a) != len(b) {
		return 1
	}
	worst := 0.0
	for i := range a {
		if reflect.DeepEqual(a[i], b[i]) {
			continue
		}
		v, w := a[i].Tensor, b[i].Tensor
		if v == nil || w == nil || v.DType != tensor.Float32 || w.DType != v.DType || !slices.Equal(v.Shape, w.Shape) {
			return 1
		}
		x, y := decoded(v), decoded(w)
		largest, most := 0.0, 0.0
		for k := range x {
			largest, most = max(largest, math.Abs(x[k])), max(most, math.Abs(x[k]-y[k]))
		}
		if most > 0 {
			worst = max(worst, most/max(largest, math.SmallestNonzeroFloat32))
		}
		if most != most {
			return 1
		}
	}
	return worst
}

func decoded(v *tensor.Tensor) []float64 {
	out := make([]float64, v.Len())
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(v.Data[4*i:])))
	}
	return out
}

// TestPreparedModelsComputeTheSame prepares every published model, and converts those of older operator sets on their own.
func TestPreparedModelsComputeTheSame(t *testing.T) {
	for _, file := range publishedModels(t) {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			if name == "light_vgg19.onnx" && os.Getenv("ASSAY_LONG") == "" {
				t.Skip("its folded weights take 575 MB; set ASSAY_LONG=1")
			}
			feeds := feedsFor(t, file)
			want := outputsOf(t, file, feeds)
			out := filepath.Join(t.TempDir(), "prepared.onnx")
			if err := Prepare(t.Context(), loaded(t), file, out, DefaultOptions()); err != nil {
				t.Fatal(err)
			}
			d := distance(want, outputsOf(t, out, feeds))
			t.Logf("prepared: %.2g", d)
			if d > 1e-4 {
				t.Errorf("the prepared model differs by %.2g of the largest output", d)
			}
			for _, target := range []int64{13, upgrade.Newest} {
				m, err := onnx.Open(file)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				from := m.Opset("")
				if from == 0 || from >= target {
					continue
				}
				if err := upgrade.To(m, target); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "converted.onnx")
				if err := m.Save(path); err != nil {
					t.Fatal(err)
				}
				d := distance(want, outputsOf(t, path, feeds))
				t.Logf("opset %d to %d: %.2g", from, target, d)
				if d > 1e-6 {
					t.Errorf("at opset %d it differs by %.2g of the largest output", target, d)
				}
			}
		})
	}
}

// What the graph does not say and the standard operators do not show, the runtime says: here the type behind an operator of its own domain.
func TestPrepareAddsTypes(t *testing.T) {
	n := newNetwork(17).input("x", 1, 8).weight("w", 8, 8).weight("v", 8, 4).node("MatMul x w > a").node("Gelu a > b").node("MatMul b v > y").output("y", 1, 4)
	n.model.Graph.Node[1].Domain = "com.microsoft"
	n.model.OpsetImport = append(n.model.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: "com.microsoft", Version: 1})
	res, err := Make(t.Context(), loaded(t), Request{Model: n.save(t), Out: filepath.Join(t.TempDir(), "out.onnx"), Options: DefaultOptions(), Examples: normal(4)})
	if err != nil {
		t.Fatal(err)
	}
	if res.Nodes.Quantized != 2 {
		t.Errorf("%d nodes are quantized, want both products: %v", res.Nodes.Quantized, res.Nodes.LeftFloat)
	}
}

// Large weights of graphs within nodes stay with the model when it is folded, wherever they stood.
func TestFoldingKeepsWeightsOfBranches(t *testing.T) {
	const width = 1024 // so that the weights are worth a file of their own
	branch := func(name string) *onnxpb.GraphProto {
		g := newNetwork(17).weight("w"+name, width, width).node("MatMul h w"+name+" > "+name).output(name, 1, width).model.Graph
		g.Name = name
		return g
	}
	n := newNetwork(17).input("x", 1, width).weight("w1", width, width).constant("zero", []float32{0})
	n.node("MatMul x w1 > h").node("ReduceSum h > s", intAttribute("keepdims", 0)).node("Greater s zero > b")
	n.node("If b > y", &onnxpb.AttributeProto{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("t")},
		&onnxpb.AttributeProto{Name: "else_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("e")})
	one := n.output("y", 1, width).save(t)
	m, err := onnx.Open(one)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	two := filepath.Join(t.TempDir(), "two.onnx")
	if err := m.SaveExternal(two, onnx.ExternalAlways); err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{one, two} {
		if _, _, err := static(t, model, nil); err != nil {
			t.Errorf("%s: %v", filepath.Base(model), err)
		}
	}
}
