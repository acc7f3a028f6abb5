//go:build cgo

package quantize

// #cgo LDFLAGS: -lm
// #include "kernels.h"
import "C"

import (
	"math"
	"unsafe"

	"assay/tensor"
)

// worthCall is how many values are worth a call into C.
const worthCall = 64

func cFloats(v []float32) *C.value { return (*C.value)(unsafe.Pointer(unsafe.SliceData(v))) }
func cScales(v []float32) *C.float { return (*C.float)(unsafe.SliceData(v)) }
func cInts(v []int32) *C.int32_t   { return (*C.int32_t)(unsafe.SliceData(v)) }
func cBytes(v []byte) *C.uint8_t   { return (*C.uint8_t)(unsafe.SliceData(v)) }

// span gives the smallest and the largest value, both widened to contain 0, and whether all values are finite; else the extremes mean nothing.
func span(values []float32) (low, high float32, finite bool) {
	if len(values) < worthCall {
		return spanPlainly(values)
	}
	var lows, highs [1]float32
	finite = rowSpans(values, len(values), lows[:], highs[:])
	return lows[0], highs[0], finite
}

// rowSpans gives the span of each row of a matrix, and whether all values are finite.
func rowSpans(values []float32, columns int, lows, highs []float32) bool {
	if len(values) < worthCall {
		return rowSpansPlainly(values, columns, lows, highs)
	}
	negative, positive := make([]uint32, len(lows)), make([]int32, len(lows))
	for i := range positive {
		positive[i] = math.MinInt32
	}
	C.assay_reach_rows(cFloats(values), C.size_t(len(lows)), C.size_t(columns), (*C.uint32_t)(unsafe.SliceData(negative)), cInts(positive))
	finite := true
	for i, n := range negative {
		p := positive[i]
		finite = finite && n&magnitude32 < infinity32 && p < infinity32
		lows[i], highs[i] = 0, 0
		if n > 1<<31 { // beyond the negative 0
			lows[i] = math.Float32frombits(n)
		}
		if p > 0 {
			highs[i] = math.Float32frombits(uint32(p))
		}
	}
	return finite
}

// quantizeRun writes the 8-bit integers of values, with the bits of quantizeInto.
func quantizeRun(out []byte, values []float32, p Params, d tensor.DType) {
	quantizeRows(out, values, len(values), []float32{p.Scale}, []int32{p.Zero}, d)
}

// quantizeRows writes the integers of a matrix whose rows have parameters of their own, with the bits of quantizeInto.
func quantizeRows(out []byte, values []float32, columns int, scales []float32, zeros []int32, d tensor.DType) {
	if len(values) < worthCall {
		quantizeRowsPlainly(out, values, columns, scales, zeros, d)
		return
	}
	full := fullRange(d)
	C.assay_quantize_rows(cBytes(out), cFloats(values), C.size_t(len(scales)), C.size_t(columns), cScales(scales), cInts(zeros), C.int32_t(full.min), C.int32_t(full.max))
}

// widenColumns widens low and high, of each column of a matrix, by its values, and reports whether all are finite.
func widenColumns(values, low, high []float32) bool {
	if len(values) < worthCall {
		return widenColumnsPlainly(values, low, high)
	}
	return C.assay_widen_columns(cFloats(values), C.size_t(len(values)/len(low)), C.size_t(len(low)), cScales(low), cScales(high)) != 0
}

// quantizeByColumn writes the integers of rows whose columns have parameters of their own.
func quantizeByColumn(out []byte, values []float32, p *parts) {
	if len(values) < worthCall {
		quantizeByColumnPlainly(out, values, p)
		return
	}
	full, columns := fullRange(p.kind), len(p.scales)
	C.assay_quantize_columns(cBytes(out), cFloats(values), C.size_t(len(values)/columns), C.size_t(columns), cScales(p.scales), cInts(p.zeros), C.int32_t(full.min), C.int32_t(full.max))
}

// packNibbles writes codes below 16 two a byte, the first in the low bits; an odd last one leaves the high bits 0. out may be codes itself.
func packNibbles(out, codes []byte) {
	if len(codes) < 4*worthCall {
		packNibblesPlainly(out, codes)
		return
	}
	C.assay_pack(cBytes(out), cBytes(codes), C.size_t(len(codes)))
}

// halveRun writes values as float16, low bytes first, and counts those that it does not hold.
func halveRun(out []byte, values []float32) halfTally {
	if !littleEndian || len(values) < worthCall {
		return halveRunPlainly(out, values)
	}
	var counts [4]int64
	C.assay_halve(cBytes(out), cFloats(values), C.size_t(len(values)), (*C.int64_t)(&counts[0]))
	return halfTally{large: counts[0], small: counts[1], infinite: counts[2], noNum: counts[3]}
}
