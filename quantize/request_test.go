//go:build cgo && linux

package quantize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"assay/internal/install"
	"assay/onnx"
	"assay/tensor"
)

func TestEqualRequestsGiveEqualFiles(t *testing.T) {
	model := convolutional(17).save(t)
	var files [2][]byte
	for i := range files {
		_, out, err := static(t, model, func(q *Request) { q.Lineage = Lineage("sha", Calibrated{Data: "calibration"}, q.Options, "tool") })
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

func TestCacheTellsRequestsApart(t *testing.T) {
	model, cache := convolutional(17).save(t), t.TempDir()
	request := func(o Options) Request {
		return Request{Model: model, Options: o, Examples: normal(4), Lineage: Lineage("s", Calibrated{Data: "c"}, o, "t")}
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

// Nodes are chosen by the names that a report prints, of unnamed ones too, in every scheme.
func TestNodesWithoutNamesAreChosen(t *testing.T) {
	for _, scheme := range Schemes {
		n := newNetwork(17).input("x", 4, 32).weight("w", 32, 32).weight("v", 32, 32).node("MatMul x w > a.1").node("MatMul a.1 v > y").output("y", 4, 32)
		for _, node := range n.model.Graph.Node {
			node.Name = ""
		}
		for _, chosen := range []func(*Options){func(o *Options) { o.Exclude = `^MatMul of a\.1$` }, func(o *Options) { o.Include = "^MatMul of y$" }} {
			res, _, err := static(t, n.save(t), func(q *Request) {
				q.Options = Options{Scheme: scheme, Prepare: true, Activation: tensor.Uint8, Weight: tensor.Int8, Method: MethodMinMax}
				if scheme == SchemeInt4Weight || scheme == SchemeInt8Weight {
					q.Options = Options{Scheme: scheme, Prepare: true, Block: 32, WeightMethod: WeightNearest, Form: FormNBits}
				}
				chosen(&q.Options)
			})
			if err != nil || res.Nodes.Quantized != 1 || res.Nodes.LeftFloat[0].Node != "MatMul of a.1" {
				t.Errorf("%s: %+v, %v", scheme, res, err)
			}
		}
	}
}

// An input with a value of its own becomes a constant, by which the graph is folded: that is said. Old models list every weight among their inputs.
func TestFixedInputsAreNamed(t *testing.T) {
	for _, version := range []int64{3, 7} {
		for _, prepare := range []bool{true, false} {
			n := newNetwork(13).input("x", 4, 32).input("w", 32, 32).input("k", 32).weight("w", 32, 32).weight("k", 32).
				node("MatMul x w > a").node("Mul a k > y").output("y", 4, 32)
			n.model.IrVersion = version
			res, out, err := static(t, n.save(t), func(q *Request) { q.Options.Prepare = prepare })
			if err != nil {
				t.Fatal(err)
			}
			want := "are constants now, and can no longer be given another (2; w, k)"
			if !prepare {
				want = "are constants now, and can no longer be given another (1; w)"
			}
			if has(res.Warnings, want) != (version == 7) {
				t.Errorf("version %d, prepared %v: %q", version, prepare, res.Warnings)
			}
			loadsEverywhere(t, out)
		}
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	res, _, err := static(t, convolutional(17).save(t), func(q *Request) { q.Out = "" })
	if err != nil || res.Nodes.Quantized == 0 || res.Out != "" {
		t.Errorf("%+v %v", res, err)
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

// Where a file beside the model cannot be written, nothing is, and what was there before stays.
func TestNothingWithoutTheFilesBeside(t *testing.T) {
	for _, fails := range []bool{false, true} {
		var dir string
		var seen ByteCounts
		_, out, err := static(t, convolutional(17).save(t), func(q *Request) {
			q.External, dir = onnx.ExternalAlways, filepath.Dir(q.Out)
			if err := os.WriteFile(q.Out, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			q.Beside = func(res *Result) []install.File {
				return []install.File{{Path: q.Out + ".json", Write: func(w io.Writer) error {
					seen = res.Bytes
					if fails {
						return syscall.ENOSPC
					}
					_, err := io.WriteString(w, "report")
					return err
				}}}
			}
		})
		if (err != nil) != fails || seen.After == 0 {
			t.Errorf("%v, and %+v was known", err, seen)
		}
		entries, _ := os.ReadDir(dir)
		old, _ := os.ReadFile(out)
		if fails && (len(entries) != 1 || string(old) != "old") {
			t.Errorf("left %v, and the model begins with %.8q", entries, old)
		}
		if !fails && len(entries) != 3 {
			t.Errorf("written: %v", entries)
		}
	}
}
