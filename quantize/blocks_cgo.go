//go:build cgo

package quantize

// #include "kernels.h"
import "C"

import (
	"errors"
	"sync"
)

// fast says whether C makes the blocks: those of the forms that there are, in the rounding of each.
func (l *blockLayout) fast() bool {
	if !littleEndian || !l.fit.inC {
		return false
	}
	switch l.rounding {
	case zeroFirst:
		return !l.inPlace && !l.turned
	case zeroLast:
		return l.inPlace && (l.down || l.turned)
	}
	return l.inPlace && !l.down && !l.turned
}

func (l *blockLayout) forC() *C.assay_blocks {
	f := &C.assay_blocks{width: C.int32_t(l.bits), block: C.int32_t(l.block), rounding: C.int32_t(l.rounding)}
	if l.symmetric {
		f.symmetric = 1
	}
	if l.fit.kquant {
		f.kquant = 1
	}
	if l.signed() {
		f.flip = C.int32_t(l.middle())
	}
	return f
}

// quickly makes a slab with the kernels, on all cores: lanes from first to last, or where blocks are what is read together, blocks.
func (l *blockLayout) quickly(values []float32, into *blocked, first, last int) error {
	switch {
	case l.turned:
		return l.tiles(first, last, l.rows, func(b, n, lane, lanes int) error { return l.turnFast(values, into, b, n, lane, lanes) })
	case l.down:
		return l.tiles(first, last, l.columns, func(b, n, lane, lanes int) error { return l.downFast(values, into, b, n, lane, lanes) })
	}
	return l.parallel(first, last, func(from, to int) error { return l.alongFast(values, into, from, to) })
}

// tiles calls do for groups of blocks of bands of lanes: n blocks from b on.
func (l *blockLayout) tiles(first, last, lanes int, do func(b, n, lane, lanes int) error) error {
	group, band := max(C.ASSAY_GROUP/l.block, 1), 1024
	if l.sharesBytes() {
		band = lanes // in place two bands would share bytes
	}
	bands := (lanes + band - 1) / band
	return l.parallel(0, (last-first+group-1)/group*bands, func(from, to int) error {
		for i := from; i < to; i++ {
			b, lane := first+i/bands*group, i%bands*band
			if err := do(b, min(group, last-b), lane, min(band, lanes-lane)); err != nil {
				return err
			}
		}
		return nil
	})
}

// downFast is downwards for n blocks from b on of some columns.
func (l *blockLayout) downFast(values []float32, into *blocked, b, n, left, width int) error {
	at := b*l.block*l.columns + left
	height := min(n*l.block, l.rows-b*l.block)
	var fine C.int
	if l.inPlace {
		fine = C.assay_blocks_down_in_place(l.forC(), cFloats(values[at:]), C.size_t(height), C.size_t(l.columns), C.size_t(width), cScales(into.scales[b*l.columns+left:]),
			l.zerosAt(into, b*l.columns+left), cBytes(into.codes), C.size_t(at))
	} else {
		block := left*l.blocks() + b
		fine = C.assay_blocks_down(l.forC(), cFloats(values[at:]), C.size_t(height), C.size_t(l.columns), C.size_t(width), cScales(into.scales[block:]), l.zerosAt(into, block),
			C.size_t(l.blocks()), cBytes(into.codes[block*l.blob():]), C.size_t(l.blocks()*l.blob()))
	}
	if fine != 0 {
		return nil
	}
	return l.refusal(func() error { return l.downwards(values, into, b, b+n) })
}

// turnFast is across for n blocks from b on of some rows.
func (l *blockLayout) turnFast(values []float32, into *blocked, b, n, top, height int) error {
	at := top*l.columns + b*l.block
	width := min(n*l.block, l.columns-b*l.block)
	fine := C.assay_blocks_turned(l.forC(), cFloats(values[at:]), C.size_t(height), C.size_t(l.columns), C.size_t(width), cScales(into.scales[b*l.rows+top:]),
		l.zerosAt(into, b*l.rows+top), C.size_t(l.rows), cBytes(into.codes), C.size_t(b*l.block*l.rows+top))
	if fine != 0 {
		return nil
	}
	return l.refusal(func() error { return l.across(values, into, b, b+n) })
}

// alongFast is along.
func (l *blockLayout) alongFast(values []float32, into *blocked, from, to int) error {
	at, block := from*l.columns, from*l.blocks()
	v, rows, columns := cFloats(values[at:]), C.size_t(to-from), C.size_t(l.columns)
	var fine C.int
	if l.inPlace {
		fine = C.assay_blocks_along_in_place(l.forC(), v, rows, columns, cScales(into.scales[block:]), l.zerosAt(into, block), cBytes(into.codes), C.size_t(at))
	} else {
		fine = C.assay_blocks_along(l.forC(), v, rows, columns, cScales(into.scales[block:]), l.zerosAt(into, block), cBytes(into.codes[block*l.blob():]))
	}
	if fine != 0 {
		return nil
	}
	return l.refusal(func() error { return l.along(values, into, from, to) })
}

// refusal is why a kernel made no blocks, which the formula in Go says. It goes over all lanes of its blocks, others' too: one at a time.
func (l *blockLayout) refusal(formula func() error) error {
	refusing.Lock()
	defer refusing.Unlock()
	if err := formula(); err != nil {
		return err
	}
	return errors.New("blocks have no scale")
}

var refusing sync.Mutex

// zerosAt is where zero points from a place on go, nil where there are none.
func (l *blockLayout) zerosAt(into *blocked, at int) *C.uint8_t {
	if l.symmetric {
		return nil
	}
	return cBytes(into.zeros[at:])
}
