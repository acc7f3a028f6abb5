package tensor

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestNonFinite(t *testing.T) {
	values := []float64{0, 1, -65504, math.MaxFloat64, 5e-324, math.Inf(1), math.Inf(-1), math.NaN()}
	doubles, singles := &Tensor{DType: Float64}, &Tensor{DType: Float32}
	for _, v := range values {
		doubles.Data = binary.LittleEndian.AppendUint64(doubles.Data, math.Float64bits(v))
		singles.Data = binary.LittleEndian.AppendUint32(singles.Data, math.Float32bits(float32(math.Mod(v, 1e30))))
	}
	halves := &Tensor{DType: Float16, Data: []byte{0xff, 0x7b, 0x00, 0x7c, 0x00, 0xfc, 0x01, 0x7e}}  // 65504, inf, -inf, NaN
	brains := &Tensor{DType: BFloat16, Data: []byte{0x7f, 0x7f, 0x80, 0x7f, 0xc0, 0x7f, 0x80, 0x3f}} // greatest, inf, NaN, 1
	for _, c := range []struct {
		t             *Tensor
		infinite, nan int
	}{{doubles, 2, 1}, {singles, 0, 3}, {halves, 2, 1}, {brains, 1, 1}, {&Tensor{DType: Int64, Data: doubles.Data}, 0, 0}} {
		if infinite, nan := NonFinite(c.t); infinite != c.infinite || nan != c.nan {
			t.Errorf("%s: %d infinite and %d NaN, want %d and %d", c.t.DType, infinite, nan, c.infinite, c.nan)
		}
	}
}
