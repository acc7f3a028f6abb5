package check

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"assay/tensor"
)

func vector(v ...float64) *tensor.Tensor {
	t := &tensor.Tensor{DType: tensor.Float32, Shape: []int64{int64(len(v))}}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(float32(x)))
	}
	return t
}

// TestNumbers holds patterns whose values the format's definition names: zeros, ones, subnormals, largest, not numbers.
func TestNumbers(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		dtype tensor.DType
		shape []int64
		data  []byte
		want  []float64
	}{
		{tensor.Float8E4M3FN, []int64{7}, []byte{0x00, 0x38, 0xb8, 0x01, 0x7e, 0x7f, 0xff}, []float64{0, 1, -1, math.Ldexp(1, -9), 448, nan, nan}},
		{tensor.Float8E4M3FNUZ, []int64{5}, []byte{0x00, 0x40, 0x01, 0x7f, 0x80}, []float64{0, 1, math.Ldexp(1, -10), 240, nan}},
		{tensor.Float8E5M2, []int64{8}, []byte{0x3c, 0xbc, 0x01, 0x7b, 0x7c, 0xfc, 0x7d, 0xff}, []float64{1, -1, math.Ldexp(1, -16), 57344, inf, -inf, nan, nan}},
		{tensor.Float8E5M2FNUZ, []int64{4}, []byte{0x40, 0x01, 0x7f, 0x80}, []float64{1, math.Ldexp(1, -17), 57344, nan}},
		{tensor.Float8E8M0, []int64{4}, []byte{0x7f, 0x00, 0xfe, 0xff}, []float64{1, math.Ldexp(1, -127), math.Ldexp(1, 127), nan}},
		{tensor.Float4E2M1, []int64{9}, []byte{0x10, 0x32, 0x54, 0x76, 0x0f}, []float64{0, 0.5, 1, 1.5, 2, 3, 4, 6, -6}},
		{tensor.Float16, []int64{4}, []byte{0x00, 0x3c, 0x01, 0x00, 0x00, 0x7c, 0x01, 0x7e}, []float64{1, math.Ldexp(1, -24), inf, nan}},
		{tensor.BFloat16, []int64{2}, []byte{0x80, 0x3f, 0x80, 0xff}, []float64{1, -inf}},
		{tensor.Int4, []int64{3}, []byte{0x8f, 0x07}, []float64{-1, -8, 7}},
		{tensor.Uint4, []int64{3}, []byte{0x8f, 0x07}, []float64{15, 8, 7}},
		{tensor.Int2, []int64{5}, []byte{0b11_10_01_00, 0b10}, []float64{0, 1, -2, -1, -2}},
		{tensor.Uint2, []int64{4}, []byte{0b11_10_01_00}, []float64{0, 1, 2, 3}},
		{tensor.Int16, []int64{2}, []byte{0xff, 0xff, 0x00, 0x80}, []float64{-1, -32768}},
		{tensor.Uint32, []int64{1}, []byte{0xff, 0xff, 0xff, 0xff}, []float64{math.MaxUint32}},
		{tensor.Bool, []int64{3}, []byte{0, 1, 7}, []float64{0, 1, 1}},
		{tensor.Float64, nil, binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.Pi)), []float64{math.Pi}},
		{tensor.Complex64, []int64{1}, vector(3, -4).Data, []float64{3, -4}},
		{tensor.Float32, []int64{0, 3}, nil, []float64{}},
	} {
		got, err := numbers(&tensor.Tensor{DType: c.dtype, Shape: c.shape, Data: c.data})
		if err != nil {
			t.Errorf("%s: %v", c.dtype, err)
			continue
		}
		if d := cmp.Diff(c.want, got, cmpopts.EquateNaNs()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.dtype, d)
		}
	}
	for _, bad := range []*tensor.Tensor{
		{DType: tensor.String, Strings: []string{"a"}},
		{DType: tensor.Float32, Shape: []int64{2}, Data: make([]byte, 7)},
		{DType: tensor.Float32, Shape: []int64{-1}},
	} {
		if v, err := numbers(bad); err == nil {
			t.Errorf("numbers(%+v) = %v, want an error", bad, v)
		}
	}
}
