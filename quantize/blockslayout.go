package quantize

import (
	"fmt"
	"sync"

	"assay/tensor"
)

// blockLayout is a matrix in blocks: which way they run through it, and where their codes go.
type blockLayout struct {
	blockFormat
	rows, columns int
	// down says that a block runs down a column, as MatMul reduces its weight; else it runs along a row.
	down bool
	// inPlace keeps the matrix's order of elements, as DequantizeLinear and GatherBlockQuantized want it. Else each column (or row) gets its
	// blocks one after the other, each as long as a whole one, as MatMulNBits wants it.
	inPlace bool
	// turned transposes a matrix whose blocks run along its rows, so that in place they run down columns.
	turned bool
	// unsigned stores symmetric codes in place as they are, with the middle code for 0; else they are signed.
	unsigned bool
}

// blocked is a matrix of codes. Its buffers are used again where they are large enough.
type blocked struct {
	codes  []byte
	scales []float32 // by column (or row), then block; in place, where blocks run down columns: by block, then column
	zeros  []byte    // packed as the codes; in the order of scales, and not in place each column's begin with a byte
}

func (l *blockLayout) lanes() int {
	if l.down {
		return l.columns
	}
	return l.rows
}

func (l *blockLayout) depth() int {
	if l.down {
		return l.rows
	}
	return l.columns
}

// blocks is how many blocks a lane has; the last may be short.
func (l *blockLayout) blocks() int { return (l.depth() + l.block - 1) / l.block }

// blob is the bytes of one whole block.
func (l *blockLayout) blob() int { return l.block * l.bits / 8 }

// codeBytes, scaleCount and zeroBytes are the sizes of what quantize makes.
func (l *blockLayout) codeBytes() int {
	if l.inPlace {
		return (l.rows*l.columns*l.bits + 7) / 8
	}
	return l.lanes() * l.blocks() * l.blob()
}

func (l *blockLayout) scaleCount() int { return l.lanes() * l.blocks() }

func (l *blockLayout) zeroBytes() int {
	switch {
	case l.symmetric:
		return 0
	case l.inPlace:
		return (l.scaleCount()*l.bits + 7) / 8
	}
	return l.lanes() * ((l.blocks()*l.bits + 7) / 8)
}

// scaleAt is where a block's scale stands.
func (l *blockLayout) scaleAt(lane, block int) int {
	if l.inPlace && (l.down || l.turned) {
		return block*l.lanes() + lane
	}
	return lane*l.blocks() + block
}

// slabBytes is how many bytes of values are read between two calls of done.
const slabBytes = 32 << 20

// quantize makes the codes, scales and zero points of a matrix of rows by columns, on all cores. It reads the values from the first to the last,
// unless they are turned, and calls done, where not nil, when those read so far need not stay in memory.
func (l *blockLayout) quantize(values []float32, into *blocked, done func()) error {
	if len(values) != l.rows*l.columns {
		return fmt.Errorf("%d values for a matrix of %d by %d", len(values), l.rows, l.columns)
	}
	into.codes = resized(into.codes, l.codeBytes())
	into.scales = resized(into.scales, l.scaleCount())
	into.zeros = resized(into.zeros, 0)
	if !l.symmetric {
		into.zeros = resized(into.zeros, l.scaleCount())
	}
	fast := l.fast()
	if !fast || l.sharesBytes() {
		clear(into.codes)
	}
	n, unit, work := l.lanes(), l.columns, l.along
	switch {
	case l.turned:
		n, unit, work = l.blocks(), l.rows*l.block, l.across
	case l.down:
		n, unit, work = l.blocks(), l.columns*l.block, l.downwards
	}
	// By pairs, because two lanes of odd length share a byte in place.
	step := max(slabBytes/(4*unit), 2) &^ 1
	for first := 0; first < n; first += step {
		if err := l.slab(values, into, first, min(first+step, n), fast, work); err != nil {
			return err
		}
		if done != nil {
			done()
		}
	}
	l.packZeros(into)
	return nil
}

// slab quantizes lanes, or blocks of all lanes, from first to last on all cores.
func (l *blockLayout) slab(values []float32, into *blocked, first, last int, fast bool, work func(values []float32, into *blocked, from, to int) error) error {
	if fast {
		return l.quickly(values, into, first, last)
	}
	return l.parallel(first, last, func(from, to int) error { return work(values, into, from, to) })
}

// sharesBytes says whether codes in place share a byte with those of the next row.
func (l *blockLayout) sharesBytes() bool {
	across := l.columns
	if l.turned {
		across = l.rows
	}
	return l.inPlace && l.bits == 4 && across%2 == 1
}

// parallel does the work from first to last on all cores, and gives one of its errors.
func (l *blockLayout) parallel(first, last int, work func(from, to int) error) (problem error) {
	var mu sync.Mutex
	parallel(last-first, 2, func(from, to int) {
		if err := work(first+from, first+to); err != nil {
			mu.Lock()
			problem = err
			mu.Unlock()
		}
	})
	return problem
}

// signed says whether codes are stored as signed integers.
func (l *blockLayout) signed() bool { return l.inPlace && l.symmetric && !l.unsigned }

// codeType is the type of the codes in place.
func (l *blockLayout) codeType() tensor.DType {
	switch {
	case l.bits == 4 && l.signed():
		return tensor.Int4
	case l.bits == 4:
		return tensor.Uint4
	case l.signed():
		return tensor.Int8
	}
	return tensor.Uint8
}

func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// along quantizes rows [from, to).
func (l *blockLayout) along(values []float32, into *blocked, from, to int) error {
	codes := make([]byte, l.block)
	for lane := from; lane < to; lane++ {
		row := values[lane*l.columns : (lane+1)*l.columns]
		for b := range l.blocks() {
			at := b * l.block
			if err := l.one(row[at:min(at+l.block, len(row))], codes, into, lane, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// across quantizes the blocks [from, to) of all rows: turned, these are what stands together.
func (l *blockLayout) across(values []float32, into *blocked, from, to int) error {
	codes := make([]byte, l.block)
	for b := from; b < to; b++ {
		for lane := range l.rows {
			at := lane*l.columns + b*l.block
			if err := l.one(values[at:min(at+l.block, (lane+1)*l.columns)], codes, into, lane, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// downwards quantizes the blocks [from, to) of all columns, a strip of columns at a time that fits the nearest cache.
func (l *blockLayout) downwards(values []float32, into *blocked, from, to int) error {
	const cached = 4096 // values
	strip := max(8, cached/l.block)
	tile, codes := make([]float32, strip*l.block), make([]byte, l.block)
	for b := from; b < to; b++ {
		top := b * l.block
		height := min(l.block, l.rows-top)
		for left := 0; left < l.columns; left += strip {
			width := min(strip, l.columns-left)
			for i := range height {
				at := (top+i)*l.columns + left
				for c, x := range values[at : at+width] {
					tile[c*l.block+i] = x
				}
			}
			for c := range width {
				if err := l.one(tile[c*l.block:c*l.block+height], codes, into, left+c, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// one quantizes one block; codes is room for it.
func (l *blockLayout) one(values []float32, codes []byte, into *blocked, lane, block int) error {
	g, err := l.fit.choose(&l.blockFormat, values)
	if err != nil {
		return err
	}
	at := l.scaleAt(lane, block)
	into.scales[at] = g.scale
	if !l.symmetric {
		into.zeros[at] = byte(g.zero)
	}
	codes = codes[:len(values)]
	l.codes(codes, values, g)
	if l.inPlace {
		l.place(into.codes, codes, lane, block)
		return nil
	}
	out := into.codes[(lane*l.blocks()+block)*l.blob():]
	if l.bits == 4 {
		packNibbles(out, codes)
	} else {
		copy(out, codes)
	}
	return nil
}

// place puts a block's codes where its values stood. Symmetric ones are stored signed.
func (l *blockLayout) place(out, codes []byte, lane, block int) {
	start, step := lane*l.columns+block*l.block, 1
	if l.down || l.turned {
		start, step = block*l.block*l.lanes()+lane, l.lanes()
	}
	var sign byte
	if l.signed() {
		sign = byte(l.middle())
	}
	for i, q := range codes {
		at := start + i*step
		if l.bits == 4 {
			out[at/2] |= (q ^ sign) << (4 * (at & 1))
		} else {
			out[at] = q ^ sign
		}
	}
}

// packZeros brings the zero points, which stand one a byte, into their packed form. The room behind a column's last one holds the middle code.
func (l *blockLayout) packZeros(into *blocked) {
	if l.symmetric || l.bits == 8 {
		return
	}
	run := l.blocks()
	if l.inPlace {
		run = len(into.zeros)
	}
	size := (run + 1) / 2
	for i := 0; i*run < len(into.zeros); i++ {
		packNibbles(into.zeros[i*size:], into.zeros[i*run:(i+1)*run])
		if run%2 == 1 && !l.inPlace {
			into.zeros[i*size+size-1] |= byte(l.middle()) << 4
		}
	}
	into.zeros = into.zeros[:l.zeroBytes()]
}
