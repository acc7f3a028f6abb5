//go:build cgo && linux

package quantize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"assay/backend"
	"assay/onnx"
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

// A processor without VNNI loses what weights in 7 bits keep, and the result says so; one with VNNI loses nothing.
func TestSaturationIsMeasuredAndSaid(t *testing.T) {
	full, _ := faithful(t, convolutional(17), 28, nil)
	reduced, _ := faithful(t, convolutional(17), 22, func(q *Request) { q.Options.ReduceRange = true })
	if (full.Exact != nil) != saturates || (reduced.Exact != nil) != saturates {
		t.Fatalf("measured without saturation: %v and %v, on a processor that has it: %v", full.Exact, reduced.Exact, saturates)
	}
	if has(full.Warnings, "saturate") != saturates || has(reduced.Warnings, "saturate") {
		t.Errorf("warnings %q, and with weights in 7 bits %q", full.Warnings, reduced.Warnings)
	}
	if !saturates {
		return
	}
	if lost := *full.Exact.SQNR - *full.Quality.SQNR; lost < 3 {
		t.Errorf("%v dB are lost to saturation", lost)
	}
	if lost := *reduced.Exact.SQNR - *reduced.Quality.SQNR; math.Abs(lost) > leastLoss {
		t.Errorf("%v dB are lost with weights in 7 bits", lost)
	}
}

func TestSaturationWarningNamesTheLossAndTheRemedy(t *testing.T) {
	at := func(db float64) Fidelity { return Fidelity{Outputs: []OutputFidelity{{Name: "y", SQNR: &db}}} }
	equal := Fidelity{Outputs: []OutputFidelity{{Name: "y", Identical: true}}}
	static := DefaultOptions()
	for _, c := range []struct {
		o           Options
		here, exact Fidelity
		want        string
	}{
		{static, at(12.3), at(30.1), "output y loses 17.8 dB (12.3 instead of 30.1); for processors like this one make it with --reduce-range"},
		{static, at(30.08), at(30.1), ""},
		{static, at(31), at(30.1), ""},
		{static, equal, at(30), ""},
		{static, at(30), equal, "y is at 30.0 dB instead of equal"},
		{Options{Scheme: SchemeInt8Dynamic}, at(12), at(30), "for processors like this one make it with --reduce-range"},
		{Options{Scheme: SchemeInt8Dynamic, ReduceRange: true}, at(12), at(30), "run it with --session-config session.x64quantprecision=1"},
	} {
		if got := saturationWarning(c.o, c.here, c.exact); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s and %s: %q, want %q", shown(c.here), shown(c.exact), got, c.want)
		}
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

func TestEqualRequestsGiveEqualFiles(t *testing.T) {
	model := convolutional(17).save(t)
	var files [2][]byte
	for i := range files {
		_, out, err := static(t, model, func(q *Request) { q.Lineage = Lineage("sha", "calibration", q.Options, "tool") })
		if err != nil {
			t.Fatal(err)
		}
		if files[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
		m, err := onnx.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Metadata(); got["assay.source_sha256"] != "sha" || !strings.Contains(got["assay.options"], "PerChannel") {
			t.Errorf("lineage %v", got)
		}
		m.Close()
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("two runs differ")
	}
}

func TestRangesStandInForCalibration(t *testing.T) {
	model := convolutional(17).save(t)
	first, out, err := static(t, model, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := static(t, model, func(q *Request) { q.Examples, q.Ranges = nil, first.Ranges })
	if err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(out)
	if b, _ := os.ReadFile(again); !bytes.Equal(a, b) {
		t.Error("saved ranges give another model than calibration did")
	}
}

// Ranges of another tool name more than is quantized here.
func TestRangesMayNameMore(t *testing.T) {
	first, _, err := static(t, convolutional(17).save(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	more := maps.Clone(first.Ranges)
	more["w1"], more["elsewhere"] = [2]float32{-1, 1}, [2]float32{0, 1}
	res, _, err := static(t, convolutional(17).save(t), func(q *Request) { q.Examples, q.Ranges = nil, more })
	if err != nil || !has(res.Warnings, "1 of "+fmt.Sprint(len(more))+" ranges are of tensors that the prepared graph does not have: elsewhere") {
		t.Errorf("%v %v", res, err)
	}
}

func TestTargetsMakeModelsThatRun(t *testing.T) {
	for _, target := range Targets {
		for _, opset := range []int64{11, 17} {
			t.Run(fmt.Sprintf("%s/%d", target.Name, opset), func(t *testing.T) {
				res, ops := faithful(t, convolutional(opset), 22, func(q *Request) {
					if err := q.Options.AimAt(target.Name, func(string) bool { return false }); err != nil {
						t.Fatal(err)
					}
				})
				if res.Target.Name != target.Name || has(res.Warnings, "CUDA") != (target.Name == "cuda") {
					t.Errorf("target %+v, warnings %q", res.Target, res.Warnings)
				}
				if saturates && target.Name == "cpu-avx2" && has(res.Warnings, "saturate") {
					t.Errorf("it saturates here: %q", res.Warnings)
				}
				// Three products: pairs for their weights, and no 8-bit biases, in TensorRT's form.
				if dq := ops["DequantizeLinear"]; target.Name == "tensorrt" && (dq != 6 || ops["QuantizeLinear"] != 6) {
					t.Errorf("%v", ops)
				}
			})
		}
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

func TestRefusals(t *testing.T) {
	linear := func() *network {
		return newNetwork(17).input("x", 4, 16).weight("w", 16, 16).weight("b", 16).node("Gemm x w b > y").output("y", 4, 16)
	}
	withNaN := linear()
	withNaN.constant("bad", append(make([]float32, 255), float32(math.NaN())), 16, 16).model.Graph.Node[0].Input[1] = "bad"
	badBias := linear()
	badBias.constant("bad", append(make([]float32, 15), float32(math.Inf(1))), 16).model.Graph.Node[0].Input[2] = "bad"
	none := newNetwork(17).input("x", 4, 16).node("Relu x > y").output("y", 4, 16)
	poisoned := func(at int, value float32) Source {
		return func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
			feeds, more, err := normal(3)(inputs, i)
			if more && i == 1 {
				copy(feeds[0].Tensor.Data[4*at:], floatBytes([]float32{value}))
			}
			return feeds, more, err
		}
	}
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		n      *network
		change func(*Request)
		want   string
	}{
		"old opset":           {newNetwork(6).input("x", 4, 16).weight("w", 16, 16).node("MatMul x w > y").output("y", 4, 16), nil, "opset is 6"},
		"NaN weight":          {withNaN, nil, "bad holds NaN"},
		"infinite bias":       {badBias, nil, "bad holds NaN or infinite"},
		"nothing":             {none, nil, "nothing can be quantized"},
		"all excluded":        {linear(), func(q *Request) { q.Options.Exclude = "." }, "matched by --exclude"},
		"none included":       {linear(), func(q *Request) { q.Options.Include = "elsewhere" }, "matches no node"},
		"bad expression":      {linear(), func(q *Request) { q.Options.Exclude = "(" }, "--exclude"},
		"NaN first":           {linear(), func(q *Request) { q.Examples = poisoned(0, nan) }, "example 1: tensor x holds NaN"},
		"NaN within":          {linear(), func(q *Request) { q.Examples = poisoned(37, nan) }, "example 1: tensor x holds NaN"},
		"infinity":            {linear(), func(q *Request) { q.Examples = poisoned(63, float32(math.Inf(-1))) }, "example 1: tensor x holds NaN or inf"},
		"no examples":         {linear(), func(q *Request) { q.Examples = normal(0) }, "no examples"},
		"no data":             {linear(), func(q *Request) { q.Examples = nil }, "needs calibration data"},
		"foreign range":       {linear(), func(q *Request) { q.Ranges = Ranges{"z": {0, 1}} }, "name no tensor that is quantized, but z; want x"},
		"no ranges":           {linear(), func(q *Request) { q.Ranges = Ranges{} }, "name no tensor"},
		"infinite range":      {linear(), func(q *Request) { q.Ranges = Ranges{"x": {0, float32(math.Inf(1))}} }, "both finite"},
		"zero point":          {linear(), func(q *Request) { q.Options.Overrides = override("x", 300) }, "zero point 300 is none of uint8"},
		"weight's zero point": {linear(), func(q *Request) { q.Options.Overrides = override("w", 128) }, "zero point 128 is none of int8"},
		"reversed range":      {linear(), func(q *Request) { q.Ranges = Ranges{"x": {1, 0}} }, "[smallest, largest]"},
		"missing range":       {convolutional(17), func(q *Request) { q.Ranges = Ranges{"x": {0, 1}} }, "no range is known of tensor"},
		"a failing source":    {linear(), func(q *Request) { q.Examples = failing }, "example 0: the disk is gone"},
		"a hole in the output": {newNetwork(17).input("x", 4, 16).weight("w", 16, 256).node("MatMul x w > h").node("Abs h > a").node("Log a > y").output("y", 4, 256), func(q *Request) { q.Options.OpTypes = []string{"MatMul", "Softmax"} },
			"NaN or infinite that are finite"},
		"a range too wide":   {linear(), func(q *Request) { q.Ranges = Ranges{"x": {-math.MaxFloat32, math.MaxFloat32}} }, "wider than a float32"},
		"a file that is not": {nil, func(q *Request) { q.Model = filepath.Join(t.TempDir(), "none.onnx") }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			model := ""
			if c.n != nil {
				model = c.n.save(t)
			}
			_, out, err := static(t, model, c.change)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func override(name string, zero int32) Overrides {
	scale := float32(0.1)
	return Overrides{{Tensor: name, Scale: &scale, Zero: &zero}}
}

func failing([]backend.ValueInfo, int) ([]tensor.Value, bool, error) {
	return nil, false, errors.New("the disk is gone")
}

// A disk that is full at the very end leaves nothing behind either. The limit on files is the whole process's, so the test has one of its own.
func TestAFullDiskLeavesNothing(t *testing.T) {
	const own = "ASSAY_TEST_FULL_DISK"
	if os.Getenv(own) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAFullDiskLeavesNothing$")
		cmd.Env = append(os.Environ(), own+"=1")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, text)
		}
		return
	}
	for _, external := range []onnx.External{onnx.ExternalNever, onnx.ExternalAlways} {
		var before syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
		full := before
		full.Cur = 1 << 10
		_, out, err := static(t, convolutional(17).save(t), func(q *Request) {
			q.External = external
			q.Verify = func(context.Context, VerifyJob) (*Verification, error) {
				return &Verification{}, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full)
			}
		})
		if err2 := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err2 != nil {
			t.Fatal(err2)
		}
		if err == nil || !strings.Contains(err.Error(), out) || !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%v", err)
		}
		if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestQuantizedModelsAreRefused(t *testing.T) {
	_, out, err := static(t, convolutional(17).save(t), func(q *Request) { q.Lineage = Lineage("abc", "", q.Options, "tool") })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := static(t, out, nil); err == nil || !strings.Contains(err.Error(), "quantized already; quantize the model that it was made from, whose SHA-256 is abc") {
		t.Errorf("%v", err)
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

func TestTheSourceIsNeverReplaced(t *testing.T) {
	model := convolutional(17).save(t)
	if _, _, err := static(t, model, func(q *Request) { q.Out = model }); err == nil || !strings.Contains(err.Error(), "would replace") {
		t.Errorf("%v", err)
	}
}

func TestWeightsInAFileOfTheirOwn(t *testing.T) {
	res, out, err := static(t, convolutional(17).save(t), func(q *Request) { q.External = onnx.ExternalAlways })
	if err != nil {
		t.Fatal(err)
	}
	model, err1 := os.Stat(out)
	weights, err2 := os.Stat(out + ".data")
	if err := errors.Join(err1, err2); err != nil || res.Bytes.After != model.Size()+weights.Size() {
		t.Errorf("%+v: %v", res.Bytes, err)
	}
	loadsEverywhere(t, out)
}

func TestDryRunWritesNothing(t *testing.T) {
	res, _, err := static(t, convolutional(17).save(t), func(q *Request) { q.Out = "" })
	if err != nil || res.Nodes.Quantized == 0 || res.Out != "" {
		t.Errorf("%+v %v", res, err)
	}
}

func TestCacheTellsRequestsApart(t *testing.T) {
	model, cache := convolutional(17).save(t), t.TempDir()
	request := func(o Options) Request {
		return Request{Model: model, Options: o, Examples: normal(4), Lineage: Lineage("s", "c", o, "t")}
	}
	first, warnings, hit, err := Cached(t.Context(), loaded(t), request(DefaultOptions()), cache)
	if err != nil || hit {
		t.Fatalf("%v %v", hit, err)
	}
	if again, kept, hit, err := Cached(t.Context(), loaded(t), request(DefaultOptions()), cache); err != nil || !hit || again != first || !slices.Equal(kept, warnings) {
		t.Errorf("the second time: %s %v %v", again, hit, err)
	}
	o := DefaultOptions()
	o.PerChannel = false
	if other, _, hit, err := Cached(t.Context(), loaded(t), request(o), cache); err != nil || hit || other == first {
		t.Errorf("another option: %s %v %v", other, hit, err)
	}
}

// The runtime's own QuantizeLinear is the oracle: a float32 quotient, rounded half to even, saturated.
func TestIntegersAreThoseOfTheRuntime(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Int8, tensor.Uint8} {
		for _, p := range []Params{{0.1, 0}, {1.0 / 3, 7}, {0.0078431375, 100}, {1, -0}, {1e-30, 3}, {7e8, 1}} {
			checkIntegers(t, d, p)
		}
	}
}

func checkIntegers(t *testing.T, d tensor.DType, p Params) {
	t.Helper()
	n := newNetwork(13).input("x", 4096).constant("s", []float32{p.Scale}).node("QuantizeLinear x s z > q").node("Cast q > y", intAttribute("to", int64(tensor.Int32)))
	n.model.Graph.Initializer = append(n.model.Graph.Initializer, &onnxpb.TensorProto{Name: "z", DataType: int32(d), RawData: []byte{byte(p.Zero)}})
	n.output("y", 4096)
	n.model.Graph.Output[0].Type.GetTensorType().ElemType = int32(tensor.Int32)
	s, err := loaded(t).Open(t.Context(), n.save(t), backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	values := make([]float32, 4096)
	for i := range values {
		switch i % 4 {
		case 0:
			values[i] = (float32(i%301) - 150 + 0.5) * p.Scale // ties
		case 1:
			values[i] = math.Float32frombits(math.Float32bits((float32(i%301)-150+0.5)*p.Scale) + 1)
		default:
			values[i] = float32(n.rng.NormFloat64()) * 90 * p.Scale
		}
	}
	x, err := tensor.New(tensor.Float32, 4096)
	if err != nil {
		t.Fatal(err)
	}
	x.Data = floatBytes(values)
	out, err := s.Run(t.Context(), []tensor.Value{tensor.Of(x)})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4096)
	quantizeInto(got, values, p, d)
	for i := range got {
		if want := out[0].Tensor.Data[4*i]; got[i] != want {
			t.Fatalf("%v / %v + %d to %s: %d, the runtime says %d", values[i], p.Scale, p.Zero, d, got[i], want)
		}
	}
}
