package onnx

import (
	"bytes"
	"runtime/metrics"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// varied is a model with every kind of message in it.
func varied() *onnxpb.ModelProto {
	m := small()
	g := m.Graph
	g.Node = append(g.Node, ifNode("Y", "Z", nodesOf("Relu W > q", "Add q Y > r")...), &onnxpb.NodeProto{OpType: "F", Domain: "own", Input: []string{"Y"}, Output: []string{"V"},
		Attribute: []*onnxpb.AttributeProto{
			{Name: "f", Type: onnxpb.AttributeProto_FLOAT, F: 1}, {Name: "i", Type: onnxpb.AttributeProto_INT, I: 2}, {Name: "s", Type: onnxpb.AttributeProto_STRING, S: []byte("s")},
			{Name: "fs", Type: onnxpb.AttributeProto_FLOATS, Floats: []float32{1, 2}}, {Name: "is", Type: onnxpb.AttributeProto_INTS, Ints: []int64{1, -1}},
			{Name: "ss", Type: onnxpb.AttributeProto_STRINGS, Strings: [][]byte{[]byte("a")}},
			{Name: "ts", Type: onnxpb.AttributeProto_TENSORS, Tensors: []*onnxpb.TensorProto{{Name: "t", DataType: int32(tensor.Uint4), Dims: []int64{3}, RawData: []byte{1, 2}}}},
			{Name: "tp", Type: onnxpb.AttributeProto_TYPE_PROTO, Tp: &onnxpb.TypeProto{Denotation: "d"}},
		}})
	g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: "E", DocString: "behind raw data, before external data", DataType: int32(tensor.Float32), Dims: []int64{4}, DataLocation: onnxpb.TensorProto_EXTERNAL,
		ExternalData: []*onnxpb.StringStringEntryProto{entry("location", "w.bin"), entry("offset", "16"), entry("length", "16")}})
	g.SparseInitializer = []*onnxpb.SparseTensorProto{{Dims: []int64{9}, Values: &onnxpb.TensorProto{Name: "P", DataType: int32(tensor.Int64), Dims: []int64{1}, Int64Data: []int64{3}},
		Indices: &onnxpb.TensorProto{DataType: int32(tensor.Int64), Dims: []int64{1}, Int64Data: []int64{7}}}}
	g.ValueInfo = []*onnxpb.ValueInfoProto{{Name: "Y", Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: 1,
		Shape: &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}}}}}}}}
	m.Functions = []*onnxpb.FunctionProto{{Name: "F", Domain: "own", Input: []string{"a"}, Output: []string{"b"}, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Node: nodesOf("Relu a > b")}}
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: "own", Version: 1})
	m.MetadataProps = []*onnxpb.StringStringEntryProto{entry("k", "v")}
	return m
}

// addSeeds gives the fuzzer whole models to change.
func addSeeds(f *testing.F) {
	typed := small()
	typed.Graph.Initializer = append(typed.Graph.Initializer, typedTensors()["float32"], typedTensors()["int8"])
	for _, m := range []*onnxpb.ModelProto{small(), varied(), quantized(), typed} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// parsed reads a model in memory, with one file of external data.
func parsed(file []byte) (*Model, error) {
	m := New(nil)
	m.file.data = file
	m.externals["w.bin"] = &externalFile{&mapping{data: make([]byte, 64)}, "w.bin"}
	return m, m.parse()
}

// allocated is how many bytes of heap were asked for so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// saved is the model in one file.
func saved(t *testing.T, m *Model) []byte {
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatalf("a model that opens can be saved: %v", err)
	}
	return out.Bytes()
}

func FuzzOpen(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		before := allocated()
		m, err := parsed(file)
		if used, limit := allocated()-before, 16*uint64(len(file))+memoryBase+1<<20; used > limit {
			t.Fatalf("%d bytes of memory for a file of %d", used, len(file))
		}
		if err != nil {
			return
		}
		once := saved(t, m)
		again, err := parsed(once)
		if err != nil {
			t.Fatalf("what was saved opens: %v", err)
		}
		if twice := saved(t, again); !bytes.Equal(once, twice) {
			t.Fatal("saved again it has other bytes")
		}
		tensors := all(again)
		m.EachTensor(func(a *onnxpb.TensorProto) {
			b := tensors[0]
			tensors = tensors[1:]
			x, _, err1 := m.View(a)
			y, _, err2 := again.View(b)
			if (err1 == nil) != (err2 == nil) || !bytes.Equal(x, y) {
				t.Errorf("tensor %s: %v and %v", a.Name, err1, err2)
			}
			if a.DataLocation == onnxpb.TensorProto_EXTERNAL { // it has come into the file
				b.DataLocation, b.ExternalData, b.RawData = a.DataLocation, a.ExternalData, a.RawData
			}
		})
		if len(tensors) != 0 || !proto.Equal(m.Proto, again.Proto) {
			t.Error("saved and opened it differs")
		}
	})
}

func all(m *Model) (tensors []*onnxpb.TensorProto) {
	m.EachTensor(func(t *onnxpb.TensorProto) { tensors = append(tensors, t) })
	return tensors
}

func FuzzCheck(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := parsed(file)
		if err != nil {
			return
		}
		before := allocated()
		problem := m.Check()
		if used, limit := allocated()-before, 16*uint64(len(file))+1<<20; used > limit {
			t.Fatalf("%d bytes of memory to check a file of %d", used, len(file))
		}
		m.Info()
		m.Names()
		again, err := parsed(saved(t, m))
		if err != nil {
			t.Fatal(err)
		}
		if now := again.Check(); (problem == nil) != (now == nil) {
			t.Fatalf("%v, and after saving %v", problem, now)
		}
		order := slices.Clone(m.Proto.Graph.Node)
		if err := m.Sort(); problem == nil && (err != nil || !slices.Equal(order, m.Proto.Graph.Node)) {
			t.Fatalf("a model that is in order was sorted: %v", err)
		}
		m.NameNodes()
		if now := m.Check(); problem == nil && now != nil {
			t.Fatal(now)
		}
	})
}

// quantized is a model in the form that static quantization writes.
func quantized() *onnxpb.ModelProto {
	scalar := func(name string, d tensor.DType, raw ...byte) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: name, DataType: int32(d), RawData: raw}
	}
	return &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 13}, {Domain: "com.microsoft", Version: 1}}, Graph: &onnxpb.GraphProto{
		Initializer: []*onnxpb.TensorProto{scalar("s", tensor.Float32, 0, 0, 128, 63), scalar("z", tensor.Uint8, 128)},
		Input:       []*onnxpb.ValueInfoProto{{Name: "x"}}, Output: []*onnxpb.ValueInfoProto{{Name: "y"}},
		Node: nodesOf("QuantizeLinear x s z > q", "MaxPool q > p", "DequantizeLinear p s z > y"),
	}}
}
