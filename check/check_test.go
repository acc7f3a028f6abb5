package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// fake is a backend whose models add 1 to a vector of floats, unless the model's file says otherwise.
type fake struct{ backend.Backend }

func (fake) Open(_ context.Context, path string, _ backend.Options) (backend.Session, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	says := string(text)
	if message, ok := strings.CutPrefix(says, "refuse "); ok {
		return nil, &backend.Error{Op: "load " + path, Code: backend.CodeFail, Message: message, Log: message}
	}
	if says == "no kernel" {
		return nil, &backend.Error{Op: "load", Code: backend.CodeNotImplemented, Message: "nothing here"}
	}
	return &fakeSession{says: says}, nil
}

type fakeSession struct {
	backend.Session
	says string
}

func (s *fakeSession) Inputs() []backend.ValueInfo {
	return []backend.ValueInfo{{Name: "x", DType: tensor.Float32}}
}
func (s *fakeSession) Outputs() []backend.ValueInfo {
	return []backend.ValueInfo{{Name: "y", DType: tensor.Float32}}
}
func (s *fakeSession) Close() error { return nil }

func (s *fakeSession) Placement() ([]backend.Node, error) {
	switch s.says {
	case "on the CPU":
		return []backend.Node{{Provider: "CPUExecutionProvider"}}, nil
	case "nowhere":
		return nil, nil
	}
	return []backend.Node{{Provider: "CPUExecutionProvider"}, {Provider: "WebGpuExecutionProvider"}}, nil
}

func (s *fakeSession) Run(_ context.Context, feeds []tensor.Value) ([]tensor.Value, error) {
	switch s.says {
	case "run error":
		return nil, &backend.Error{Op: "run", Code: backend.CodeFail, Message: "broke"}
	case "empty sequence":
		return nil, fmt.Errorf("an empty sequence: %w", errors.ErrUnsupported)
	case "nothing":
		return nil, nil
	}
	v, err := numbers(feeds[0].Tensor)
	if err != nil {
		return nil, err
	}
	for i := range v {
		v[i]++
	}
	return []tensor.Value{tensor.Of(vector(v...))}, nil
}

// pbTensor writes a tensor as a TensorProto with raw data.
func pbTensor(t *tensor.Tensor) []byte {
	p := &onnxpb.TensorProto{Dims: t.Shape, DataType: int32(t.DType), RawData: t.Data}
	for _, s := range t.Strings {
		p.StringData = append(p.StringData, []byte(s))
	}
	return marshal(p)
}

func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func write(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// put writes a case: a model that says something, and data sets of one input and its expected output.
func put(t testing.TB, dir, says string, sets ...[2]*tensor.Tensor) {
	t.Helper()
	write(t, filepath.Join(dir, "model.onnx"), []byte(says))
	for i, s := range sets {
		set := filepath.Join(dir, fmt.Sprintf("test_data_set_%d", i))
		write(t, filepath.Join(set, "input_0.pb"), pbTensor(s[0]))
		write(t, filepath.Join(set, "output_0.pb"), pbTensor(s[1]))
	}
}

func TestRun(t *testing.T) {
	good := [2]*tensor.Tensor{vector(1, 2), vector(2, 3)}
	bad := [2]*tensor.Tensor{vector(1, 2), vector(2, 4)}
	for _, c := range []struct {
		name, says string
		sets       [][2]*tensor.Tensor
		want       Result
	}{
		{"good", "", [][2]*tensor.Tensor{good, good}, Result{Status: Passed}},
		{"second set differs", "", [][2]*tensor.Tensor{good, bad},
			Result{Status: Failed, Detail: "test_data_set_1: output y: 1 of 2 elements differ, most at [1]: 3, expected is 4, allowed is a difference of 0.00404"}},
		{"no output", "nothing", [][2]*tensor.Tensor{good}, Result{Status: Failed, Detail: "the model gave 0 outputs, 1 are expected"}},
		{"no kernel", "no kernel", [][2]*tensor.Tensor{good}, Result{Status: Unsupported, Detail: "not implemented: nothing here"}},
		{"opset", "refuse Opset 27 is under development and support for this is limited.\n", [][2]*tensor.Tensor{good},
			Result{Status: Unsupported, Detail: "operator set too new: Opset 27 is under development and support for this is limited."}},
		{"value", "empty sequence", [][2]*tensor.Tensor{good}, Result{Status: Unsupported, Detail: "not supported: run: an empty sequence: unsupported operation"}},
		{"broken model", "refuse bad graph", [][2]*tensor.Tensor{good}, Result{Status: Error, Detail: "bad graph"}},
		{"run error", "run error", [][2]*tensor.Tensor{good}, Result{Status: Error, Detail: "broke"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), c.name)
			put(t, dir, c.says, c.sets...)
			cases, err := Discover(dir)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Name = c.name
			got := Run(t.Context(), fake{}, backend.Options{}, cases[0], DefaultTolerance)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("result (-want +got):\n%s", d)
			}
		})
	}
}

func TestRunOnAnotherProvider(t *testing.T) {
	for says, want := range map[string]Result{
		"":           {Status: Passed},
		"nowhere":    {Status: Passed},
		"on the CPU": {Status: Unsupported, Detail: "not supported: no node ran on webgpu, all on CPUExecutionProvider"},
	} {
		dir := t.TempDir()
		put(t, dir, says, [2]*tensor.Tensor{vector(1), vector(2)})
		c := Case{Model: filepath.Join(dir, "model.onnx"), Sets: []string{filepath.Join(dir, "test_data_set_0")}}
		got := Run(t.Context(), fake{}, backend.Options{Provider: backend.Provider{Name: "webgpu"}}, c, DefaultTolerance)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", says, d)
		}
	}
}

func TestRunDamagedData(t *testing.T) {
	good := [2]*tensor.Tensor{vector(1, 2), vector(2, 3)}
	for name, c := range map[string]struct {
		file string
		data []byte
		want string
	}{
		"gap in the inputs": {"input_2.pb", pbTensor(good[0]), "input_1.pb is missing: input_2.pb is there"},
		"input too many":    {"input_1.pb", pbTensor(good[0]), "the data set has 2 inputs, the model 1"},
		"output too many":   {"output_1.pb", pbTensor(good[0]), "the data set has 2 outputs, the model 1"},
		"cut short":         {"output_0.pb", pbTensor(good[1])[:9], "read output_0.pb: tensor: "},
		"empty":             {"output_0.pb", nil, "read output_0.pb: tensor: element type undefined"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "", good)
			set := filepath.Join(dir, "test_data_set_0")
			write(t, filepath.Join(set, c.file), c.data)
			got := Run(t.Context(), fake{}, backend.Options{}, Case{Model: filepath.Join(dir, "model.onnx"), Sets: []string{set}}, DefaultTolerance)
			if got.Status != Error || !strings.Contains(got.Detail, c.want) {
				t.Errorf("got %+v, want an error that says %q", got, c.want)
			}
		})
	}
}

func TestRunWithoutExpectedOutput(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "m.onnx"), nil)
	set := filepath.Join(dir, "test_data_set_0")
	write(t, filepath.Join(set, "input_0.pb"), pbTensor(vector(1)))
	got := Run(t.Context(), fake{}, backend.Options{}, Case{Model: filepath.Join(dir, "m.onnx"), Sets: []string{set}}, DefaultTolerance)
	if got.Status != Error || !strings.Contains(got.Detail, "no output_0.pb") {
		t.Errorf("got %+v, want an error: nothing was compared", got)
	}
}

func TestSummary(t *testing.T) {
	var s Summary
	if text, err := s.MarshalJSON(); err != nil || string(text) != `{"passed":0,"failed":0,"unsupported":0,"errors":0,"cases":[]}` {
		t.Errorf("an empty summary is %s, %v", text, err)
	}
	for status, ok := range map[Status]bool{Passed: true, Unsupported: true, Failed: false, Error: false} {
		var one Summary
		one.Add(Result{Status: status})
		if one.OK() != ok {
			t.Errorf("a summary with %s is OK: %t", status, one.OK())
		}
		s.Add(Result{Status: status})
	}
	if s.Passed != 1 || s.Failed != 1 || s.Unsupported != 1 || s.Errors != 1 || len(s.Cases) != 4 {
		t.Errorf("summary %+v", s)
	}
}
