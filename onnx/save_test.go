package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

func writeBytes(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// contents are all tensors of a model by their order.
func contents(t testing.TB, m *Model) (all []*tensor.Tensor) {
	t.Helper()
	m.EachTensor(func(p *onnxpb.TensorProto) {
		v, err := m.Tensor(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	})
	return all
}

func TestWeightsInAFileOfTheirOwn(t *testing.T) {
	m := open2(t, write(t, small()))
	added := bytes.Repeat([]byte{7}, 5000) // made in memory, and not a multiple of the alignment
	m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, &onnxpb.TensorProto{Name: "A", Dims: []int64{5000}, DataType: int32(tensor.Int8), RawData: added})
	want := contents(t, m)
	out := filepath.Join(t.TempDir(), "out.onnx")
	if err := m.SaveExternal(out, ExternalAlways); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, m); !reflect.DeepEqual(got, want) || len(m.Initializer("A").RawData) != 5000 {
		t.Error("saving changed the model in memory")
	}
	saved := open2(t, out)
	if got := contents(t, saved); !reflect.DeepEqual(got, want) {
		t.Error("other weights come back")
	}
	if err := saved.Check(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(out)
	if err != nil || info.Size() > 1200 {
		t.Errorf("the model's own file has %d bytes: %v", info.Size(), err)
	}
	if files := saved.ExternalFiles(); len(files) != 1 || files[0] != out+".data" {
		t.Errorf("files %v", files)
	}
	saved.EachTensor(func(p *onnxpb.TensorProto) {
		if p.DataLocation == onnxpb.TensorProto_EXTERNAL {
			if _, at, err := saved.external(p); err != nil || at.offset%alignment != 0 {
				t.Errorf("%s at %d: %v", p.Name, at.offset, err)
			}
		}
	})

	whole := filepath.Join(t.TempDir(), "whole.onnx")
	if err := saved.SaveExternal(whole, ExternalNever); err != nil {
		t.Fatal(err)
	}
	if again := open2(t, whole); !reflect.DeepEqual(contents(t, again), want) || len(again.ExternalFiles()) != 0 {
		t.Error("putting the weights back changed them")
	}
	for _, target := range []string{out, out + ".data"} {
		if err := saved.Save(target); err == nil || !strings.Contains(err.Error(), "choose another") {
			t.Errorf("over %s: %v", target, err)
		}
	}
	moved := filepath.Join(filepath.Dir(out), "moved.onnx") // its weights are still in out.onnx.data
	if err := os.Rename(out, moved); err != nil {
		t.Fatal(err)
	}
	if err := open2(t, moved).SaveExternal(out, ExternalAlways); err == nil || !strings.Contains(err.Error(), "out.onnx.data would be replaced") {
		t.Errorf("over the weights: %v", err)
	}
}

// What is no file keeps its name, at either target, and nothing is left beside it.
func TestFoldersAreNotReplaced(t *testing.T) {
	for _, folder := range []string{"out.onnx", "out.onnx.data"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		err := open2(t, write(t, small())).SaveExternal(filepath.Join(dir, "out.onnx"), ExternalAlways)
		if err == nil || !strings.Contains(err.Error(), folder+" is there and is no file") {
			t.Errorf("%s: %v", folder, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != folder {
			t.Errorf("%s: left %v, %v", folder, left, err)
		}
	}
}

// A draft beside a model refers to the model's external data, takes in what has none, and leaves the model as it is.
func TestDraftBesideRefersToTheWeights(t *testing.T) {
	first := open2(t, write(t, small()))
	out := filepath.Join(t.TempDir(), "out.onnx")
	if err := first.SaveExternal(out, ExternalAlways); err != nil {
		t.Fatal(err)
	}
	m := open2(t, out)
	added := bytes.Repeat([]byte{7}, 5000)
	m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, &onnxpb.TensorProto{Name: "A", Dims: []int64{5000}, DataType: int32(tensor.Int8), RawData: added})
	want := contents(t, m)
	draft := filepath.Join(filepath.Dir(out), "draft.onnx")
	if err := m.SaveDraftBeside(draft); err != nil {
		t.Fatal(err)
	}
	saved := open2(t, draft)
	if !reflect.DeepEqual(contents(t, saved), want) || !reflect.DeepEqual(contents(t, m), want) {
		t.Error("other weights")
	}
	if files := saved.ExternalFiles(); len(files) != 1 || files[0] != out+".data" {
		t.Errorf("files %v", files)
	}
	for path, why := range map[string]string{filepath.Join(t.TempDir(), "m.onnx"): "another folder", out: "would be replaced", out + ".data": "would be replaced"} {
		if err := m.SaveDraftBeside(path); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %s", filepath.Base(path), err, why)
		}
	}
}

func TestSavedTwiceIsEqual(t *testing.T) {
	m := open2(t, write(t, small()))
	var files [2][]byte
	for i := range files {
		out := filepath.Join(t.TempDir(), "out.onnx")
		if err := m.Save(out); err != nil {
			t.Fatal(err)
		}
		files[i], _ = os.ReadFile(out)
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); len(left) != 1 {
			t.Errorf("beside it: %v", left)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("they differ")
	}
	if err := m.Save(filepath.Join(t.TempDir(), "nowhere", "out.onnx")); err == nil || strings.Count(err.Error(), "write ") != 1 {
		t.Errorf("%v", err)
	}
}

// Messages of protobuf may come in parts and in any order; the weights must be the right ones all the same.
func TestOrderAndPartsOfTheFile(t *testing.T) {
	second := small()
	second.Graph.Initializer[0].Name, second.Graph.Initializer[0].RawData = "V", bytes.Repeat([]byte{5}, 2048)
	second.Graph.Node[0].Attribute[0].T.RawData = bytes.Repeat([]byte{6}, 1200)
	a, err1 := proto.Marshal(small())
	b, err2 := proto.Marshal(second)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	m := open2(t, writeBytes(t, append(a, b...)))
	for name, first := range map[string]byte{"W": 1, "V": 5} {
		if v, err := m.Tensor(m.Initializer(name)); err != nil || v.Data[0] != first {
			t.Errorf("%s begins with %v: %v", name, v.Data[0], err)
		}
	}
	if got := contents(t, m); got[1].Data[0] != 6 {
		t.Errorf("the second constant begins with %d", got[1].Data[0])
	}
}

// Writers that move external data into a model leave data_location = DEFAULT behind the data.
func TestAnExplicitDefaultLocation(t *testing.T) {
	field := func(number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
	}
	w, err := proto.Marshal(small().Graph.Initializer[0])
	if err != nil {
		t.Fatal(err)
	}
	w = protowire.AppendVarint(protowire.AppendTag(w, 14, protowire.VarintType), 0)
	m := open2(t, writeBytes(t, field(7, append(field(5, w), field(12, field(1, []byte("W")))...))))
	if v, err := m.Tensor(m.Initializer("W")); err != nil || len(v.Data) != 2048 {
		t.Errorf("%v", err)
	}
}

func TestHostileTensors(t *testing.T) {
	big, mark := bytes.Repeat([]byte{1}, 2000), []*onnxpb.StringStringEntryProto{entry(placeKey, "0")}
	for name, c := range map[string]struct {
		tensor *onnxpb.TensorProto
		want   string
	}{
		"our mark":           {&onnxpb.TensorProto{ExternalData: mark, DataLocation: onnxpb.TensorProto_EXTERNAL}, "reserved"},
		"our mark and data":  {&onnxpb.TensorProto{ExternalData: mark, RawData: big}, "reserved"},
		"both places":        {&onnxpb.TensorProto{ExternalData: []*onnxpb.StringStringEntryProto{entry("location", "x")}, RawData: big}, "twice"},
		"a folder":           {&onnxpb.TensorProto{ExternalData: []*onnxpb.StringStringEntryProto{entry("location", ".")}, DataLocation: onnxpb.TensorProto_EXTERNAL}, "is no file"},
		"a negative offset":  {&onnxpb.TensorProto{ExternalData: []*onnxpb.StringStringEntryProto{entry("location", "m.onnx"), entry("offset", "-1")}, DataLocation: onnxpb.TensorProto_EXTERNAL}, "bytes -1 to"},
		"a length past all":  {&onnxpb.TensorProto{ExternalData: []*onnxpb.StringStringEntryProto{entry("location", "m.onnx"), entry("length", "9223372036854775807")}, DataLocation: onnxpb.TensorProto_EXTERNAL}, "are wanted"},
		"an offset of words": {&onnxpb.TensorProto{ExternalData: []*onnxpb.StringStringEntryProto{entry("location", "m.onnx"), entry("offset", "two")}, DataLocation: onnxpb.TensorProto_EXTERNAL}, `offset "two"`},
	} {
		t.Run(name, func(t *testing.T) {
			m := small()
			c.tensor.Name, c.tensor.Dims, c.tensor.DataType = "H", []int64{500}, int32(tensor.Float32)
			m.Graph.Initializer = append(m.Graph.Initializer, c.tensor)
			opened, err := Open(write(t, m))
			if err == nil {
				opened.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A model of more than 2 GiB opens at once, in little memory, and its weights go to a file of their own.
func TestALargeModel(t *testing.T) {
	if os.Getenv("ASSAY_LONG") == "" {
		t.Skip("writes 5 GB; set ASSAY_LONG=1")
	}
	const length = 1200 << 20 // of each of two tensors
	path := filepath.Join(t.TempDir(), "large.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	name := func(s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, 8, protowire.BytesType), s)
	}
	shape := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), length)
	shape = protowire.AppendVarint(protowire.AppendTag(shape, 2, protowire.VarintType), uint64(tensor.Int8))
	output := append(header(12, 3), append(header(1, 1), 'A')...)
	tensorHead := func(s string) []byte { return append(append(name(s), shape...), header(tensorRawData, length)...) }
	inner := int64(len(tensorHead("A"))) + length
	graph := 2*(int64(len(header(5, inner)))+inner) + int64(len(output))
	offset := int64(0)
	put := func(b []byte) {
		if _, err := f.WriteAt(b, offset); err != nil {
			t.Fatal(err)
		}
		offset += int64(len(b))
	}
	put(header(7, graph))
	for _, s := range []string{"A", "B"} { // holes in the file, but for the last byte
		put(append(header(5, inner), tensorHead(s)...))
		offset += length - 1
		put([]byte(s))
	}
	put(output)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m := open2(t, path)
	out := filepath.Join(t.TempDir(), "out.onnx")
	if err := m.SaveExternal(out, ExternalNever); err == nil || !strings.Contains(err.Error(), "one file may have") {
		t.Errorf("%v", err)
	}
	if err := m.Save(out); err != nil {
		t.Fatal(err)
	}
	saved := open2(t, out)
	if err := saved.Check(); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("opening and saving took %d MiB of heap", used>>20)
	}
	for _, s := range []string{"A", "B"} {
		v, err := saved.Tensor(saved.Initializer(s))
		if err != nil || v.Data[length-1] != s[0] {
			t.Errorf("%s: %v", s, err)
		}
	}
}
