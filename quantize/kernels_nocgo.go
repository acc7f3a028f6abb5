//go:build !cgo

package quantize

import "assay/tensor"

func span(values []float32) (low, high float32, finite bool) { return spanPlainly(values) }

func quantizeRun(out []byte, values []float32, p Params, d tensor.DType) {
	quantizeRunPlainly(out, values, p, d)
}

func rowSpans(values []float32, columns int, lows, highs []float32) bool {
	return rowSpansPlainly(values, columns, lows, highs)
}

func quantizeRows(out []byte, values []float32, columns int, scales []float32, zeros []int32, d tensor.DType) {
	quantizeRowsPlainly(out, values, columns, scales, zeros, d)
}

func widenColumns(values, low, high []float32) bool { return widenColumnsPlainly(values, low, high) }

func quantizeByColumn(out []byte, values []float32, p *parts) {
	quantizeByColumnPlainly(out, values, p)
}

func packNibbles(out, codes []byte) { packNibblesPlainly(out, codes) }

func halveRun(out []byte, values []float32) halfTally { return halveRunPlainly(out, values) }

// fast says that blocks have no faster form here.
func (l *blockLayout) fast() bool { return false }

func (l *blockLayout) quickly([]float32, *blocked, int, int) error { panic("no fast blocks") }
