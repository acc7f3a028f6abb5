//go:build cgo && linux

package quantize

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

var update = flag.Bool("update", false, "keep what the reference makes of the models in testdata/quantize")

// goldenModel is what onnxruntime.quantization makes of one prepared model in several ways: of every initializer and every Q/DQ node a few
// digits of a hash for each way, or dashes. golden.py says how.
type goldenModel struct {
	Model        string
	Identity     string // of the prepared model: see golden.py
	Cases        []goldenCase
	Initializers map[string]string
	Nodes        map[string]string
}

// goldenCase is one way of quantizing.
type goldenCase struct {
	Activation, Weight string
	PerChannel         bool `json:"per_channel"`
	ReduceRange        bool `json:"reduce_range"`
	Symmetric          bool
	KeepIO             bool   `json:"keep_io"`
	Error              string // why the reference stopped
}

const goldenDigits = 4

// at is the digits of a way, "" where it does not make the thing.
func at(digits string, way int) string {
	return strings.Trim(digits[goldenDigits*way:goldenDigits*(way+1)], "-")
}

// goldenModels are those whose goldens are kept in the repository; ASSAY_LONG compares every model there is.
var goldenModels = []string{"student.onnx", "teacher.onnx", "mnist.onnx", "dtln_2.onnx", "fastestdet.onnx", "light_squeezenet.onnx",
	"tiny_gpt2_fp32.onnx", "ultraface-version-RFB-320.onnx", "vespa_random_encoder.onnx", "rules.onnx"}

// The same prepared model with the same ranges gives the reference's integers, scales, zero points and wiring, but for the deviations.
func TestModelsAreThoseOfTheReference(t *testing.T) {
	for _, name := range goldenModels {
		var g goldenModel
		readGolden(t, strings.TrimSuffix(name, ".onnx")+".json", &g)
		t.Run(name, func(t *testing.T) { compareModel(t, g, preparedFile(t, name)) })
	}
}

// TestReferenceLive asks the reference itself, about every model, or those whose names match ASSAY_MODELS.
func TestReferenceLive(t *testing.T) {
	live := askReference(t, "golden.py", DefaultOptions(), rulesModel())
	for _, file := range live.goldens {
		var g goldenModel
		live.read(t, file, &g)
		t.Run(g.Model, func(t *testing.T) { compareModel(t, g, filepath.Join(live.prepared, g.Model)) })
		live.keep(t, file, slices.Contains(goldenModels, g.Model))
	}
}

// liveReference is what a script made of prepared models.
type liveReference struct {
	prepared string   // folder of models
	goldens  []string // files, one a model
}

// askReference prepares every model, and one made here that is called rules, and has a script quantize them.
func askReference(t *testing.T, script string, o Options, rules *network) liveReference {
	t.Helper()
	python := os.Getenv("ASSAY_PYTHON")
	if os.Getenv("ASSAY_LONG") == "" || python == "" {
		t.Skipf("a long check: ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python, see testdata/quantize/%s", script)
	}
	in, out := t.TempDir(), t.TempDir()
	some := cmp.Or(os.Getenv("ASSAY_MODELS"), "*")
	for _, path := range allModels(t) {
		name := filepath.Base(path)
		if chosen, err := filepath.Match(some, name); err != nil || !chosen {
			continue
		}
		if err := Prepare(t.Context(), loaded(t), path, filepath.Join(in, name), o); err != nil {
			t.Logf("%s is not prepared: %v", name, err)
			continue
		}
		if m := opened(t, filepath.Join(in, name)); holdsHalves(m) {
			t.Logf("%s holds float16, which assay leaves as it is", name)
			if err := os.Remove(filepath.Join(in, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Rename(rules.save(t), filepath.Join(in, "rules.onnx")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join(goldenDir, script), "--prepared", in, "--out", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	files, err := filepath.Glob(filepath.Join(out, "*.json"))
	if err != nil || some == "*" && len(files) < 10 {
		t.Fatalf("%d models: %v", len(files), err)
	}
	return liveReference{in, files}
}

func (l liveReference) read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// keep puts a golden into the repository where that is wanted and asked for with -update.
func (l liveReference) keep(t *testing.T, file string, wanted bool) {
	t.Helper()
	if !*update || !wanted {
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(goldenDir, filepath.Base(file)), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// allModels are the models of the repository and those published beside it.
func allModels(t *testing.T) []string {
	t.Helper()
	shared := filepath.Dir(modelFile(t, "mnist.onnx"))
	var out []string
	for _, dir := range []string{"../testdata/digits", shared} {
		found, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}

// preparedFile prepares a golden's model.
func preparedFile(t *testing.T, name string) string {
	t.Helper()
	if name == "rules.onnx" {
		return rulesModel().save(t)
	}
	return preparedBy(t, name, DefaultOptions())
}

func preparedBy(t *testing.T, name string, o Options) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	if err := Prepare(t.Context(), loaded(t), modelFile(t, name), out, o); err != nil {
		t.Fatal(err)
	}
	return out
}

// choice is a way of choosing what is quantized.
type choice struct {
	name  string
	types []string
}

// compareModel quantizes a prepared model in every way of a golden, by the reference's choice and by ours.
func compareModel(t *testing.T, g goldenModel, path string) {
	if identity(t, path) != g.Identity {
		t.Fatalf("the prepared model is not the one that the golden was made from; make it again with -update")
	}
	seen := map[string]bool{}
	for _, how := range []choice{{"all", []string{AllTypes}}, {"default", nil}} {
		for way, c := range g.Cases {
			m := quantizedLike(t, path, c, how.types)
			if c.Error != "" {
				t.Logf("the reference stops at %+v", c)
				continue
			}
			same, different := compareWithReference(t, m, &g, way, how.types != nil)
			label := fmt.Sprintf("%s of %+v", how.name, c)
			if how.types != nil && same < len(different) {
				t.Errorf("%s: only %d names are the reference's", label, same)
			}
			for _, name := range slices.Sorted(maps.Keys(different)) {
				prefix, known := deviation(g.Model, how.name, name)
				if !known {
					t.Errorf("%s: %s: %s", label, name, different[name])
				}
				seen[prefix] = true
			}
			if way == 0 {
				t.Logf("%s: %d initializers and nodes are equal, %d deviate", label, same, len(different))
			}
		}
	}
	for prefix := range deviations[g.Model] {
		if !seen[prefix] {
			t.Errorf("it does not deviate at %s any more", prefix)
		}
	}
}

// identity is golden.py's of a model's wiring and weights.
func identity(t *testing.T, path string) string {
	t.Helper()
	m := opened(t, path)
	h := sha256.New()
	add := func(parts ...string) {
		for _, p := range parts {
			h.Write([]byte(p))
			h.Write([]byte("|"))
		}
	}
	for _, n := range m.Proto.Graph.Node {
		add(n.OpType)
		add(n.Input...)
		add(n.Output...)
	}
	weights := slices.SortedFunc(slices.Values(m.Proto.Graph.Initializer), func(a, b *onnxpb.TensorProto) int { return cmp.Compare(a.Name, b.Name) })
	for _, w := range weights {
		v, err := m.Tensor(w)
		if err != nil {
			t.Fatal(err)
		}
		add(w.Name, fmt.Sprint(w.DataType), dimsText(w.Dims), string(v.Data))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// opened is a model that is closed with the test.
func opened(t *testing.T, path string) *onnx.Model {
	t.Helper()
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func dimsText(dims []int64) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(dims)), ","), "[]")
}

// quantizedLike quantizes a prepared model in a golden's way with made-up ranges.
func quantizedLike(t *testing.T, path string, c goldenCase, types []string) *onnx.Model {
	t.Helper()
	m := opened(t, path)
	s, err := selectNodes(m, Options{Scheme: SchemeInt8Static, Activation: dtype(t, c.Activation), Weight: dtype(t, c.Weight),
		PerChannel: c.PerChannel, ReduceRange: c.ReduceRange, Symmetric: c.Symmetric, OpTypes: types})
	if err != nil {
		t.Fatal(err)
	}
	ranges := Ranges{}
	for name := range valueNames(m.Proto.Graph) {
		ranges[name] = madeUpRange(name)
	}
	if err := newRewriter(s, ranges).run(); err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	return m
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

// compareWithReference counts the initializers and Q/DQ nodes that are the reference's and says of every other name what is different. A
// choice of ours is compared where both quantize; the reference's choice as a whole.
func compareWithReference(t *testing.T, m *onnx.Model, g *goldenModel, way int, whole bool) (same int, different map[string]string) {
	t.Helper()
	different = map[string]string{}
	have := map[string]bool{}
	note := func(name, got, all, what string) {
		have[name] = true
		switch want := at(all, way); {
		case want == got:
			same++
		case want != "":
			different[name] = what
		case whole:
			different[name] = "the reference does not have it: " + what
		}
	}
	for _, init := range m.Proto.Graph.Initializer {
		got, err := m.Tensor(init)
		if err != nil {
			t.Fatal(err)
		}
		// What the reference does not make in any way is a copy of ours, or the model's own.
		if all, ok := g.Initializers[init.Name]; ok {
			note(init.Name, initializerDigest(init.Name, got), all, fmt.Sprintf("%s %v %v", got.DType, got.Shape, got.Data[:min(len(got.Data), 48)]))
		}
	}
	for _, n := range m.Proto.Graph.Node {
		if n.OpType != "QuantizeLinear" && n.OpType != "DequantizeLinear" {
			continue
		}
		all, ok := g.Nodes[n.Name]
		wiring := append(append(slices.Clone(n.Input), n.Output...), fmt.Sprint(attributeInt(n, "axis", -1)))
		if whole && ok {
			note(n.Name, goldenDigest(wiring...), all, fmt.Sprintf("%q", wiring))
		}
	}
	if !whole {
		return same, different
	}
	for _, names := range []map[string]string{g.Initializers, g.Nodes} {
		for name, all := range names {
			if at(all, way) != "" && !have[name] {
				different[name] = "only the reference has it"
			}
		}
	}
	return same, different
}

func initializerDigest(name string, v *tensor.Tensor) string {
	dims := dimsText(v.Shape)
	if strings.HasSuffix(name, "_quantized_scale") && dims == "1" {
		dims = ""
	}
	return goldenDigest(v.DType.String(), dims, string(v.Data))
}

func goldenDigest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte("|"))
	}
	return hex.EncodeToString(h.Sum(nil))[:goldenDigits]
}
