//go:build cgo && linux

package quantize

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

func dynamicOptions(change func(*Options)) func(*Request) {
	return func(q *Request) {
		q.Options = Options{Scheme: SchemeInt8Dynamic, PerChannel: true, Prepare: true}
		if change != nil {
			change(&q.Options)
		}
	}
}

// Figures are those of the notes for normal data (36.6 dB by tensor, 32.4 in 7 bits), less 2 dB.
func TestDynamicProductsAreNearTheFloatOnes(t *testing.T) {
	for _, kind := range []tensor.DType{tensor.Int8, tensor.Uint8} {
		for _, perChannel := range []bool{true, false} {
			for _, reduced := range []bool{false, true} {
				t.Run(fmt.Sprint(kind, perChannel, reduced), func(t *testing.T) {
					least := 34.5
					if reduced {
						least = 30
					}
					n := newNetwork(17).input("x", 2, 16, 128).weight("w", 128, 96).weight("stack", 2, 96, 40).weight("one", 1, 40, 32).
						node("MatMul x w > a").node("MatMul a stack > b").node("MatMul b one > y").output("y", 2, 16, 32)
					var out string
					res, ops := faithful(t, n, least-4, func(q *Request) {
						dynamicOptions(func(o *Options) { o.Weight, o.PerChannel, o.ReduceRange = kind, perChannel, reduced })(q)
						out = q.Out
					})
					if ops["MatMulInteger"] != 3 || ops["MatMul"] != 0 || res.Fused["DynamicQuantizeMatMul"] != 3 {
						t.Errorf("operators %v, fused %v", ops, res.Fused)
					}
					loadsEverywhere(t, out)
				})
			}
		}
	}
}

// Every kind of node that is quantized, in one model that the runtime takes at every level.
func TestDynamicOperators(t *testing.T) {
	for _, perChannel := range []bool{true, false} {
		var out string
		res, ops := faithful(t, dynamicRules(), 25, func(q *Request) {
			dynamicOptions(func(o *Options) { o.PerChannel, o.OpTypes, o.Prepare = perChannel, []string{AllTypes}, false })(q)
			out = q.Out
		})
		want := map[string]int{"MatMulInteger": 6, "ConvInteger": 1, "com.microsoft.DynamicQuantizeLSTM": 1, "com.microsoft.QAttention": 1, "Gather": 1, "DynamicQuantizeLinear": 3, "DequantizeLinear": 0}
		for op, count := range want {
			if ops[op] != count {
				t.Errorf("%d %s, want %d: %v", ops[op], op, count, ops)
			}
		}
		for _, op := range []string{"DynamicQuantizeLSTM", "QAttention", "ConvInteger", "MatMulIntegerToFloat"} {
			if res.Fused[op] == 0 {
				t.Errorf("fused %v, without %s", res.Fused, op)
			}
		}
		if !has(res.Warnings, "convolutions") {
			t.Errorf("nothing warns of convolutions: %v", res.Warnings)
		}
		loadsEverywhere(t, out)
	}
}

func TestDynamicNodesThatStayFloatSayWhy(t *testing.T) {
	n := newNetwork(17).input("x", 2, 8).input("b", 8, 8).input("s", 3, 2, 8).weight("w", 8, 8).weight("vector", 8).weight("kernel", 8, 1, 1).weight("table", 30, 8).whole("row", 2).
		weight("W", 1, 16, 8).weight("R", 1, 16, 4).
		node("MatMul x w > y").node("MatMul x b > computed").node("MatMul x vector > v").node("Gemm x w > scaled", floatAttribute("alpha", 2)).
		node("Gemm x w > turned", intAttribute("transA", 1)).node("Conv s kernel > convolved").node("Gather table row > g").node("Relu y > r").
		node("MatMul y w > excluded").node("LSTM s W R > first", intAttribute("hidden_size", 4), intAttribute("layout", 1)).node("MatMul w w > constants").output("y", 2, 8)
	for _, node := range n.model.Graph.Node[1:] {
		n.model.Graph.Output = append(n.model.Graph.Output, &onnxpb.ValueInfoProto{Name: node.Output[0]})
	}
	m, err := onnx.Open(n.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	d, err := newDynamic(m, Options{Scheme: SchemeInt8Dynamic, Exclude: "excluded"})
	if err != nil {
		t.Fatal(err)
	}
	c := d.counts()
	want := map[string]string{"MatMul_computed": "computed", "MatMul_v": "vector", "Gemm_scaled": "alpha", "Gemm_turned": "transposed", "Conv_convolved": "slower",
		"Gather_g": "--op-types", "Relu_r": "not one that is quantized", "MatMul_excluded": "--exclude", "LSTM_first": "batch comes first", "MatMul_constants": "constant"}
	if c.Quantized != 1 || len(c.LeftFloat) != len(want) {
		t.Errorf("%d quantized, left %v", c.Quantized, c.LeftFloat)
	}
	for _, left := range c.LeftFloat {
		if text, ok := want[left.Node]; !ok || !strings.Contains(left.Why, text) {
			t.Errorf("%s stays float because %q, want something of %q", left.Node, left.Why, text)
		}
	}
}

// A weight is quantized once for all that multiply by it, and stays beside its integers while something else reads it: another node, a graph
// within one, or whoever runs the model. A looked-up row is made float again for those who do not multiply it.
func TestDynamicWeightsAreKeptWhereTheyAreRead(t *testing.T) {
	n := newNetwork(17).input("x", 2, 8).weight("w", 8, 8).weight("shown", 8, 8).weight("added", 8, 8).weight("table", 9, 8).whole("ids", 1, 3).
		node("MatMul x w > a").node("MatMul a w > b").node("MatMul b shown > c").node("MatMul c added > d").node("Gather table ids > rows").
		node("MatMul rows w > e").node("Add rows e > f").node("Add d f > y").
		output("y", 2, 8).output("shown", 8, 8)
	n.model.Graph.Initializer = append(n.model.Graph.Initializer, &onnxpb.TensorProto{Name: "yes", DataType: int32(tensor.Bool), RawData: []byte{1}})
	branch := func(op string) *onnxpb.GraphProto {
		return &onnxpb.GraphProto{Name: op, Node: []*onnxpb.NodeProto{{OpType: op, Input: []string{"added"}, Output: []string{op + "_made"}}},
			Output: []*onnxpb.ValueInfoProto{valueInfo(op+"_made", 8, 8)}}
	}
	n.node("If yes > z", &onnxpb.AttributeProto{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("Neg")},
		&onnxpb.AttributeProto{Name: "else_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("Abs")}).output("z", 8, 8)
	var out string
	_, ops := faithful(t, n, 25, func(q *Request) {
		dynamicOptions(func(o *Options) { o.Prepare, o.OpTypes = false, []string{"MatMul", "Gather"} })(q)
		out = q.Out
	})
	if ops["DequantizeLinear"] != 1 || ops["MatMulInteger"] != 5 {
		t.Errorf("operators %v", ops)
	}
	m, err := onnx.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for name, there := range map[string]bool{"w": false, "table": false, "shown": true, "added": true, "w_quantized": true, "w_quantized_1": false} {
		if (m.Initializer(name) != nil) != there {
			t.Errorf("weight %s is there: %v", name, !there)
		}
	}
	loadsEverywhere(t, out)
}

func TestDynamicRefusals(t *testing.T) {
	plain := func() *network {
		return newNetwork(17).input("x", 2, 20).weight("w", 20, 8).node("MatMul x w > y").output("y", 2, 8)
	}
	infinite := plain()
	copy(infinite.model.Graph.Initializer[0].RawData[40:], floatBytes([]float32{float32(math.Inf(1))}))
	for name, c := range map[string]struct {
		model  *network
		change func(*Options)
		want   string
	}{
		"type":            {plain(), func(o *Options) { o.OpTypes = []string{"Relu"} }, "Relu has no form"},
		"near type":       {plain(), func(o *Options) { o.OpTypes = []string{"matmul"} }, `did you mean "MatMul"?`},
		"all and more":    {plain(), func(o *Options) { o.OpTypes = []string{"all", "MatMul"} }, "stands for every type"},
		"weight":          {plain(), func(o *Options) { o.Weight = tensor.Int4 }, "int8 and uint8"},
		"include":         {plain(), func(o *Options) { o.Include = "nowhere" }, "matches no node"},
		"no weights":      {newNetwork(17).input("x", 2, 20).node("Relu x > y").output("y", 2, 20), nil, "nothing can be quantized"},
		"infinite weight": {infinite, nil, "weight w holds NaN or infinite values"},
		"old":             {newNetwork(10).input("x", 2, 20).weight("w", 20, 8).node("MatMul x w > y").output("y", 2, 8), func(o *Options) { o.Prepare = false }, "begin with opset 11"},
	} {
		_, out, err := static(t, c.model.save(t), dynamicOptions(c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a file was left", name)
		}
	}
}
