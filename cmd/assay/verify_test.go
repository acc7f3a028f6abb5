//go:build cgo && linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"assay/backend"
	"assay/backend/ort/install/installtest"
	"assay/onnx/onnxpb"
	"assay/quantize"
	"assay/results"
	"assay/runner"
	"assay/tensor"
)

// workerFor starts a worker on the small model. It ends with the test.
func workerFor(t *testing.T, library runner.Library) (*verifier, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, encoded(t, linearModel([]float32{1, 2, 3, 4}, []float32{1, 2})), 0o644); err != nil {
		t.Fatal(err)
	}
	q := &quantize.Request{Model: path}
	v := verifyWith(q, library, nil, 0)
	t.Cleanup(v.Close)
	v.prepareToo(t.Context(), q)
	return v, path
}

func TestWorkerSaysWhatARuntimeOfThisProcessWould(t *testing.T) {
	library, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	v, path := workerFor(t, library)
	cpu := backend.Options{Provider: backend.Provider{Name: "cpu"}}
	got, err := v.look(t.Context(), path, cpu)
	if err != nil {
		t.Fatal(err)
	}
	want := &quantize.Looked{
		Inputs:  []backend.ValueInfo{{Name: "x", Kind: tensor.KindTensor, DType: tensor.Float32, Dims: []backend.Dim{{Size: -1, Symbol: "batch"}, {Size: 2}}}},
		Outputs: []backend.ValueInfo{{Name: "y", Kind: tensor.KindTensor, DType: tensor.Float32, Dims: []backend.Dim{{Size: -1, Symbol: "batch"}, {Size: 2}}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := v.look(t.Context(), path+".none", cpu); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a file that is not there: %v", err)
	}
	if runtime, data, err := v.origin(t.Context()); err != nil || runtime == "" || data != "" {
		t.Errorf("runtime %q, data %q: %v", runtime, data, err) // after an error of a job it does the next
	}
	v.Close()
	if v.peakRSS < 1<<20 {
		t.Errorf("its peak was %d bytes", v.peakRSS)
	}
}

// What a worker was about when it died is all that is known.
func TestWorkerThatDiesNamesItsStage(t *testing.T) {
	library, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	v, path := workerFor(t, library)
	if _, err := v.look(t.Context(), path, backend.Options{Provider: backend.Provider{Name: "cpu"}}); err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // every further question has the same answer
		_, err := v.look(t.Context(), path, backend.Options{})
		if err == nil || !strings.Contains(err.Error(), "ended its process when it was to prepare the graph (signal: killed)") {
			t.Errorf("%v", err)
		}
	}
}

// A worker that dies while the original runs says nothing of the quantized model.
func TestWorkerThatDiesOfTheOriginal(t *testing.T) {
	library, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	v, path := workerFor(t, library)
	v.begin(t.Context(), 1)
	if _, _, err := v.origin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, err = v.verify(t.Context(), quantize.VerifyJob{Original: path, Made: path})
	var original *quantize.InputError
	if !errors.As(err, &original) || !strings.Contains(err.Error(), "ended its process when it was to run the original (signal: killed)") {
		t.Errorf("%v", err)
	}
}

// A worker that is interrupted has no time to clean up: its temporary files go with a folder of this process's.
func TestKilledWorkerLeavesNoFiles(t *testing.T) {
	library, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	v, _ := workerFor(t, library)
	if _, _, err := v.origin(t.Context()); err != nil {
		t.Fatal(err)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", v.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(environ), "TMPDIR="+v.dir+"\x00") || filepath.Dir(v.dir) != temporary {
		t.Errorf("it does not work in %q", v.dir)
	}
	if err := os.Mkdir(filepath.Join(v.dir, "left"), 0o755); err != nil {
		t.Fatal(err)
	}
	v.Close()
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestWorkerWithoutARuntime(t *testing.T) {
	v, path := workerFor(t, runner.Library{Path: filepath.Join(t.TempDir(), "libnone.so")})
	if _, err := v.look(t.Context(), path, backend.Options{}); err == nil || !strings.Contains(err.Error(), "libnone.so") || !strings.Contains(err.Error(), "assay runtime install") {
		t.Errorf("%v", err)
	}
}

// The memory of the process does not grow with the data set.
func TestVerifyWorkerKeepsDataOnDisk(t *testing.T) {
	library, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	const feed = 1 << 20
	peak := func(examples int64) int64 {
		data := filepath.Join(t.TempDir(), "data.npz")
		array := &tensor.Tensor{DType: tensor.Uint8, Shape: []int64{examples, feed}, Data: bytes.Repeat([]byte{1}, int(examples*feed))} // resident here
		if err := tensor.WriteNPZ(data, []string{"x"}, map[string]*tensor.Tensor{"x": array}); err != nil {
			t.Fatal(err)
		}
		v := verifyWith(&quantize.Request{Model: "none.onnx"}, library, &results.Dataset{Name: "calibration", Path: data}, 0)
		_, hash, err := v.origin(t.Context())
		v.Close()
		if err != nil || hash == "" {
			t.Fatalf("hash %q: %v", hash, err)
		}
		return v.peakRSS
	}
	if few, many := peak(1), peak(97); many-few > 24*feed {
		t.Errorf("memory is %d for a feed of %d bytes, and %d for 97 of them", few, feed, many)
	}
}

func TestHowAWorkerEnded(t *testing.T) {
	killed := errors.New("signal: killed")
	for _, c := range []struct{ words, want string }{
		{"", "signal: killed"},
		{"a warning\nSIGSEGV: segmentation violation\nPC=0x1\n", "SIGSEGV: segmentation violation"},
		{"fatal error: runtime: out of memory\n", "fatal error: runtime: out of memory"},
		{"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nSIGABRT: abort\nPC=0x1\n",
			"SIGABRT: abort: terminate called after throwing an instance of 'std::bad_alloc', what():  std::bad_alloc"},
		{"double free or corruption (out)\n\nSIGABRT: abort\n", "SIGABRT: abort: double free or corruption (out)"},
		{"terminate called without an active exception\n", "terminate called without an active exception"},
		{"SIGABRT: abort\n", "SIGABRT: abort"},
	} {
		if got := howEnded(killed, c.words); got != c.want {
			t.Errorf("%q: %s, want %s", c.words, got, c.want)
		}
	}
	if got := howEnded(nil, ""); got != "without an answer" {
		t.Error(got)
	}
}

// loops is the small model with what never ends behind it.
func loops() *onnxpb.ModelProto {
	m := linearModel([]float32{1, 2, 3, 4}, []float32{1, 2})
	goes, keeps := node("Identity", []string{"go"}, "on"), node("Identity", []string{"before"}, "after")
	goes.Name, keeps.Name = "goes", "keeps"
	body := &onnxpb.GraphProto{Name: "body", Node: []*onnxpb.NodeProto{goes, keeps},
		Input:  []*onnxpb.ValueInfoProto{value("i", tensor.Int64), value("go", tensor.Bool), value("before", tensor.Float32, "batch", 2)},
		Output: []*onnxpb.ValueInfoProto{value("on", tensor.Bool), value("after", tensor.Float32, "batch", 2)}}
	m.Graph.Node[0].Output[0] = "a"
	loop := node("Loop", []string{"", "forever", "a"}, "y")
	loop.Attribute = []*onnxpb.AttributeProto{{Name: "body", Type: onnxpb.AttributeProto_GRAPH, G: body}}
	m.Graph.Node = append(m.Graph.Node, loop)
	m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: "forever", DataType: int32(tensor.Bool), Int32Data: []int32{1}})
	return m
}

// killing kills a process when it says something.
type killing struct {
	process *os.Process
	at      string
}

func (k killing) Write(b []byte) (int, error) {
	if strings.Contains(string(b), k.at) {
		return len(b), k.process.Kill()
	}
	return len(b), nil
}

// A worker that dies while it calibrates or ranks, whatever the method, is an error that says what it was about, and no file is left. There is no
// backend in this process.
func TestWorkerThatDiesInARunLeavesNoFile(t *testing.T) {
	library, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	for _, c := range []struct {
		method string
		rank   bool
	}{{method: quantize.MethodMinMax}, {method: quantize.MethodEntropy}, {method: quantize.MethodAuto}, {method: quantize.MethodMSE, rank: true}} {
		dir := t.TempDir()
		path, data := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "c.npz")
		err1 := os.WriteFile(path, encoded(t, loops()), 0o644)
		err2 := os.WriteFile(data, examplesFile(t, "x", []int64{2, 2}, 1, -2, 3, 4), 0o644)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		q := &quantize.Request{Model: path, Out: filepath.Join(dir, "q.onnx"), Options: quantize.DefaultOptions(), Rank: c.rank,
			Examples: func([]backend.ValueInfo, int) ([]tensor.Value, bool, error) { panic("an example was asked for") }}
		q.Options.Method = c.method
		v := verifyWith(q, library, &results.Dataset{Name: "calibration", Path: data}, 0)
		defer v.Close()
		v.prepareToo(t.Context(), q)
		v.output = json.NewDecoder(io.TeeReader(v.answers, killing{v.cmd.Process, `"stage":"calibrate"`})) // which never ends
		_, err := quantize.Make(t.Context(), nil, *q)
		if err == nil || !strings.Contains(err.Error(), "the runtime ended its process when it was to calibrate (signal: killed)") {
			t.Errorf("%+v: %v", c, err)
		}
		if left := listing(t, dir); left != "/c.npz /m.onnx " {
			t.Errorf("%+v: left %s", c, left)
		}
	}
}
