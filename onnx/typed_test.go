package onnx

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// typedTensors have more data in typed fields than the skeleton takes; numbers of int32_data are of one byte to ten.
func typedTensors() map[string]*onnxpb.TensorProto {
	const n = 3000
	var floats []float32
	var doubles []float64
	var ints []int32
	var longs []int64
	var naturals []uint64
	for i := range n {
		floats, doubles = append(floats, float32(i)/7), append(doubles, -float64(i)/7)
		ints, longs, naturals = append(ints, int32(i-9)), append(longs, int64(i)<<50-9), append(naturals, uint64(i)<<30)
	}
	floats[5] = float32(math.NaN())
	of := func(d tensor.DType, t *onnxpb.TensorProto) *onnxpb.TensorProto {
		t.Name, t.DataType, t.Dims = "typed", int32(d), []int64{n}
		return t
	}
	halved := of(tensor.Complex64, &onnxpb.TensorProto{FloatData: floats})
	halved.Dims[0] /= 2
	return map[string]*onnxpb.TensorProto{
		"float32": of(tensor.Float32, &onnxpb.TensorProto{FloatData: floats}), "complex64": halved, "float64": of(tensor.Float64, &onnxpb.TensorProto{DoubleData: doubles}),
		"int64": of(tensor.Int64, &onnxpb.TensorProto{Int64Data: longs}), "uint64": of(tensor.Uint64, &onnxpb.TensorProto{Uint64Data: naturals}),
		"uint32": of(tensor.Uint32, &onnxpb.TensorProto{Uint64Data: naturals}), "int32": of(tensor.Int32, &onnxpb.TensorProto{Int32Data: ints}),
		"int8": of(tensor.Int8, &onnxpb.TensorProto{Int32Data: ints}), "float16": of(tensor.Float16, &onnxpb.TensorProto{Int32Data: ints}),
	}
}

// withTensor is a model that has a tensor of the given wire form beside others.
func withTensor(t *testing.T, wire []byte) []byte {
	t.Helper()
	m, err := proto.Marshal(small())
	if err != nil {
		t.Fatal(err)
	}
	graph := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), wire) // graphs of two fields are merged
	return protowire.AppendBytes(protowire.AppendTag(m, 7, protowire.BytesType), graph)
}

// Large data in typed fields stays in the file as that of raw form does, and is read, and saved in raw form.
func TestTypedDataStaysInTheFile(t *testing.T) {
	for name, typed := range typedTensors() {
		t.Run(name, func(t *testing.T) {
			want, err := typedData(typed)
			if err != nil {
				t.Fatal(err)
			}
			wire, err := proto.Marshal(typed)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Parse(withTensor(t, wire))
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Check(); err != nil {
				t.Error(err)
			}
			w := m.Initializer("typed")
			if size := proto.Size(w); size > 100 {
				t.Errorf("it has %d bytes in the skeleton", size)
			}
			out := filepath.Join(t.TempDir(), "out.onnx")
			if err := m.Save(out); err != nil {
				t.Fatal(err)
			}
			for _, m := range []*Model{m, open2(t, out)} {
				if got, err := m.Tensor(m.Initializer("typed")); err != nil || !bytes.Equal(got.Data, want) {
					t.Errorf("other data: %v", err)
				}
			}
		})
	}
}

// A list of numbers may be in parts, and its numbers need not be packed.
func TestTypedDataInParts(t *testing.T) {
	typed := &onnxpb.TensorProto{Name: "typed", DataType: int32(tensor.Float32), Dims: []int64{1001}}
	wire, err := proto.Marshal(typed)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []int{500, 500} {
		wire = protowire.AppendBytes(protowire.AppendTag(wire, tensorFloatData, protowire.BytesType), make([]byte, 4*part))
	}
	wire = protowire.AppendFixed32(protowire.AppendTag(wire, tensorFloatData, protowire.Fixed32Type), math.Float32bits(7))
	m, err := Parse(withTensor(t, wire))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := m.Float32s(m.Initializer("typed")); err != nil || len(f) != 1001 || f[1000] != 7 {
		t.Errorf("%d values: %v", len(f), err)
	}
}

func TestBadTypedData(t *testing.T) {
	packed := func(d tensor.DType, number protowire.Number, content []byte) []byte {
		wire, err := proto.Marshal(&onnxpb.TensorProto{Name: "typed", DataType: int32(d), Dims: []int64{2000}})
		if err != nil {
			t.Fatal(err)
		}
		return protowire.AppendBytes(protowire.AppendTag(wire, number, protowire.BytesType), content)
	}
	ones := bytes.Repeat([]byte{1}, 2000)
	for name, c := range map[string]struct {
		wire []byte
		want string
	}{
		"another type": {packed(tensor.Int32, tensorFloatData, make([]byte, 8000)), "tensor typed: its data is in float_data, which is not for elements of type int32"},
		"no type":      {packed(tensor.Float32, tensorInt32Data, ones), "tensor typed: its data is in int32_data, which is not for elements of type float32"},
		"no end":       {packed(tensor.Int32, tensorInt32Data, append(ones, 0x80)), "tensor typed: int32_data: unexpected EOF"},
		"too long":     {packed(tensor.Int64, tensorInt64Data, append(ones, bytes.Repeat([]byte{0x80}, 11)...)), "tensor typed: int64_data: a number has more than ten bytes"},
		"too few":      {packed(tensor.Int64, tensorInt64Data, ones[1:]), ""},
	} {
		m, err := Parse(withTensor(t, c.wire))
		if c.want == "" { // what is missing is said when it is read, as of raw data
			_, err = m.Tensor(m.Initializer("typed"))
			c.want = "tensor typed: 15992 bytes of data for int64 [2000], which takes 16000"
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// Numbers that begin in one stretch of a file and end in the next are whole.
func TestUnpackingAcrossStretches(t *testing.T) {
	var packed, want []byte
	for i := 0; len(packed) < stretch+100; i++ {
		v := uint64(1)<<(7*(i%4)) + uint64(i%5)
		packed, want = protowire.AppendVarint(packed, v), appendUint(want, v, 4)
	}
	m := &mapping{data: packed}
	var got bytes.Buffer
	if err := m.unpack(&got, extent{0, int64(len(packed))}, 4); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes for %d: %v", got.Len(), len(want), err)
	}
	if n, err := m.countVarints(extent{0, int64(len(packed))}); err != nil || int(n) != len(want)/4 {
		t.Errorf("%d numbers for %d: %v", n, len(want)/4, err)
	}
}
