//go:build cgo && linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// refusal is a request of `assay quantize` that cannot be met.
type refusal struct {
	model []byte // of the file m.onnx; nil: a small one that can be quantized
	files map[string][]byte
	args  []string // after `quantize m.onnx -o out/q.onnx`; nil: with calibration data that fits
	want  string
}

// linearModel is y = x w + b, from [batch, 2] to [batch, 2].
func linearModel(w, b []float32) *onnxpb.ModelProto {
	return model([]*onnxpb.NodeProto{node("Gemm", []string{"x", "w", "b"}, "y")}, value("x", tensor.Float32, "batch", 2), value("y", tensor.Float32, "batch", 2),
		&onnxpb.TensorProto{Name: "w", Dims: []int64{2, 2}, DataType: int32(tensor.Float32), FloatData: w},
		&onnxpb.TensorProto{Name: "b", Dims: []int64{2}, DataType: int32(tensor.Float32), FloatData: b})
}

func encoded(t *testing.T, m *onnxpb.ModelProto) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changedModel is the small model with a change.
func changedModel(t *testing.T, change func(m *onnxpb.ModelProto)) []byte {
	m := linearModel([]float32{1, 2, 3, 4}, []float32{1, 2})
	change(m)
	return encoded(t, m)
}

// reshaped is the small model with its output in a shape that no batch of one or two has.
func reshaped(t *testing.T, shape ...int64) []byte {
	return changedModel(t, func(m *onnxpb.ModelProto) {
		m.Graph.Node[0].Output[0] = "a"
		m.Graph.Node = append(m.Graph.Node, node("Reshape", []string{"a", "shape"}, "y"))
		m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: "shape", Dims: []int64{2}, DataType: int32(tensor.Int64), Int64Data: shape})
		m.Graph.Output[0] = value("y", tensor.Float32, 5, 7)
	})
}

// mismatched is the small model with integers added to its output.
func mismatched(t *testing.T) []byte {
	return changedModel(t, func(m *onnxpb.ModelProto) {
		m.Graph.Node[0].Output[0] = "a"
		m.Graph.Node = append(m.Graph.Node, node("Add", []string{"a", "n"}, "y"))
		m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: "n", Dims: []int64{1}, DataType: int32(tensor.Int64), Int64Data: []int64{1}})
	})
}

// examplesFile is an .npz of one array of float32 numbers.
func examplesFile(t *testing.T, name string, shape []int64, values ...float32) []byte {
	t.Helper()
	a := &tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, v := range values {
		a.Data = binary.LittleEndian.AppendUint32(a.Data, math.Float32bits(v))
	}
	return arrayFile(t, name, a)
}

func arrayFile(t *testing.T, name string, a *tensor.Tensor) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := tensor.WriteNPZ(path, []string{name}, map[string]*tensor.Tensor{name: a}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lengthPrefixed puts a field's key and length before its content.
func lengthPrefixed(field byte, content []byte) []byte {
	return append(binary.AppendUvarint([]byte{field<<3 | 2}, uint64(len(content))), content...)
}

// nested is a model of graphs within nodes of graphs, of many levels.
func nested(levels int) []byte {
	var b []byte
	for range levels {
		b = lengthPrefixed(1, lengthPrefixed(5, lengthPrefixed(6, b))) // graph.node, node.attribute, attribute.g
	}
	return lengthPrefixed(7, b)
}

// TestQuantizeRefuses: exit 2, one line that says what is wrong, and no file left, neither at the output nor in the folder for temporary files.
func TestQuantizeRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	good := encoded(t, linearModel([]float32{1, 2, 3, 4}, []float32{1, 2}))
	calibration := examplesFile(t, "x", []int64{2, 2}, 1, -2, 3, 4)
	static := []string{"--calibration", "c.npz"}
	ranges := func(text string) map[string][]byte { return map[string][]byte{"r.json": []byte(text)} }
	taking := func(file []byte) map[string][]byte { return map[string][]byte{"c.npz": file} }
	externally := func(location, offset string) []byte {
		return changedModel(t, func(m *onnxpb.ModelProto) {
			w := m.Graph.Initializer[0]
			w.FloatData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL
			w.ExternalData = []*onnxpb.StringStringEntryProto{{Key: "location", Value: location}, {Key: "offset", Value: offset}}
		})
	}
	opset := func(v int64) []byte {
		return changedModel(t, func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = v })
	}
	ofDims := func(dims ...int64) []byte {
		return changedModel(t, func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].Dims = dims })
	}
	for name, c := range map[string]refusal{
		"no such model":           {args: append([]string{"none.onnx"}, static...), want: "no such file"},
		"empty":                   {model: []byte{}, want: "the file is empty"},
		"garbage":                 {model: []byte("this is no model, whatever it is"), want: "no ONNX model"},
		"truncated":               {model: good[:len(good)-20], want: "truncated"},
		"a length past the end":   {model: append([]byte{0x08, 8, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f}, good...), want: "truncated"},
		"nested deeply":           {model: nested(5000), want: "nest deeper"},
		"huge dims":               {model: ofDims(1<<40, 1<<40), want: "w"},
		"dims without data":       {model: ofDims(1<<20, 1<<20), want: "w"},
		"negative dims":           {model: ofDims(-2, 2), want: "tensor w"},
		"weights of another file": {model: externally("../../etc/weights", "0"), want: "outside the model's folder"},
		"weights that are absent": {model: externally("w.bin", "0"), want: "w.bin is missing"},
		"an offset past the end":  {model: externally("w.bin", "4096"), files: map[string][]byte{"w.bin": make([]byte, 16)}, want: "w.bin"},
		"NaN in a weight":         {model: encoded(t, linearModel([]float32{1, nan, 3, 4}, []float32{1, 2})), want: "weight w holds NaN"},
		"infinity in a bias":      {model: encoded(t, linearModel([]float32{1, 2, 3, 4}, []float32{1, inf})), want: "b holds NaN or infinite"},
		"an old opset":            {model: opset(5), want: "opset"},
		"an opset to come":        {model: opset(99), want: "opset"},
		"a type that is not there": {model: changedModel(t, func(m *onnxpb.ModelProto) {
			m.Graph.Initializer[0].DataType = 77
		}), want: "tensor w: elements of type dtype(77)"},
		"an operator that is not there":             {model: changedModel(t, func(m *onnxpb.ModelProto) { m.Graph.Node[0].OpType = "Frobnicate" }), want: "Frobnicate"},
		"a model without products":                  {model: encoded(t, relu()), want: "nothing can be quantized"},
		"a wrong name":                              {files: taking(examplesFile(t, "z", []int64{2, 3}, 1, 2, 3, 4, 5, 6)), want: "c.npz has no array of that name; it has z, and the model takes x"},
		"a wrong name of what fits":                 {files: taking(examplesFile(t, "z", []int64{2, 2}, 1, 2, 3, 4)), want: "input x: c.npz has no array of that name; it has z, and the model takes x; save each array under the name of its input"},
		"a wrong name for a scheme without ranges":  {files: taking(examplesFile(t, "z", []int64{2, 2}, 1, 2, 3, 4)), args: append([]string{"--scheme", "int8-dynamic"}, static...), want: "input x: c.npz has no array of that name; it has z"},
		"a wrong shape":                             {files: taking(examplesFile(t, "x", []int64{2, 3}, 1, 2, 3, 4, 5, 6)), want: "x"},
		"a wrong type":                              {files: taking(arrayFile(t, "x", &tensor.Tensor{DType: tensor.String, Shape: []int64{1, 2}, Strings: []string{"a", "b"}})), want: "x"},
		"no examples":                               {files: taking(examplesFile(t, "x", []int64{0, 2})), want: "no examples"},
		"NaN in the data":                           {files: taking(examplesFile(t, "x", []int64{2, 2}, 1, 2, nan, 4)), want: "example 1: tensor x holds NaN"},
		"infinity in the data":                      {files: taking(examplesFile(t, "x", []int64{2, 2}, 1, inf, 3, 4)), want: "example 0: tensor x holds NaN or infinite"},
		"data that is no archive":                   {files: taking([]byte("1 2 3")), want: "c.npz"},
		"data that is cut off":                      {files: taking(calibration[:len(calibration)/2]), want: "c.npz"},
		"no data":                                   {args: []string{"--calibration", "none.npz"}, want: "none.npz"},
		"ranges of other tensors":                   {files: ranges(`{"z": [0, 1]}`), args: []string{"--ranges", "r.json"}, want: "name no tensor that is quantized, but z"},
		"ranges of nothing":                         {files: ranges(`{}`), args: []string{"--ranges", "r.json"}, want: "name no tensor"},
		"ranges the wrong way":                      {files: ranges(`{"x": [2, 1]}`), args: []string{"--ranges", "r.json"}, want: "[smallest, largest]"},
		"ranges of one number":                      {files: ranges(`{"x": [2]}`), args: []string{"--ranges", "r.json"}, want: `"x" has 1 values`},
		"ranges of one zero":                        {files: ranges(`{"x": [0]}`), args: []string{"--ranges", "r.json"}, want: `"x" has 1 values`},
		"ranges of words":                           {files: ranges(`{"x": ["a", "b"]}`), args: []string{"--ranges", "r.json"}, want: "r.json"},
		"ranges that are no JSON":                   {files: ranges(`x: 1`), args: []string{"--ranges", "r.json"}, want: "r.json"},
		"a regular expression that matches nothing": {args: append([]string{"--exclude", "^nowhere$"}, static...), want: `--exclude "^nowhere$" matches no node`},
		"a regular expression that is none":         {args: append([]string{"--include", "("}, static...), want: "--include"},
		"a type of operators that is not there":     {args: append([]string{"--op-types", "Gem"}, static...), want: `did you mean "Gemm"`},
		"the model as output":                       {args: append([]string{"-o", "m.onnx"}, static...), want: "choose another file"},
		"the model by another name as output":       {args: append([]string{"-o", "../" + "%DIR%" + "/m.onnx"}, static...), want: "choose another file"},
		"a folder as output":                        {args: append([]string{"-o", "out"}, static...), want: "out"},

		"a pipe as output":    {args: append([]string{"-o", "pipe"}, static...), want: "pipe"},
		"a file as folder":    {args: append([]string{"-o", "m.onnx/q.onnx"}, static...), want: "m.onnx"},
		"a report to nowhere": {args: append([]string{"--report", "none/r.json"}, static...), want: "--report none/r.json: there is no folder none; make it, or choose another"},
		"a report to /proc":   {args: append([]string{"--report", "/proc/self/r.json"}, static...), want: "--report /proc/self/r.json: its folder takes no file"},
		"ranges below a file": {args: append([]string{"--save-ranges", "m.onnx/r.json"}, static...), want: "--save-ranges m.onnx/r.json: its folder takes no file (not a directory); choose another"},
		"ranges to a pipe":    {args: append([]string{"--save-ranges", "pipe"}, static...), want: "--save-ranges pipe: pipe is there and is no file; choose another name"},
		"an original that does not run": {model: reshaped(t, 5, 7), args: []string{"--scheme", "int8-dynamic"},
			want: "model m.onnx: the original does not run on example 0: run the model: Non-zero status code"},
		"an original whose examples do not run": {model: reshaped(t, 5, 7), args: append([]string{"--scheme", "int8-dynamic"}, static...),
			want: "model m.onnx: the original does not run on example 0: run the model: Non-zero status code"},
		"an original that does not load": {model: mismatched(t), args: []string{"--scheme", "int8-dynamic", "--prepare", "never"},
			want: "model m.onnx: the original does not load: load m.onnx: Type Error"},
		"types that do not agree": {model: mismatched(t), want: "model m.onnx: the original does not load: load m.onnx: Type Error"},
		"types that do not agree, unprepared": {model: mismatched(t), args: append([]string{"--prepare", "never"}, static...),
			want: "model m.onnx: the original does not load: load m.onnx: Type Error"},
		"types that do not agree, with histograms": {model: mismatched(t), args: append([]string{"--prepare", "never", "--method", "mse"}, static...),
			want: "model m.onnx: the original does not load: load m.onnx: Type Error"},
		"types that do not agree, ranked": {model: mismatched(t), args: append([]string{"--prepare", "never", "--sensitivity"}, static...),
			want: "model m.onnx: the original does not load: load m.onnx: Type Error"},
		"types that do not agree in halves": {model: mismatched(t), args: []string{"--scheme", "fp16", "--prepare", "never"},
			want: "model m.onnx: the original does not load: load m.onnx: Type Error"},
		"no operator set, unprepared": {model: changedModel(t, func(m *onnxpb.ModelProto) { m.OpsetImport = nil }), args: []string{"--scheme", "int8-dynamic", "--prepare", "never"},
			want: "assay: model m.onnx: Gemm Gemm is of domain \"\", which the model does not import"},
		"an override of nothing": {files: map[string][]byte{"o.yaml": []byte("z: {type: int8}"), "c.npz": calibration}, args: append([]string{"--overrides", "o.yaml"}, static...), want: `override names tensor "z"`},
	} {
		t.Run(name, func(t *testing.T) { c.check(t, good, calibration) })
	}
}

func (c *refusal) check(t *testing.T, good, calibration []byte) {
	t.Parallel()
	dir, temporary := t.TempDir(), t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if c.model != nil {
		good = c.model
	}
	write("m.onnx", good)
	if c.files["c.npz"] == nil {
		write("c.npz", calibration)
	}
	for name, content := range c.files {
		write(name, content)
	}
	err1, err2 := os.Mkdir(filepath.Join(dir, "out"), 0o755), syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	said, stdout, code := program(t, dir, temporary, c.command(dir))
	if code != exitUsage || !strings.Contains(said, c.want) || strings.Contains(said, "\n") || stdout != "" {
		t.Errorf("exit %d, %q, stdout %q; want exit %d and one line with %q", code, said, stdout, exitUsage, c.want)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("files %s, before %s", after, before)
	}
	if strings.Contains(said, temporary) {
		t.Errorf("a temporary file is named: %s", said)
	}
	if left := listing(t, temporary); left != "" {
		t.Errorf("temporary files left: %s", left)
	}
}

// command is the command line of a refusal.
func (c *refusal) command(dir string) []string {
	args := c.args
	if args == nil {
		args = []string{"--calibration", "c.npz"}
	}
	command := []string{"quantize"}
	if !strings.HasSuffix(args[0], ".onnx") {
		command = append(command, "m.onnx")
	}
	if args[0] != "-o" {
		command = append(command, "-o", "out/q.onnx")
	}
	for _, arg := range args {
		command = append(command, strings.ReplaceAll(arg, "%DIR%", filepath.Base(dir)))
	}
	return command
}

// program runs assay in a folder and gives what it wrote, and its exit code.
func program(t *testing.T, dir, temporary string, args []string) (stderr, stdout string, code int) {
	t.Helper()
	var out, words bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &words
	cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+temporary)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.TrimSuffix(words.String(), "\n"), out.String(), cmd.ProcessState.ExitCode()
}

// listing names the files in a folder, and their sizes.
func listing(t *testing.T, dir string) (text string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			text += strings.TrimPrefix(path, dir) + " "
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
