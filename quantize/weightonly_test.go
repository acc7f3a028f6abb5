//go:build cgo && linux

package quantize

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// blockedOptions asks for weights of so many bits.
func blockedOptions(bits int, change func(*Options)) func(*Request) {
	return func(q *Request) {
		q.Options = Options{Scheme: SchemeInt4Weight, Prepare: true}
		if bits == 8 {
			q.Options.Scheme = SchemeInt8Weight
		}
		if change != nil {
			change(&q.Options)
		}
	}
}

// Thresholds are the figures of notes for normal data (21.3 and 45.5 dB at 32 a block, 19.8 at 128), less 2 dB.
func TestBlockedProductsAreNearTheFloatOnes(t *testing.T) {
	for _, c := range []struct {
		bits, block int
		symmetric   bool
		form        string
		level       int
		decibels    float64
	}{
		{4, 32, true, FormNBits, 0, 19.3},
		{4, 32, false, FormNBits, 0, 19.9},
		{4, 128, true, FormNBits, 0, 17.8},
		{4, 128, false, FormNBits, 4, 18},
		{4, 16, false, FormNBits, 4, 20},
		{4, 256, true, FormNBits, 0, 16},
		{8, 32, true, FormNBits, 0, 43.5},
		{8, 32, false, FormNBits, 0, 44.5},
		{8, 256, false, FormNBits, 0, 41},
		{4, 32, true, FormQDQ, 0, 19.3},
		{4, 32, false, FormQDQ, 0, 19.9},
		{8, 32, true, FormQDQ, 0, 41},
		{8, 64, false, FormQDQ, 0, 41},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			n := newNetwork(17).input("x", 4, 512).weight("w", 512, 192).node("MatMul x w > y").output("y", 4, 192)
			var out string
			_, ops := faithful(t, n, c.decibels, func(q *Request) {
				blockedOptions(c.bits, func(o *Options) {
					o.Block, o.Symmetric, o.Form, o.AccuracyLevel = c.block, c.symmetric, c.form, c.level
				})(q)
				out = q.Out
			})
			if c.form == FormNBits && (ops["com.microsoft.MatMulNBits"] != 1 || ops["MatMul"] != 0) || c.form == FormQDQ && ops["DequantizeLinear"] != 1 {
				t.Errorf("operators %v", ops)
			}
			loadsEverywhere(t, out)
		})
	}
}

func TestBlockedGemmKeepsItsScaleAndBias(t *testing.T) {
	for _, form := range []string{FormNBits, FormQDQ} {
		for _, transposed := range []int64{0, 1} {
			t.Run(fmt.Sprint(form, transposed), func(t *testing.T) {
				rows, columns := int64(96), int64(24)
				if transposed == 1 {
					rows, columns = columns, rows
				}
				n := newNetwork(13).input("x", 5, 96).weight("w", rows, columns).weight("c", 24).
					node("Gemm x w c > y", intAttribute("transB", transposed), floatAttribute("alpha", 0.5), floatAttribute("beta", 3)).output("y", 5, 24)
				_, ops := faithful(t, n, 43, blockedOptions(8, func(o *Options) { o.Form, o.Prepare = form, false }))
				if form == FormNBits && (ops["com.microsoft.MatMulNBits"] != 1 || ops["Add"] != 1 || ops["Gemm"] != 0) {
					t.Errorf("operators %v", ops)
				}
			})
		}
	}
}

func TestBlockedTables(t *testing.T) {
	for _, bits := range []int{4, 8} {
		for _, symmetric := range []bool{true, false} {
			n := newNetwork(17).input("x", 1, 70).weight("table", 40, 70).constant("row", []float32{0}).output("y", 3, 1)
			n.model.Graph.Initializer[1] = &onnxpb.TensorProto{Name: "row", DataType: int32(tensor.Int64), Dims: []int64{3}, RawData: int64Bytes(3, -1, 39)}
			n.weight("w", 70, 33).node("Gather table row > rows").node("Transpose rows > turned").node("MatMul x turned > z").node("MatMul rows w > v").output("v", 3, 33)
			n.model.Graph.Output[0] = valueInfo("z", 1, 3)
			_, ops := faithful(t, n, map[int]float64{4: 14, 8: 38}[bits], blockedOptions(bits, func(o *Options) {
				o.Symmetric, o.OpTypes, o.Prepare = symmetric, []string{"MatMul", "Gather"}, false
			}))
			if ops["com.microsoft.GatherBlockQuantized"] != 1 || ops["com.microsoft.MatMulNBits"] != 1 {
				t.Errorf("%d bits, symmetric %v: operators %v", bits, symmetric, ops)
			}
		}
	}
}

func int64Bytes(values ...int64) []byte {
	var out []byte
	for _, v := range values {
		for i := range 8 {
			out = append(out, byte(v>>(8*i)))
		}
	}
	return out
}

// referenceModel is that of testdata/quantize/weightonly.py. Its matrices end with a byte of codes, so that nothing beyond them is compared.
func referenceModel() *network {
	n := newNetwork(21)
	n.model.IrVersion = 10
	index := valueInfo("i", 1, 5)
	index.Type.GetTensorType().ElemType = int32(tensor.Int64)
	n.model.Graph.Input = append(n.model.Graph.Input, index)
	n.output("z", 1, 5, 20).constant("W", hashedMatrix(64, 48, 1, "normal"), 64, 48).constant("V", hashedMatrix(48, 20, 2, "normal"), 1, 48, 20).
		constant("T", hashedMatrix(50, 64, 3, "normal"), 50, 64)
	for _, text := range []string{"look Gather T i > x", "first MatMul x W > y", "second MatMul y V > z"} {
		name, rest, _ := strings.Cut(text, " ")
		n.node(rest).model.Graph.Node[len(n.model.Graph.Node)-1].Name = name
	}
	n.model.Graph.ValueInfo = []*onnxpb.ValueInfoProto{valueInfo("x", 1, 5, 64), valueInfo("y", 1, 5, 48)}
	return n
}

func TestBlockedModelIsNamedAndWiredAsTheReferences(t *testing.T) {
	type node struct {
		Name, Type, Domain string
		Inputs, Outputs    []string
		Attributes         map[string]int64
	}
	var golden struct {
		Models map[string]struct {
			Nodes        []node
			Initializers map[string]struct {
				Type   int32
				Dims   []int64
				SHA256 string
			}
		}
	}
	readWeightOnly(t, &golden)
	if len(golden.Models) != 4 {
		t.Fatalf("%d models in the golden", len(golden.Models))
	}
	for name, want := range golden.Models {
		form, symmetric, _ := strings.Cut(name, " ")
		_, out, err := static(t, referenceModel().save(t), func(q *Request) {
			blockedOptions(4, func(o *Options) {
				o.Form, o.Symmetric, o.Prepare = form, symmetric != "", false
				if form == FormNBits {
					o.OpTypes = []string{"MatMul", "Gather"}
				}
			})(q)
			q.Examples = nil
		})
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnx.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var got []node
		for _, n := range m.Proto.Graph.Node {
			v := node{n.Name, n.OpType, n.Domain, n.Input, n.Output, map[string]int64{}}
			for _, a := range n.Attribute {
				v.Attributes[a.Name] = a.I
			}
			got = append(got, v)
		}
		if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want.Nodes); a != b {
			t.Errorf("%s: nodes\n%s\nwant\n%s", name, a, b)
		}
		for _, tensorName := range slices.Sorted(maps.Keys(want.Initializers)) {
			w := want.Initializers[tensorName]
			g := m.Initializer(tensorName)
			if g == nil {
				t.Errorf("%s: no initializer %s", name, tensorName)
				continue
			}
			v, err := m.Tensor(g)
			if err != nil {
				t.Fatal(err)
			}
			if g.DataType != w.Type || !slices.Equal(g.Dims, w.Dims) || shortSum(v.Data) != w.SHA256 {
				t.Errorf("%s: %s is of type %d and dims %v with other bytes than the reference's of type %d and dims %v", name, tensorName, g.DataType, g.Dims, w.Type, w.Dims)
			}
		}
	}
}

func TestBlockedWeightIsQuantizedOnceAndKeptWhereItIsRead(t *testing.T) {
	n := newNetwork(17).input("x", 4, 64).weight("w", 64, 64).weight("kept", 64, 64).
		node("MatMul x w > a").node("MatMul a w > b").node("MatMul b kept > c").node("Add c kept > y").output("y", 4, 64)
	n.model.Graph.Output[0] = valueInfo("d", 4, 64)
	n.model.Graph.Node = n.model.Graph.Node[:3]
	n.node("ReduceSum kept > sum", intAttribute("keepdims", 0)).node("Add c sum > d")
	n.model.Graph.Node[0].Name = ""
	var out string
	faithful(t, n, 38, func(q *Request) {
		blockedOptions(8, func(o *Options) { o.Prepare = false })(q)
		out = q.Out
	})
	m, err := onnx.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var names []string
	for _, i := range m.Proto.Graph.Initializer {
		names = append(names, i.Name)
	}
	if want := []string{"kept", "w_Q8", "w_scales", "w_zero_points", "kept_Q8", "kept_scales", "kept_zero_points"}; !slices.Equal(names, want) {
		t.Errorf("weights %v, want %v", names, want)
	}
	for _, node := range m.Proto.Graph.Node {
		if node.Name == "" {
			t.Error("a node has no name")
		}
	}
}

// A weight that a branch reads, or that the model gives, stays beside its integers.
func TestBlockedWeightsThatAreReadElsewhere(t *testing.T) {
	within := newNetwork(17).input("x", 4, 32).weight("w", 32, 32).constant("none", []float32{0}).
		node("MatMul x w > a").node("ReduceMax x > top", intAttribute("keepdims", 0)).node("Greater top none > yes").node("If yes > b",
		graphAttribute("then_branch", newNetwork(17).node("MatMul a w > t").inner("then", nil, []string{"t"})),
		graphAttribute("else_branch", newNetwork(17).node("Identity a > e").inner("else", nil, []string{"e"}))).node("Relu b > y").output("y", 4, 32)
	given := newNetwork(17).input("x", 4, 32).weight("w", 32, 32).node("MatMul x w > y").output("y", 4, 32).output("w", 32, 32)
	for name, n := range map[string]*network{"in a branch": within, "an output": given} {
		for _, bits := range []int{4, 8} {
			_, out, err := static(t, n.save(t), blockedOptions(bits, nil))
			if err != nil {
				t.Errorf("%s, %d bits: %v", name, bits, err)
				continue
			}
			m, err := onnx.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if m.Initializer("w") == nil || m.Info().Operators["com.microsoft.MatMulNBits"] != 1 {
				t.Errorf("%s, %d bits: w is gone, or nothing is quantized: %v", name, bits, m.Info().Operators)
			}
		}
	}
}

func TestNodesThatStayFloatSayWhy(t *testing.T) {
	n := newNetwork(17).input("x", 2, 64).input("b", 64, 8).weight("w", 64, 64).weight("stack", 3, 64, 64).weight("vector", 64).weight("tiny", 64, 2).weight("one", 1, 1, 64, 64).
		weight("table", 30, 64).constant("row", []float32{0}).
		node("MatMul x w > y").node("MatMul x b > computed").node("MatMul x stack > stacked").node("MatMul x vector > v").
		node("MatMul x one > o").node("Gemm w x > turned", intAttribute("transB", 1)).node("Relu y > r").node("MatMul y w > excluded").node("Gather table row > g").
		output("y", 2, 64)
	n.model.Graph.Initializer[len(n.model.Graph.Initializer)-1] = &onnxpb.TensorProto{Name: "row", DataType: int32(tensor.Int64), Dims: []int64{1}, RawData: int64Bytes(2)}
	for _, name := range []string{"computed", "stacked", "v", "o", "turned", "r", "excluded", "g"} {
		n.model.Graph.Output = append(n.model.Graph.Output, &onnxpb.ValueInfoProto{Name: name})
	}
	m, err := onnx.Open(n.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	w, err := newWeightOnly(m, Options{Scheme: SchemeInt4Weight, Exclude: "excluded"})
	if err != nil {
		t.Fatal(err)
	}
	c := w.counts()
	want := map[string]string{"MatMul_computed": "computed", "MatMul_stacked": "stack", "MatMul_v": "vector", "MatMul_o": "more dimensions", "Gemm_turned": "computed",
		"Relu_r": "no form", "MatMul_excluded": "--exclude", "Gather_g": "--op-types"}
	if c.Quantized != 1 || len(c.LeftFloat) != len(want) {
		t.Errorf("%d quantized, left %v", c.Quantized, c.LeftFloat)
	}
	for _, left := range c.LeftFloat {
		if text, ok := want[left.Node]; !ok || !strings.Contains(left.Why, text) {
			t.Errorf("%s stays float because %q, want something of %q", left.Node, left.Why, text)
		}
	}
}

func TestBadBlocksAreRefused(t *testing.T) {
	plain := func() *network {
		return newNetwork(17).input("x", 2, 20).weight("w", 20, 8).node("MatMul x w > y").output("y", 2, 8)
	}
	for name, c := range map[string]struct {
		model  *network
		change func(*Options)
		want   string
	}{
		"block of 48":        {plain(), func(o *Options) { o.Block = 48 }, "--block 48"},
		"block of 512":       {plain(), func(o *Options) { o.Block = 512 }, "--block 512"},
		"method":             {plain(), func(o *Options) { o.WeightMethod = "magic" }, "magic"},
		"form":               {plain(), func(o *Options) { o.Form = "magic" }, "magic"},
		"level":              {plain(), func(o *Options) { o.AccuracyLevel = 9 }, "--accuracy-level 9"},
		"level of the other": {plain(), func(o *Options) { o.AccuracyLevel, o.Form = 4, FormQDQ }, "session.qdq_matmulnbits_accuracy_level"},
		"include":            {plain(), func(o *Options) { o.Include = "nowhere" }, "matches no node"},
		"exclude":            {plain(), func(o *Options) { o.Exclude = "nowhere" }, "matches no node"},
		"no weights":         {newNetwork(17).input("x", 2, 20).node("Relu x > y").output("y", 2, 20), nil, "nothing can be quantized"},
		"type":               {plain(), func(o *Options) { o.OpTypes = []string{"Relu"} }, "Relu has no form"},
	} {
		_, out, err := static(t, c.model.save(t), blockedOptions(4, c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a file was left", name)
		}
	}
	n := newNetwork(17).input("x", 2, 64).weight("fine", 64, 64).weight("broken", 64, 64).node("MatMul x fine > z").node("MatMul z broken > y").output("y", 2, 64)
	raw := n.model.Graph.Initializer[1].RawData
	copy(raw[4*1000:], floatBytes([]float32{float32(math.Inf(1))}))
	_, out, err := static(t, n.save(t), blockedOptions(4, func(o *Options) { o.Prepare = false }))
	if err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "NaN or infinite") {
		t.Errorf("an infinite weight: error %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); len(files) > 0 {
		t.Errorf("files were left: %v", files)
	}
}

func TestBlocksLongerThanTheMatrix(t *testing.T) {
	n := newNetwork(17).input("x", 2, 20).weight("w", 20, 8).node("MatMul x w > y").output("y", 2, 8)
	var out string
	faithful(t, n, 17, func(q *Request) {
		blockedOptions(4, func(o *Options) { o.Block = 64 })(q)
		out = q.Out
	})
	loadsEverywhere(t, out)
}

func TestBlockedModelsAreTheSameBytes(t *testing.T) {
	n := newNetwork(17).input("x", 2, 300).weight("w", 300, 200).weight("v", 200, 70).node("MatMul x w > z").node("MatMul z v > y").output("y", 2, 70).save(t)
	var first []byte
	for range 3 {
		_, out, err := static(t, n, blockedOptions(4, func(o *Options) { o.WeightMethod = WeightKQuant }))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(first, b) {
			t.Fatal("the same model and options gave other bytes")
		}
	}
}
