//go:build cgo && linux

package ort

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// TestBoundOutputsOfEveryKind copies an input to the output: in preallocated memory, or where the runtime must allocate (strings).
func TestBoundOutputsOfEveryKind(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Float32, tensor.Float16, tensor.BFloat16, tensor.Int64, tensor.Bool, tensor.Uint8, tensor.String} {
		s, err := runtime(t).Open(t.Context(), writeModel(t, oneNode(t, "Identity", "", 17, d)), backend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int64{0, 1, 7} {
			want := []tensor.Value{tensor.Of(filled(t, d, n))}
			b, err := s.Bind(want)
			if err != nil {
				t.Fatalf("%s of %d: %v", d, n, err)
			}
			how := Preallocated
			if d == tensor.String {
				how = Allocated
			}
			if got := b.(*Bound).Mode(); got != how {
				t.Errorf("%s of %d: outputs are %s, want %s", d, n, got, how)
			}
			for range 2 {
				if err := b.Run(); err != nil {
					t.Errorf("%s of %d: %v", d, n, err)
				}
				if got, err := b.Outputs(); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s of %d: %+v, %v; want %+v", d, n, got, err, want)
				}
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSizesThatDependOnValues runs a model whose output is as long as its input has numbers other than zero.
func TestSizesThatDependOnValues(t *testing.T) {
	s, err := runtime(t).Open(t.Context(), writeModel(t, oneNode(t, "Unique", "", 17, tensor.Float32)), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, different := range []int64{1, 5} {
		in := ramp(t, 10)
		for i := 4 * different; i < int64(len(in.Data)); i++ {
			in.Data[i] = 0
		}
		b, err := s.Bind([]tensor.Value{tensor.Of(in)})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Run(); err != nil {
			t.Error(err)
		}
		if out, err := b.Outputs(); err != nil || out[0].Tensor.Len() != different {
			t.Errorf("%d different numbers: %+v, %v", different, out, err)
		}
		b.Close()
	}
}

// TestOutputsOfAnotherShapeThanDeclared runs a model that promises an output of one element and gives as many as its input has, a common
// mistake of exporters. The runtime checks outputs that are there before a run against the promise, so only plain runs work.
func TestOutputsOfAnotherShapeThanDeclared(t *testing.T) {
	m := new(onnxpb.ModelProto)
	if err := proto.Unmarshal(oneNode(t, "Relu", "", 17, tensor.Float32), m); err != nil {
		t.Fatal(err)
	}
	m.Graph.Output[0].Type.GetTensorType().Shape.Dim[0].Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 1}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := runtime(t).Open(t.Context(), writeModel(t, data), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n, how := range map[int64]string{1: Preallocated, 3: Plain} {
		in := ramp(t, n)
		b, err := s.Bind([]tensor.Value{tensor.Of(in)})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.(*Bound).Mode(); got != how {
			t.Errorf("%d elements: outputs are %s, want %s", n, got, how)
		}
		for range 3 {
			if err := b.Run(); err != nil {
				t.Errorf("%d elements: %v", n, err)
			}
		}
		if out, err := b.Outputs(); err != nil || !reflect.DeepEqual(out, []tensor.Value{tensor.Of(in)}) {
			t.Errorf("%d elements: %+v, %v; want the input", n, out, err)
		}
		b.Close()
	}
}

// TestInputsAreReadWhereTheyAre writes other numbers into a bound input.
func TestInputsAreReadWhereTheyAre(t *testing.T) {
	s, err := runtime(t).Open(t.Context(), writeModel(t, oneNode(t, "Identity", "", 17, tensor.Float32)), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first, second := filled(t, tensor.Float32, 4), filled(t, tensor.Float32, 4)
	for i := range second.Data {
		second.Data[i] ^= 0x11
	}
	b, err := s.Bind([]tensor.Value{tensor.Of(first)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	copy(b.(*Bound).InputBytes(0), second.Data)
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Outputs(); err != nil || !reflect.DeepEqual(got, []tensor.Value{tensor.Of(second)}) {
		t.Errorf("%+v, %v", got, err)
	}
}
