//go:build cgo && linux

package quantize

import (
	"math"
	"strings"
	"testing"

	"assay/backend"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// At two of its levels the runtime makes zeros of a float16 product with weights behind DequantizeLinear (onnxruntime 1.30.0); all levels load it.
func TestAModelThatFailsAtOneLevel(t *testing.T) {
	weights := &onnxpb.TensorProto{Name: "w8", DataType: int32(tensor.Int8), Dims: []int64{64, 32}, RawData: make([]byte, 64*32)}
	for i := range weights.RawData {
		weights.RawData[i] = byte(i * 37)
	}
	single := newNetwork(21).input("x", 4, 64).constant("scale", []float32{0.125}).node("DequantizeLinear w8 scale > w", intAttribute("axis", 1)).
		node("MatMul x w > y").output("y", 4, 32)
	single.model.IrVersion = 10
	single.model.Graph.Initializer[0].Dims = nil
	single.model.Graph.Initializer = append(single.model.Graph.Initializer, weights)
	halves := newNetwork(21).input("x", 4, 64).node("DequantizeLinear w8 scale > w", intAttribute("axis", 1)).
		node("MatMul x w > y").output("y", 4, 32)
	halves.model.IrVersion = 10
	halves.model.Graph.Initializer = append(halves.model.Graph.Initializer, weights,
		&onnxpb.TensorProto{Name: "scale", DataType: int32(tensor.Float16), RawData: []byte{0, 0x30}})
	for _, v := range []*onnxpb.ValueInfoProto{halves.model.Graph.Input[0], halves.model.Graph.Output[0]} {
		v.Type.GetTensorType().ElemType = int32(tensor.Float16)
	}
	made := halves.save(t)
	loadsEverywhere(t, made)
	_, err := Verify(t.Context(), loaded(t), VerifyJob{Original: single.save(t), Made: made}, normal(8), nil)
	if err == nil || !strings.Contains(err.Error(), "at optimisation level extended: output y is at 0.0 dB beside the original's, and at level all ") {
		t.Errorf("%v", err)
	}
}

// atDecibels is a comparison of one output with a signal to noise ratio.
func atDecibels(t *testing.T, db float64) *comparison {
	t.Helper()
	c := newComparison([]backend.ValueInfo{{Name: "y", DType: tensor.Float32}})
	of := func(v float64) []tensor.Value {
		return []tensor.Value{tensor.Of(&tensor.Tensor{DType: tensor.Float32, Shape: []int64{1}, Data: floatBytes([]float32{float32(v)})})}
	}
	if err := c.add(of(1), of(1+math.Pow(10, -db/20))); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLevelsThatAreFarFromOthers(t *testing.T) {
	same := math.Inf(1)
	for name, c := range map[string]struct {
		lower          [4]float64
		highest, exact float64
		want           string
	}{
		"alike":                   {[4]float64{60, 60, 60, 60}, 60, 60, ""},
		"faint everywhere":        {[4]float64{3, 3, 3, 3}, 3, 3, ""},
		"20 dB everywhere":        {[4]float64{20, 20, 20, 20}, 20, 20, ""},
		"fusion":                  {[4]float64{12, 12, 45, 45}, 45, 45, ""},
		"a little nearer":         {[4]float64{9, 9, 25, 25}, 25, 25, ""},
		"zeros at one":            {[4]float64{60, 60, 0, 60}, 60, 60, "level extended: output y is at 0.0 dB beside the original's, and at level all 60.0 dB"},
		"zeros beside equal ones": {[4]float64{0, same, same, same}, same, same, "level disable: output y is at 0.0 dB beside the original's, and at level all equal to it"},
		"the highest":             {[4]float64{40, 41, 40, 40}, 2, 2, "level all: output y is at 2.0 dB beside the original's, and at level basic 41.0 dB"},
		"saturation":              {[4]float64{40, 40, 2, 2}, 2, 40, ""},
	} {
		var lower []*comparison
		for _, db := range c.lower {
			lower = append(lower, atDecibels(t, db))
		}
		err := refuseLevels(lower, atDecibels(t, c.highest), atDecibels(t, c.exact))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
