//go:build cgo && linux

package quantize

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"assay/backend"
	"assay/onnx"
	"assay/tensor"
)

func TestRefusals(t *testing.T) {
	linear := func() *network {
		return newNetwork(17).input("x", 4, 16).weight("w", 16, 16).weight("b", 16).node("Gemm x w b > y").output("y", 4, 16)
	}
	withNaN := linear()
	withNaN.constant("bad", append(make([]float32, 255), float32(math.NaN())), 16, 16).model.Graph.Node[0].Input[1] = "bad"
	nanFirst := newNetwork(17).input("x", 4, 4).constant("w", append(make([]float32, 15), float32(math.NaN())), 4, 4).node("MatMul x w > a").
		weight("v", 4, 4).node("MatMul a v > y").output("y", 4, 4)
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
		"NaN weight before":   {nanFirst, nil, "weight w holds NaN or infinite values; it cannot be quantized: mend the model"},
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
	_, out, err := static(t, convolutional(17).save(t), func(q *Request) { q.Lineage = Lineage("abc", Calibrated{}, q.Options, "tool") })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := static(t, out, nil); err == nil || !strings.Contains(err.Error(), "quantized already; quantize the model that it was made from, whose SHA-256 is abc") {
		t.Errorf("%v", err)
	}
}

// Every scheme refuses a model whose weights are integers, whatever operator makes floats of them.
func TestModelsWithQuantizedWeightsAreRefused(t *testing.T) {
	model := newNetwork(17).input("x", 4, 64).weight("w", 64, 64).node("MatMul x w > y").output("y", 4, 64).save(t)
	for _, form := range []string{FormQDQ, FormNBits} {
		_, out, err := static(t, model, blockedOptions(8, func(o *Options) { o.Form = form }))
		if err != nil {
			t.Fatal(err)
		}
		for _, scheme := range Schemes {
			_, _, err := static(t, out, func(q *Request) { q.Options.Scheme = scheme })
			if err == nil || !strings.Contains(err.Error(), "quantized already; quantize its float form") {
				t.Errorf("%s of form %s: %v", scheme, form, err)
			}
		}
	}
}

// Integers that a caller gives are no quantized weights.
func TestModelsOfIntegerInputsAreNotQuantized(t *testing.T) {
	n := newNetwork(17).input("pixels", 4, 64).constant("scale", []float32{0.1}).weight("w", 64, 64).node("DequantizeLinear pixels scale > x").
		node("MatMul x w > y").output("y", 4, 64)
	n.model.Graph.Initializer[0].Dims = nil
	n.model.Graph.Input[0].Type.GetTensorType().ElemType = int32(tensor.Uint8)
	m, err := onnx.Open(n.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := refuseQuantized(m); err != nil {
		t.Error(err)
	}
}

func TestTheSourceIsNeverReplaced(t *testing.T) {
	model := convolutional(17).save(t)
	if _, _, err := static(t, model, func(q *Request) { q.Out = model }); err == nil || !strings.Contains(err.Error(), "would replace") {
		t.Errorf("%v", err)
	}
}

// A model whose outputs are NaN is as good as its original, which says nothing.
func TestOutputsThatAreNotFiniteAreSaid(t *testing.T) {
	n := newNetwork(17).input("x", 4, 8).weight("w", 8, 8).constant("nan", []float32{float32(math.NaN())}, 1).
		node("MatMul x w > a").node("Mul a nan > y").output("y", 4, 8)
	res, _, err := static(t, n.save(t), nil)
	if err != nil || res.Quality.NonFinite != 32*int64(res.Quality.Examples) || !has(res.Warnings, "elements of the outputs are NaN or infinite in the original, too") {
		t.Errorf("%+v: %v", res, err)
	}
}
