//go:build cgo && linux

package quantize

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"assay/backend"
	"assay/backend/ort"
	library "assay/backend/ort/install"
	"assay/onnx"
	"assay/tensor"
)

// The goldens are what onnxruntime.quantization makes of the same models and ranges; testdata/quantize/golden.py writes them.
const goldenDir = "../testdata/quantize"

func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func float(t *testing.T, text string) float32 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 32)
	if err != nil {
		t.Fatal(err)
	}
	return float32(v)
}

func floats(t *testing.T, texts []string) []float32 {
	t.Helper()
	out := make([]float32, len(texts))
	for i, s := range texts {
		out[i] = float(t, s)
	}
	return out
}

func dtype(t *testing.T, name string) tensor.DType {
	t.Helper()
	d, err := tensor.ParseDType(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParametersAndIntegersAreThoseOfTheReference(t *testing.T) {
	var golden struct {
		Params []struct {
			Low, High, Type, Scale string
			Symmetric, Reduced     bool
			Zero                   int32
		}
		Values []struct {
			Type, Scale string
			Zero        int32
			Values      []string
			Ints        []int
		}
	}
	readGolden(t, "numbers.json", &golden)
	for _, c := range golden.Params {
		got, err := paramsFor(float(t, c.Low), float(t, c.High), rangeOf(dtype(t, c.Type), c.Symmetric, c.Reduced), c.Symmetric)
		if want := (Params{float(t, c.Scale), c.Zero}); err != nil || got != want {
			t.Errorf("[%s, %s] to %s, symmetric %v, reduced %v: %v %v, want %v", c.Low, c.High, c.Type, c.Symmetric, c.Reduced, got, err, want)
		}
	}
	for _, c := range golden.Values {
		d, values := dtype(t, c.Type), floats(t, c.Values)
		got := make([]byte, len(values))
		quantizeInto(got, values, Params{float(t, c.Scale), c.Zero}, d)
		for i, want := range c.Ints {
			if got[i] != byte(want) {
				t.Errorf("%v / %s + %d to %s: %d, want %d", values[i], c.Scale, c.Zero, d, got[i], byte(want))
			}
		}
	}
}

// goldenModel is one model's golden file.
type goldenModel struct {
	Model, SHA256 string
	Ranges        map[string][]string
	Cases         []goldenCase
}

// goldenCase is what the reference made of a model in one way.
type goldenCase struct {
	Activation   string
	PerChannel   bool `json:"per_channel"`
	ReduceRange  bool `json:"reduce_range"`
	Symmetric    bool
	Initializers map[string]goldenTensor
	Nodes        map[string][]string // inputs, output, axis
}

// goldenTensor has its elements as text, or the beginning of their hash.
type goldenTensor struct {
	Type   string
	Dims   []int64
	Floats []string
	Ints   []int
	SHA256 string
}

func (g goldenTensor) equal(t *testing.T, d tensor.DType, dims []int64, data []byte) bool {
	t.Helper()
	// The reference writes the one scale of a bias as an array of one, and its zero point as a scalar.
	one := len(dims) == 0 && len(g.Dims) == 1 && g.Dims[0] == 1
	if d.String() != g.Type || !slices.Equal(dims, g.Dims) && !one {
		return false
	}
	if g.SHA256 != "" {
		sum := sha256.Sum256(data)
		return strings.HasPrefix(hex.EncodeToString(sum[:]), g.SHA256)
	}
	var want []byte
	for _, v := range floats(t, g.Floats) {
		want = binary.LittleEndian.AppendUint32(want, math.Float32bits(v))
	}
	for _, v := range g.Ints {
		if d == tensor.Int32 {
			want = binary.LittleEndian.AppendUint32(want, uint32(v))
		} else {
			want = append(want, byte(v))
		}
	}
	return slices.Equal(data, want)
}

var openRuntime = sync.OnceValues(func() (backend.Backend, error) {
	dir, err := library.DefaultDir()
	if err != nil {
		return nil, err
	}
	lib, err := library.Find(dir, "cpu")
	if err != nil {
		return nil, err
	}
	return ort.Open(ort.Config{Library: lib.Path, SHA256: lib.SHA256})
})

// modelFile finds a model among those of the repository and those published beside it.
func modelFile(t *testing.T, name string) string {
	t.Helper()
	shared := os.Getenv("ASSAY_SHARED_DATA")
	if shared == "" {
		shared = "../../shared/data"
	}
	for _, dir := range []string{"../testdata/digits", filepath.Join(shared, "models")} {
		if path := filepath.Join(dir, name); fileExists(path) {
			return path
		}
	}
	t.Skipf("%s is neither in testdata/digits nor in %s/models", name, shared)
	return ""
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// deviations are where assay means to do something else than the reference: by model, the beginning of names, and why.
var deviations = map[string]map[string]string{
	"fastestdet.onnx": {
		"/detect_head/": "arithmetic on the grid has inputs that are not quantized, and stays float",
	},
	"vespa_random_encoder.onnx": {
		"/transformer_encoder/layers.0/self_attn/":             "products of two activations stay float",
		"embedding.weight":                                     "tables stay float",
		"transformer_encoder.layers.0.self_attn.out_proj.bias": "a bias here and an operand there: the reference makes it 8 bits for both",
	},
	"dtln_2.onnx":  {"adjusted_input": "a Split shares its input's parameters"},
	"student.onnx": {"logits": "the last scores stay float"},
	"teacher.onnx": {"logits": "the last scores stay float"},
	"yolox_nano.onnx": {
		"652_": "slices of an input that is not quantized stay float, and so does putting them together", "662_": "likewise", "672_": "likewise", "682_": "likewise",
		"854_": "MaxPool has no 8-bit form at opset 11, and so what puts several together stays float", "855_": "likewise", "856_": "likewise",
	},
}

// The same model, folded by the same runtime, with the same ranges gives the same integers, scales, zero points and wiring, bit for bit,
// but for the deviations.
func TestModelsAreThoseOfTheReference(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("goldens: %v %v", files, err)
	}
	for _, file := range files {
		if filepath.Base(file) == "numbers.json" {
			continue
		}
		var g goldenModel
		readGolden(t, filepath.Base(file), &g)
		seen := map[string]bool{}
		for _, c := range g.Cases {
			name := fmt.Sprintf("%s/%s,channel=%v,reduced=%v,symmetric=%v", g.Model, c.Activation, c.PerChannel, c.ReduceRange, c.Symmetric)
			t.Run(name, func(t *testing.T) {
				same, different := compareWithReference(t, quantizedLike(t, g, c), c)
				if same < 20 {
					t.Errorf("only %d names are the reference's", same)
				}
				for _, name := range slices.Sorted(maps.Keys(different)) {
					prefix, known := deviation(g.Model, name)
					if !known {
						t.Errorf("%s: %s", name, different[name])
					}
					seen[prefix] = true
				}
				t.Logf("%d initializers and nodes are equal, %d deviate", same, len(different))
			})
		}
		for prefix := range deviations[g.Model] {
			if !seen[prefix] && !t.Failed() && len(seen) > 0 {
				t.Errorf("%s does not deviate at %s any more", g.Model, prefix)
			}
		}
	}
}

func deviation(model, name string) (prefix string, known bool) {
	for prefix := range deviations[model] {
		if strings.HasPrefix(name, prefix) {
			return prefix, true
		}
	}
	return "", false
}

// compareWithReference counts equal initializers and Q/DQ nodes and says of every other name what is different.
func compareWithReference(t *testing.T, m *onnx.Model, c goldenCase) (same int, different map[string]string) {
	t.Helper()
	different = map[string]string{}
	have := map[string]bool{}
	for _, init := range m.Proto.Graph.Initializer {
		have[init.Name] = true
		want, ok := c.Initializers[init.Name]
		if !ok {
			continue
		}
		got, err := m.Tensor(init)
		if err != nil {
			t.Fatal(err)
		}
		if !want.equal(t, got.DType, got.Shape, got.Data) {
			different[init.Name] = fmt.Sprintf("%s %v, want %s %v, and these elements: %+v", got.DType, got.Shape, want.Type, want.Dims, want)
			continue
		}
		same++
	}
	for _, n := range m.Proto.Graph.Node {
		want, ok := c.Nodes[n.Name]
		if !ok {
			continue
		}
		got := append(append(slices.Clone(n.Input), n.Output...), fmt.Sprint(attributeInt(n, "axis", -1)))
		if !slices.Equal(got, want) {
			different[n.Name] = fmt.Sprintf("%q, want %q", got, want)
			continue
		}
		same++
	}
	for name := range c.Initializers {
		if !have[name] {
			different[name] = "only the reference has it"
		}
	}
	return same, different
}

// quantizedLike quantizes a golden's model in a golden's way with its ranges.
func quantizedLike(t *testing.T, g goldenModel, c goldenCase) *onnx.Model {
	t.Helper()
	be, err := openRuntime()
	if err != nil {
		t.Fatal(err)
	}
	src, err := onnx.Open(modelFile(t, g.Model))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if sha, _, err := src.Identity(); err != nil || sha != g.SHA256 {
		t.Fatalf("%s is not the model that the golden was made from: %s %v", src.Path(), sha, err)
	}
	o := Options{Scheme: SchemeInt8Static, Activation: dtype(t, c.Activation), PerChannel: c.PerChannel, ReduceRange: c.ReduceRange, Symmetric: c.Symmetric, Prepare: true}
	m, err := prepared(t.Context(), be, src, o, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	s, err := selectNodes(m, o)
	if err != nil {
		t.Fatal(err)
	}
	ranges := Ranges{}
	for name, extremes := range g.Ranges {
		v := floats(t, extremes)
		ranges[name] = [2]float32{v[0], v[1]}
	}
	if err := newRewriter(s, ranges).run(); err != nil {
		t.Fatal(err)
	}
	return m
}
