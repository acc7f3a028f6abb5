package onnx

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// published lists the models beside the checkout.
func published(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("ASSAY_SHARED_DATA")
	if dir == "" {
		dir = "../../shared/data"
	}
	files, _ := filepath.Glob(filepath.Join(dir, "models", "*.onnx"))
	if len(files) == 0 {
		t.Skipf("no published models in %s", dir)
	}
	return files
}

func open2(t testing.TB, path string) *Model {
	t.Helper()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// small is a model of one MatMul whose weight is large enough to stay in the file.
func small() *onnxpb.ModelProto {
	weight := &onnxpb.TensorProto{Name: "W", Dims: []int64{16, 32}, DataType: int32(tensor.Float32), RawData: bytes.Repeat([]byte{1, 2, 3, 4}, 512)}
	bias := &onnxpb.TensorProto{Name: "B", Dims: []int64{2}, DataType: int32(tensor.Float16), Int32Data: []int32{0x3c00, 0x4000}}
	inner := &onnxpb.TensorProto{Dims: []int64{300}, DataType: int32(tensor.Float32), RawData: bytes.Repeat([]byte{9}, 1200)}
	return &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: &onnxpb.GraphProto{
		Name: "g", Initializer: []*onnxpb.TensorProto{weight, bias},
		Node: []*onnxpb.NodeProto{
			{OpType: "Constant", Output: []string{"C"}, Attribute: []*onnxpb.AttributeProto{{Name: "value", Type: onnxpb.AttributeProto_TENSOR, T: inner}}},
			{OpType: "MatMul", Input: []string{"X", "W"}, Output: []string{"Y"}},
		},
		Input:  []*onnxpb.ValueInfoProto{{Name: "X"}, {Name: "W"}},
		Output: []*onnxpb.ValueInfoProto{{Name: "Y"}},
	}}
}

func write(t testing.TB, m *onnxpb.ModelProto) string {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSkeletonKeepsWeightsInTheFile(t *testing.T) {
	m := open2(t, write(t, small()))
	if n := proto.Size(m.Proto); n > 400 {
		t.Errorf("the skeleton takes %d bytes", n)
	}
	if len(m.refs) != 2 {
		t.Fatalf("%d tensors stay in the file, want 2", len(m.refs))
	}
	w, err := m.Tensor(m.Initializer("W"))
	if err != nil || !bytes.Equal(w.Data, bytes.Repeat([]byte{1, 2, 3, 4}, 512)) {
		t.Errorf("W: %v", err)
	}
	c, err := m.Tensor(m.Proto.Graph.Node[0].Attribute[0].T)
	if err != nil || !bytes.Equal(c.Data, bytes.Repeat([]byte{9}, 1200)) {
		t.Errorf("the constant: %v", err)
	}
	b, err := m.Tensor(m.Initializer("B"))
	if err != nil || !bytes.Equal(b.Data, []byte{0, 0x3c, 0, 0x40}) {
		t.Errorf("B: %v %v", b, err)
	}
}

func TestRoundTripOfPublishedModels(t *testing.T) {
	for _, file := range published(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m := open2(t, file)
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var whole onnxpb.ModelProto
			if err := proto.Unmarshal(raw, &whole); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "out.onnx")
			if err := m.Save(out); err != nil {
				t.Fatal(err)
			}
			again, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			var saved onnxpb.ModelProto
			if err := proto.Unmarshal(again, &saved); err != nil {
				t.Fatal(err)
			}
			inMemory := New(&whole)
			inMemory.EachTensor(func(w *onnxpb.TensorProto) {
				if raw, err := typedData(w); err == nil && len(raw) > inlineLimit {
					inMemory.SetRaw(w, raw)
				}
			})
			if !proto.Equal(&whole, &saved) {
				t.Error("saved model differs")
			}
			i := m.Info()
			if len(i.Inputs) == 0 || len(i.Outputs) == 0 || len(i.Operators) == 0 || i.IRVersion == 0 {
				t.Errorf("%+v", i)
			}
		})
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	m := small()
	m.ProtoReflect().SetUnknown([]byte{0xd2, 0x01, 0x02, 'h', 'i'}) // field 26, configuration
	opened := open2(t, write(t, m))
	out := filepath.Join(t.TempDir(), "out.onnx")
	if err := opened.Save(out); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(out)
	if !bytes.Contains(b, []byte{0xd2, 0x01, 0x02, 'h', 'i'}) {
		t.Error("an unknown field is gone")
	}
}

func TestExternalData(t *testing.T) {
	m := small()
	external := func(location, offset, length string) *onnxpb.ModelProto {
		c := proto.Clone(m).(*onnxpb.ModelProto)
		w := c.Graph.Initializer[0]
		w.RawData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL
		for _, kv := range [][2]string{{"location", location}, {"offset", offset}, {"length", length}} {
			w.ExternalData = append(w.ExternalData, &onnxpb.StringStringEntryProto{Key: kv[0], Value: kv[1]})
		}
		return c
	}
	path := write(t, external("w.bin", "8", "2048"))
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "external data w.bin is missing") {
		t.Errorf("missing: %v", err)
	}
	data := filepath.Join(filepath.Dir(path), "w.bin")
	if err := os.WriteFile(data, make([]byte, 100), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "has 100 bytes") {
		t.Errorf("short: %v", err)
	}
	if err := os.WriteFile(data, append(make([]byte, 8), m.Graph.Initializer[0].RawData...), 0o644); err != nil {
		t.Fatal(err)
	}
	opened := open2(t, path)
	w, err := opened.Tensor(opened.Initializer("W"))
	if err != nil || !bytes.Equal(w.Data, m.Graph.Initializer[0].RawData) {
		t.Errorf("read: %v", err)
	}
	if files := opened.ExternalFiles(); len(files) != 1 || files[0] != data {
		t.Errorf("files %v", files)
	}
	before, size, err := opened.Identity()
	if err != nil || size < 2056 {
		t.Errorf("identity %s %d %v", before, size, err)
	}
	for _, escape := range []string{"../w.bin", "/etc/passwd", ""} {
		if _, err := Open(write(t, external(escape, "0", "10"))); err == nil || !strings.Contains(err.Error(), "outside the model's folder") {
			t.Errorf("%q: %v", escape, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	whole, err := proto.Marshal(small())
	if err != nil {
		t.Fatal(err)
	}
	deep := []byte{}
	for range 200 { // graph within attribute within node within graph ...
		deep = append([]byte{0x32}, prefixed(deep)...) // attribute.g
		deep = append([]byte{0x2a}, prefixed(deep)...) // node.attribute
		deep = append([]byte{0x0a}, prefixed(deep)...) // graph.node
	}
	deep = append([]byte{0x3a}, prefixed(deep)...)
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":     {nil, "the file is empty"},
		"lfs":       {[]byte("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"},
		"garbage":   {[]byte("hello, this is not a model"), "no ONNX model"},
		"truncated": {whole[:len(whole)-100], "truncated"},
		"no graph":  {[]byte{0x08, 0x08}, "no graph"},
		"deep":      {deep, "nest deeper"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Open(filepath.Join(dir, "lfs")); !errors.Is(err, ErrLFS) {
		t.Errorf("lfs: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("none: %v", err)
	}
}

// prefixed puts a varint of the length in front.
func prefixed(b []byte) []byte {
	var out []byte
	n := len(b)
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(append(out, byte(n)), b...)
}

func TestInfo(t *testing.T) {
	i := open2(t, write(t, small())).Info()
	if len(i.Inputs) != 1 || i.Inputs[0].Name != "X" {
		t.Errorf("inputs %+v: a weight among them is no input", i.Inputs)
	}
	if i.Parameters != 512+2+300 || i.WeightBytes["float32"] != 4*812 || i.WeightBytes["float16"] != 4 {
		t.Errorf("%d parameters, %v", i.Parameters, i.WeightBytes)
	}
	if i.Operators["MatMul"] != 1 || i.Opsets[""] != 17 || i.Quantized || !slices.Equal(i.Quantizable, []string{"MatMul"}) {
		t.Errorf("%+v", i)
	}
}

func TestSaveRefusesItsOwnFile(t *testing.T) {
	m := open2(t, write(t, small()))
	if err := m.Save(m.Path()); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("%v", err)
	}
}
