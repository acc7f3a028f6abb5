//go:build cgo && linux

package quantize

import (
	"math"
	"testing"

	"assay/backend"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// The runtime's own QuantizeLinear is the oracle: a float32 quotient, rounded half to even, saturated.
func TestIntegersAreThoseOfTheRuntime(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Int8, tensor.Uint8} {
		for _, p := range []Params{{0.1, 0}, {1.0 / 3, 7}, {0.0078431375, 100}, {1, -0}, {1e-30, 3}, {7e8, 1}} {
			checkIntegers(t, d, p)
		}
	}
}

func checkIntegers(t *testing.T, d tensor.DType, p Params) {
	t.Helper()
	n := newNetwork(13).input("x", 4096).constant("s", []float32{p.Scale}).node("QuantizeLinear x s z > q").node("Cast q > y", intAttribute("to", int64(tensor.Int32)))
	n.model.Graph.Initializer = append(n.model.Graph.Initializer, &onnxpb.TensorProto{Name: "z", DataType: int32(d), RawData: []byte{byte(p.Zero)}})
	n.output("y", 4096)
	n.model.Graph.Output[0].Type.GetTensorType().ElemType = int32(tensor.Int32)
	s, err := loaded(t).Open(t.Context(), n.save(t), backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	values := make([]float32, 4096)
	for i := range values {
		switch i % 4 {
		case 0:
			values[i] = (float32(i%301) - 150 + 0.5) * p.Scale // ties
		case 1:
			values[i] = math.Float32frombits(math.Float32bits((float32(i%301)-150+0.5)*p.Scale) + 1)
		default:
			values[i] = float32(n.rng.NormFloat64()) * 90 * p.Scale
		}
	}
	x, err := tensor.New(tensor.Float32, 4096)
	if err != nil {
		t.Fatal(err)
	}
	x.Data = floatBytes(values)
	out, err := s.Run(t.Context(), []tensor.Value{tensor.Of(x)})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4096)
	quantizeInto(got, values, p, d)
	for i := range got {
		if want := out[0].Tensor.Data[4*i]; got[i] != want {
			t.Fatalf("%v / %v + %d to %s: %d, the runtime says %d", values[i], p.Scale, p.Zero, d, got[i], want)
		}
	}
}
