//go:build cgo && linux

package quantize

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// convolutional is two convolutions with a residual, pooling and a last Gemm.
func convolutional(opset int64) *network {
	pads := func() *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: "pads", Type: onnxpb.AttributeProto_INTS, Ints: []int64{1, 1, 1, 1}}
	}
	pool := &onnxpb.AttributeProto{Name: "kernel_shape", Type: onnxpb.AttributeProto_INTS, Ints: []int64{2, 2}}
	strides := &onnxpb.AttributeProto{Name: "strides", Type: onnxpb.AttributeProto_INTS, Ints: []int64{2, 2}}
	return newNetwork(opset).input("x", 1, 3, 8, 8).weight("w1", 8, 3, 3, 3).weight("b1", 8).weight("w2", 8, 8, 3, 3).weight("b2", 8).
		weight("w3", 10, 128).weight("b3", 10).
		node("Conv x w1 b1 > c1", pads()).node("Relu c1 > r1").node("Conv r1 w2 b2 > c2", pads()).node("Add c2 r1 > s").
		node("MaxPool s > p", pool, strides).node("Flatten p > f").node("Gemm f w3 b3 > y", intAttribute("transB", 1)).output("y", 1, 10)
}

func TestStaticFusesAndKeepsQuality(t *testing.T) {
	for _, opset := range []int64{10, 11, 12, 13, 17, 21} {
		t.Run(fmt.Sprint(opset), func(t *testing.T) {
			res, out, err := static(t, convolutional(opset).save(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.Fused["QLinearConv"] != 2 || res.Nodes.Quantized < 5 {
				t.Errorf("fused %v, nodes %+v", res.Fused, res.Nodes)
			}
			if n := res.Nodes; n.Total != n.Quantized+len(n.LeftFloat) {
				t.Errorf("%d nodes, of which %d are quantized and these not: %v", n.Total, n.Quantized, n.LeftFloat)
			}
			if q := exact(res); q.SQNR == nil || *q.SQNR < 28 || q.Examples != 16 {
				t.Errorf("quality %s", shown(q))
			}
			loadsEverywhere(t, out)
		})
	}
}

func TestOptionsKeepQuality(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*Options)
		decibels float64
	}{
		"tensor":   {func(o *Options) { o.PerChannel = false }, 25},
		"reduced":  {func(o *Options) { o.ReduceRange = true }, 22},
		"unfolded": {func(o *Options) { o.Prepare = false }, 28},
	} {
		t.Run(name, func(t *testing.T) {
			res, _ := faithful(t, convolutional(17), c.decibels, func(q *Request) { c.change(&q.Options) })
			others := slices.DeleteFunc(res.Warnings, func(w string) bool { return saturates && strings.Contains(w, "saturate") })
			if res.Fused["QLinearConv"] != 2 || len(others) > 0 {
				t.Errorf("fused %v, warnings %q", res.Fused, others)
			}
		})
	}
}

// On x86 the runtime turns signed activations into unsigned ones, but not where a value is read twice: what is lost is said.
func TestSignedActivationsSayWhatIsNotFused(t *testing.T) {
	for _, symmetric := range []bool{false, true} {
		res, _ := faithful(t, convolutional(17), 25, func(q *Request) { q.Options.Activation, q.Options.Symmetric = tensor.Int8, symmetric })
		if res.Fused["QLinearConv"] < 2 && !has(res.Warnings, "nodes remain") {
			t.Errorf("fused %v, warnings %q", res.Fused, res.Warnings)
		}
	}
}

// What nothing takes in 8 bits is left float by a product, and its range is not asked for; what a product takes behind it is not.
func TestProductsGiveFloatsWhereNothingTakesBytes(t *testing.T) {
	n := newNetwork(17).input("x", 4, 16).weight("w", 16, 16).weight("v", 16, 16).weight("u", 16, 16).
		node("MatMul x w > a").node("Transpose a > b", ints("perm", 1, 0)).node("Transpose b > c", ints("perm", 1, 0)).node("MatMul c v > d").
		node("Transpose d > e", ints("perm", 1, 0)).node("Tanh e > f").node("Transpose f > g", ints("perm", 1, 0)).node("MatMul g u > y").output("y", 4, 16)
	res, ops := faithful(t, n, 20, func(q *Request) { q.Options.Prepare = false })
	if got := slices.Sorted(maps.Keys(res.Ranges)); !slices.Equal(got, []string{"a", "g", "x"}) || ops["QuantizeLinear"] != 5 {
		t.Errorf("ranges of %v, %v", got, ops)
	}
}

func TestRelusDisappear(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Uint8, tensor.Int8} {
		if _, ops := faithful(t, convolutional(17), 25, func(q *Request) { q.Options.Activation = d }); ops["Relu"] != 0 {
			t.Errorf("%s: %v", d, ops)
		}
	}
	if _, ops := faithful(t, convolutional(17), 25, func(q *Request) { q.Options.Symmetric = true }); ops["Relu"] != 1 {
		t.Errorf("a symmetric range does not cut off what is negative: %v", ops)
	}
}

func TestWhatStaysFloatSaysWhy(t *testing.T) {
	n := newNetwork(17).input("x", 4, 16).weight("w", 16, 16).weight("v", 16, 16).
		node("MatMul x w > h").node("Tanh h > k").node("Relu k > r").node("MatMul r r2 > y").node("Transpose x > r2").output("y", 4, 4)
	g := n.model.Graph
	g.Node[3], g.Node[4] = g.Node[4], g.Node[3]
	res, _, err := static(t, n.save(t), func(q *Request) { q.Options.Prepare = false })
	if err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for _, left := range res.Nodes.LeftFloat {
		why[left.Node] = left.Why
	}
	for node, want := range map[string]string{"Tanh_k": "not one that is quantized", "Relu_r": "between quantized values", "MatMul_y": "computed, not a constant"} {
		if !strings.Contains(why[node], want) {
			t.Errorf("%s: %q, want %q", node, why[node], want)
		}
	}
	if len(why) != 3 {
		t.Errorf("%v", why)
	}
}

func TestFarOutputsAreWarnedOf(t *testing.T) {
	n := newNetwork(17).input("x", 4, 16).weight("w", 16, 16).constant("one", []float32{1000}).node("MatMul x w > h").node("Mul h one > g").node("Sin g > y").output("y", 4, 16)
	res, _, err := static(t, n.save(t), nil)
	if err != nil || !has(res.Warnings, "far from the original's") {
		t.Errorf("%v %v", res.Warnings, err)
	}
}

func TestWhatIsExcludedIsNamed(t *testing.T) {
	res, _, err := static(t, convolutional(17).save(t), func(q *Request) { q.Options.Exclude = "Conv_c1"; q.Options.Prepare = false })
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(res.Nodes.LeftFloat, func(l NodeLeft) bool { return l.Node == "Conv_c1" })
	if i < 0 || !strings.Contains(res.Nodes.LeftFloat[i].Why, "--exclude") || res.Fused["QLinearConv"] != 1 {
		t.Errorf("%+v, fused %v", res.Nodes, res.Fused)
	}
}

// Every awkward network gives what it gave in float.
func TestAwkwardGraphs(t *testing.T) {
	square := func() *network { return newNetwork(17).input("x", 4, 16) }
	for name, n := range map[string]*network{
		"names that are taken": square().weight("w", 16, 16).weight("x_scale", 16).weight("w_quantized", 16).weight("x_zero_point", 16).
			node("MatMul x w > h").node("Mul h x_scale > x_QuantizeLinear_Output").node("Add x_QuantizeLinear_Output w_quantized > w_scale").
			node("Sub w_scale x_zero_point > y").output("y", 4, 16),
		"one weight along two axes": square().weight("w", 8, 16).weight("b", 8).weight("c", 16).
			node("Gemm x w b > h", intAttribute("transB", 1)).node("Tanh h > k").node("Gemm k w c > y").output("y", 4, 16),
		"one bias of two nodes": square().weight("v", 16, 16).weight("w", 16, 16).weight("b", 16).
			node("Gemm x v b > h").node("Tanh h > k").node("Gemm k w b > y").output("y", 4, 16),
		"a bias that is an operand too": square().weight("w", 16, 16).weight("b", 16).
			node("Gemm x w b > h").node("Mul h b > y").output("y", 4, 16),
		"a bias in a row":        square().weight("w", 16, 16).weight("b", 1, 16).node("Gemm x w b > y").output("y", 4, 16),
		"a bias of one":          square().weight("w", 16, 16).weight("b", 1).node("Gemm x w b > y").output("y", 4, 16),
		"a scalar bias":          square().weight("w", 16, 16).weight("b").node("Gemm x w b > y").output("y", 4, 16),
		"a bias for each row":    square().weight("w", 16, 16).weight("b", 4, 16).node("Gemm x w b > y").output("y", 4, 16),
		"a bias in a column":     square().weight("w", 16, 16).weight("b", 4, 1).node("Gemm x w b > y").output("y", 4, 16),
		"a bias that is fed":     square().input("b", 4, 16).weight("w", 16, 16).node("Gemm x w b > y").output("y", 4, 16),
		"beta":                   square().weight("w", 16, 16).weight("b", 16).node("Gemm x w b > y", floatAttribute("beta", 3)).output("y", 4, 16),
		"a weight of three axes": newNetwork(17).input("x", 2, 4, 16).weight("w", 2, 16, 8).node("MatMul x w > y").output("y", 2, 4, 8),
		"an output that is read": square().weight("v", 16, 16).weight("w", 16, 16).node("MatMul x v > y").node("Relu y > r").node("MatMul r w > z").
			output("y", 4, 16).output("z", 4, 16),
		"an input that is rectified": square().weight("w", 16, 16).node("Relu x > r").node("MatMul r w > y").output("y", 4, 16),
		"a value read beside its Relu": square().weight("v", 16, 16).weight("w", 16, 16).node("MatMul x v > h").node("Relu h > r").node("MatMul r w > k").
			node("Add h k > y").output("y", 4, 16),
		"weights of zero":       square().constant("w", make([]float32, 256), 16, 16).weight("b", 16).node("Gemm x w b > y").output("y", 4, 16),
		"a subgraph that reads": conditional(),
	} {
		for _, perChannel := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", name, perChannel), func(t *testing.T) {
				faithful(t, n, 28, func(q *Request) { q.Options.PerChannel = perChannel })
			})
		}
	}
}

// conditional reads an activation and a weight from within both branches of an If.
func conditional() *network {
	n := newNetwork(17).input("x", 4, 16).weight("w", 16, 16).node("MatMul x w > h").node("ReduceSum x > s", intAttribute("keepdims", 0)).
		weight("zero").node("Greater s zero > c")
	branch := func(op string) *onnxpb.GraphProto {
		out := "h_scale" // a name that ours would take
		return &onnxpb.GraphProto{Name: op, Node: []*onnxpb.NodeProto{{OpType: op, Name: op, Input: []string{"h", "w0"}, Output: []string{out}}},
			Output: []*onnxpb.ValueInfoProto{valueInfo(out, 4, 16)}}
	}
	n.weight("w0", 16)
	return n.node("If c > i", &onnxpb.AttributeProto{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("Add")},
		&onnxpb.AttributeProto{Name: "else_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("Sub")}).
		weight("v", 16, 16).node("MatMul i v > y").output("y", 4, 16)
}
