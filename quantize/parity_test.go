//go:build cgo && linux

package quantize

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// parity compares what a scheme makes of prepared models with what a tool of the reference does, in several ways.
type parity struct {
	script, prefix string                     // of testdata/quantize, and of its goldens there
	options        Options                    // of the preparation
	made           map[string]func() *network // models that have what the published ones lack
	kept           []string                   // models whose goldens are kept in the repository; ASSAY_LONG compares every model there is
	choices        []choice
	deviations     map[string]map[string]string // by model and name, why assay means to do something else; see deviation
	// rewrite quantizes a model as a golden's case and a choice say. It gives why it cannot, "" where it has.
	rewrite func(t *testing.T, m *onnx.Model, c goldenCase, types []string) string
}

// choice is a way of choosing what is quantized. The reference's own is compared as a whole, another where both quantize.
type choice struct {
	name  string
	types []string
	whole bool
}

// goldenModel is what the reference makes of one prepared model in several ways: of every initializer and every Q/DQ node a few digits of a
// hash for each way, or dashes. golden.py says how.
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

// ofGoldens compares with what is kept in the repository.
func (p *parity) ofGoldens(t *testing.T) {
	for _, name := range p.kept {
		t.Run(name, func(t *testing.T) {
			var g goldenModel
			readGolden(t, p.prefix+strings.TrimSuffix(name, ".onnx")+".json", &g)
			p.compare(t, g, p.prepared(t, name))
		})
	}
}

// prepared prepares a golden's model.
func (p *parity) prepared(t *testing.T, name string) string {
	t.Helper()
	if made := p.made[name]; made != nil {
		return made().save(t)
	}
	out := filepath.Join(t.TempDir(), name)
	if err := Prepare(t.Context(), loaded(t), modelFile(t, name), out, p.options); err != nil {
		t.Fatal(err)
	}
	return out
}

// compare quantizes a prepared model in every way of a golden, by each choice.
func (p *parity) compare(t *testing.T, g goldenModel, path string) {
	if identity(t, path) != g.Identity {
		t.Fatalf("the prepared model is not the one that the golden was made from; make it again with -update")
	}
	seen := map[string]bool{}
	for _, how := range p.choices {
		for way, c := range g.Cases {
			for _, prefix := range p.compareWay(t, &g, path, how, way, c) {
				seen[prefix] = true
			}
		}
	}
	for prefix := range p.deviations[g.Model] {
		if !seen[prefix] {
			t.Errorf("it does not deviate at %s any more", prefix)
		}
	}
}

// compareWay gives the deviations that it met.
func (p *parity) compareWay(t *testing.T, g *goldenModel, path string, how choice, way int, c goldenCase) (met []string) {
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if why := p.rewrite(t, m, c, how.types); why != "" {
		t.Logf("assay refuses %+v: %s", c, why)
		return nil
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	if c.Error != "" {
		t.Logf("the reference stops at %+v", c)
		return nil
	}
	same, different := compareWithReference(t, m, g, way, how.whole)
	label := fmt.Sprintf("%s of %+v", how.name, c)
	if how.whole && same < len(different) {
		t.Errorf("%s: only %d names are the reference's", label, same)
	}
	for _, name := range slices.Sorted(maps.Keys(different)) {
		prefix, known := deviation(p.deviations[g.Model], how.name, name)
		if !known {
			t.Errorf("%s: %s: %s", label, name, different[name])
		}
		met = append(met, prefix)
	}
	if way == 0 {
		t.Logf("%s: %d initializers and nodes are equal, %d deviate", label, same, len(different))
	}
	return met
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
