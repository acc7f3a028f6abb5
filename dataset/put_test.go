package dataset

import (
	"testing"

	"assay/tensor"
)

// TestSmallFloats holds codes that ml_dtypes 0.6.0 gives; beyond the greatest number it overflows where we stay below.
func TestSmallFloats(t *testing.T) {
	values := []float64{0, 1, -1, 0.3, -2.7, 0.011, 1.0625, 0.0019}
	for d, want := range map[tensor.DType][]byte{
		tensor.Float8E4M3FN:   {0, 0x38, 0xb8, 0x2a, 0xc3, 0x6, 0x38, 0x1},
		tensor.Float8E4M3FNUZ: {0, 0x40, 0xc0, 0x32, 0xcb, 0xb, 0x40, 0x2},
		tensor.Float8E5M2:     {0, 0x3c, 0xbc, 0x35, 0xc1, 0x22, 0x3c, 0x18},
		tensor.Float8E5M2FNUZ: {0, 0x40, 0xc0, 0x39, 0xc5, 0x26, 0x40, 0x1c},
		tensor.Float4E2M1:     {0, 0x2, 0xa, 0x1, 0xd, 0x0, 0x2, 0x0},
	} {
		for i, x := range values {
			if got := smallFloats[d].code(x); got != want[i] {
				t.Errorf("%s: %g is %#x, want %#x", d, x, got, want[i])
			}
		}
		if top := smallFloats[d]; top.code(1e9) != top.code(top.greatest) {
			t.Errorf("%s: a great number is %#x", d, top.code(1e9))
		}
	}
	if got := smallFloats[tensor.Float8E8M0]; got.code(1) != 127 || got.code(-0.25) != 125 {
		t.Errorf("powers of two: %d %d", got.code(1), got.code(-0.25))
	}
}

func TestPutBits(t *testing.T) {
	put, err := putter(tensor.Int4)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte{0xff, 0xff}
	for i, x := range []float64{1, -2, 7} {
		put(data, int64(i), x)
	}
	if data[0] != 0xe1 || data[1] != 0xf7 {
		t.Errorf("% x", data)
	}
}
