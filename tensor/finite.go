package tensor

import "encoding/binary"

// NonFinite counts the elements that are infinite or no number: those whose exponent is all ones. Types other than IEEE floats of 16 to 64
// bits and bfloat16 have none that it knows.
func NonFinite(t *Tensor) (infinite, nan int) {
	le := binary.LittleEndian
	var width, significand int
	switch t.DType {
	case Float16:
		width, significand = 2, 10
	case BFloat16:
		width, significand = 2, 7
	case Float32:
		width, significand = 4, 23
	case Float64:
		width, significand = 8, 52
	default:
		return 0, 0
	}
	exponent := uint64(1)<<(8*width-1) - uint64(1)<<significand
	for at := 0; at+width <= len(t.Data); at += width {
		var bits uint64
		switch width {
		case 2:
			bits = uint64(le.Uint16(t.Data[at:]))
		case 4:
			bits = uint64(le.Uint32(t.Data[at:]))
		default:
			bits = le.Uint64(t.Data[at:])
		}
		switch {
		case bits&exponent != exponent:
		case bits&(1<<significand-1) == 0:
			infinite++
		default:
			nan++
		}
	}
	return infinite, nan
}
