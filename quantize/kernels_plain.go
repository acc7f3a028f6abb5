package quantize

import "assay/tensor"

// rowSpansPlainly gives the span of each row of a matrix, and whether all values are finite.
func rowSpansPlainly(values []float32, columns int, lows, highs []float32) bool {
	finite := true
	for i := range lows {
		low, high, ok := spanPlainly(values[i*columns : (i+1)*columns])
		lows[i], highs[i], finite = low, high, finite && ok
	}
	return finite
}

// quantizeRowsPlainly writes the integers of a matrix whose rows have parameters of their own.
func quantizeRowsPlainly(out []byte, values []float32, columns int, scales []float32, zeros []int32, d tensor.DType) {
	for i, s := range scales {
		quantizeRunPlainly(out[i*columns:(i+1)*columns], values[i*columns:(i+1)*columns], Params{s, zeros[i]}, d)
	}
}

// widenColumnsPlainly widens low and high by all rows.
func widenColumnsPlainly(values, low, high []float32) bool {
	finite := true
	for ; len(low) > 0 && len(values) >= len(low); values = values[len(low):] {
		finite = widenRowPlainly(values[:len(low)], low, high) && finite
	}
	return finite
}
