//go:build cgo && linux

package ort

import (
	"reflect"
	"testing"

	"assay/backend"
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
