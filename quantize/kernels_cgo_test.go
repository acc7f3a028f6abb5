//go:build cgo

package quantize

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/x448/float16"

	"assay/tensor"
)

// hostile are values that vector code may treat otherwise: NaN of both signs, infinities, both zeros, subnormal, tiny and huge ones, ties.
func hostile(rng *rand.Rand, scale float32, count int, finite bool) []float32 {
	out := awkward(rng, scale, count)
	special := []uint32{0x7fc00000, 0xffc00001, 0x7f800001, 0x7f800000, 0xff800000, 0, 1 << 31, 1, 0x80000001, 0x007fffff, 0x7f7fffff, 0xff7fffff}
	for i := range out {
		if rng.IntN(4) > 0 {
			continue
		}
		if v := math.Float32frombits(special[rng.IntN(len(special))]); !finite || v-v == 0 {
			out[i] = v
		}
	}
	return out
}

// moved copies values to an address that is odd by some bytes.
func moved(values []float32, odd int) []float32 {
	raw := make([]byte, 4*len(values)+8)
	copy(raw[odd:], bytesOf(values))
	return unsafe.Slice((*float32)(unsafe.Pointer(&raw[odd])), len(values))
}

// sameFloats compares bits.
func sameFloats(a, b []float32) bool { return bytes.Equal(bytesOf(a), bytesOf(b)) }

// compareKernels holds C against Go on a matrix.
func compareKernels(t *testing.T, values []float32, columns int, scale float32, zero int32, d tensor.DType) {
	t.Helper()
	full := fullRange(d)
	zero = min(max(zero, full.min), full.max)
	rows := 0
	if columns > 0 {
		rows = len(values) / columns
	}
	values = values[:rows*columns]
	scales, zeros := make([]float32, max(rows, columns)), make([]int32, max(rows, columns))
	for i := range scales {
		scales[i], zeros[i] = scale*float32(1+i%5), min(max(zero+int32(i%3), full.min), full.max)
	}
	got, want := make([]byte, len(values)), make([]byte, len(values))
	quantizeRows(got, values, columns, scales[:rows], zeros[:rows], d)
	quantizeRowsPlainly(want, values, columns, scales[:rows], zeros[:rows], d)
	if !bytes.Equal(got, want) {
		t.Errorf("%d rows of %d by rows, scale %v: other integers", rows, columns, scale)
	}
	for i, s := range scales[:rows] {
		quantizeInto(want[i*columns:(i+1)*columns], values[i*columns:(i+1)*columns], Params{s, zeros[i]}, d)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d rows of %d by rows, scale %v: other integers than the formula's", rows, columns, scale)
	}
	if rows > 0 {
		p := &parts{kind: d, scales: scales[:columns], zeros: zeros[:columns]}
		quantizeByColumn(got, values, p)
		quantizeByColumnPlainly(want, values, p)
		if !bytes.Equal(got, want) {
			t.Errorf("%d rows of %d by columns, scale %v: other integers", rows, columns, scale)
		}
	}
	low, high, low2, high2 := make([]float32, rows), make([]float32, rows), make([]float32, rows), make([]float32, rows)
	a, b := rowSpans(values, columns, low, high), rowSpansPlainly(values, columns, low2, high2)
	if a != b || a && !(sameFloats(low, low2) && sameFloats(high, high2)) {
		t.Errorf("%d rows of %d: other extremes of rows, finite %v and %v", rows, columns, a, b)
	}
	low, high, low2, high2 = make([]float32, columns), make([]float32, columns), make([]float32, columns), make([]float32, columns)
	a, b = widenColumns(values, low, high), widenColumnsPlainly(values, low2, high2)
	if a != b || a && !(sameFloats(low, low2) && sameFloats(high, high2)) {
		t.Errorf("%d rows of %d: other extremes of columns, finite %v and %v", rows, columns, a, b)
	}
	halves, halves2 := make([]byte, 2*len(values)), make([]byte, 2*len(values))
	if a, b := halveRun(halves, values), halveRunPlainly(halves2, values); a != b || !bytes.Equal(halves, halves2) {
		t.Errorf("%d values: other float16, %+v and %+v", len(values), a, b)
	}
	codes := make([]byte, len(values))
	for i, x := range values {
		codes[i] = byte(math.Float32bits(x)>>7) & 15
	}
	size := (len(codes) + 1) / 2
	packNibbles(got, codes)
	packNibblesPlainly(want, codes)
	if packNibbles(codes, codes); !bytes.Equal(got[:size], want[:size]) || !bytes.Equal(codes[:size], want[:size]) {
		t.Errorf("%d codes are packed otherwise", len(codes))
	}
}

func TestKernelsInCGiveTheBitsOfGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	for count := range 71 {
		for odd := range 4 {
			for _, finite := range []bool{true, false} {
				scale := []float32{1, 0.1, 0.0078431375, 3e-5, smallestNormal, 1e-41, 2e37}[rng.IntN(7)]
				d := []tensor.DType{tensor.Uint8, tensor.Int8}[rng.IntN(2)]
				values := moved(hostile(rng, scale, count, finite), odd)
				compareKernels(t, values, max(count, 1), scale, int32(rng.IntN(400)-200), d)
				long := moved(hostile(rng, scale, 5*count+300, finite), odd)
				compareKernels(t, long, count, scale, int32(rng.IntN(400)-200), d)
				compareKernels(t, long, len(long), scale, int32(rng.IntN(400)-200), d)
			}
		}
	}
}

// Every float16, what rounds to it from both sides, and what lies half way to the next; the bounds, and NaN with every payload that is kept.
func TestHalvesInCAreThoseOfGo(t *testing.T) {
	var values []float32
	near := func(x float32) {
		b := math.Float32bits(x)
		values = append(values, math.Float32frombits(b-1), x, math.Float32frombits(b+1))
	}
	for b := range 1 << 16 {
		h := float16.Frombits(uint16(b)).Float32()
		next := float16.Frombits(uint16(b + 1)).Float32()
		near(h)
		near(h + (next-h)/2)
	}
	for _, x := range []float32{smallestHalf, -smallestHalf, largestHalf, -largestHalf, 65520, 1e38, 1e-45} {
		near(x)
	}
	compareHalves(t, values)
	rng := rand.New(rand.NewPCG(8, 5))
	for i := range values {
		values[i] = math.Float32frombits(rng.Uint32())
	}
	compareHalves(t, values)
}

func compareHalves(t *testing.T, values []float32) {
	t.Helper()
	got, want := make([]byte, 2*len(values)), make([]byte, 2*len(values))
	if a, b := halveRun(got, values), halveRunPlainly(want, values); a != b {
		t.Errorf("counts %+v, in Go %+v", a, b)
	}
	for i, x := range values {
		if !bytes.Equal(got[2*i:2*i+2], want[2*i:2*i+2]) {
			t.Fatalf("%v (%#x) has float16 %x, in Go %x", x, math.Float32bits(x), got[2*i:2*i+2], want[2*i:2*i+2])
		}
	}
}

func FuzzKernels(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, uint32(0x3dcccccd), 3, 7, true)
	for _, columns := range []int{1, 15, 16, 17, 63, 64, 65} { // about the edges of tiles
		for _, count := range []int{columns, 7 * columns, 257 * columns / 8} {
			f.Add(bytes.Repeat([]byte{0xcd, 0x4c, 0x3d, byte(columns)}, count), uint32(0x3dcccccd), columns-1, 4*columns, columns%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, scale uint32, columns, zero int, signed bool) {
		s := math.Float32frombits(scale &^ (1 << 31))
		if s == 0 || s-s != 0 || math.IsInf(float64(5*s), 0) || len(raw) < 4 {
			return // no scale that can be
		}
		d := tensor.Uint8
		if signed {
			d = tensor.Int8
		}
		// Over and over, so that short inputs reach the vector code.
		values := moved(floatsIn(bytes.Repeat(raw[:len(raw)/4*4], 1+600/len(raw))), int(raw[0]&3))
		compareKernels(t, values, 1+max(columns, -columns, 0)%97, s, int32(zero%300), d)
		compareLayouts(t, values, 1+max(columns, -columns, 0)%97, WeightNearest)
		if zero%4 == 0 { // some, and few values, for it takes long in Go
			compareLayouts(t, values[:min(len(values), 96)], 1+max(columns, -columns, 0)%31, WeightKQuant)
		}
	})
}

// compareLayouts holds blocks made in C against those of Go.
func compareLayouts(t *testing.T, values []float32, columns int, method string) {
	t.Helper()
	rows := len(values) / columns
	if rows == 0 {
		return
	}
	for _, form := range []blockLayout{
		{down: true}, {}, // of MatMulNBits
		{blockFormat: blockFormat{rounding: zeroLast}, down: true, inPlace: true}, {blockFormat: blockFormat{rounding: zeroLast}, turned: true, inPlace: true}, // of DequantizeLinear
		{blockFormat: blockFormat{rounding: divided}, inPlace: true}, {blockFormat: blockFormat{rounding: divided}, inPlace: true, unsigned: true}, // of GatherBlockQuantized
	} {
		for _, bits := range []int{4, 8} {
			for _, block := range []int{16, 32, 256} {
				for _, symmetric := range []bool{false, true} {
					l := form
					l.rows, l.columns = rows, columns
					l.bits, l.block, l.symmetric, l.fit = bits, block, symmetric, fitters[method]
					compareLayout(t, &l, values[:rows*columns])
				}
			}
		}
	}
}

// compareLayout holds one layout's blocks in C against those in Go. Buffers hold what another matrix left.
func compareLayout(t *testing.T, l *blockLayout, values []float32) {
	t.Helper()
	if !l.fast() {
		t.Fatalf("%+v is not made in C", l)
	}
	got := blocked{codes: bytes.Repeat([]byte{0xa5}, l.codeBytes()), zeros: bytes.Repeat([]byte{0xa5}, l.scaleCount()), scales: slices.Repeat([]float32{7}, l.scaleCount())}
	var want blocked
	err1 := l.quantize(values, &got, nil)
	l.fit = &fitter{choose: l.fit.choose} // the same, but not known to C
	err2 := l.quantize(values, &want, nil)
	if (err1 == nil) != (err2 == nil) {
		t.Fatalf("%+v: %v, and in Go %v", l, err1, err2)
	}
	if err1 == nil && !(bytes.Equal(got.codes, want.codes) && sameFloats(got.scales, want.scales) && bytes.Equal(got.zeros, want.zeros)) {
		t.Errorf("%+v: other blocks; codes %v, scales %v, zeros %v", l, bytes.Equal(got.codes, want.codes), sameFloats(got.scales, want.scales), bytes.Equal(got.zeros, want.zeros))
	}
}

func TestBlocksInCHaveTheBitsOfGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 2))
	for i, shape := range [][2]int{{1, 1}, {16, 1}, {1, 16}, {33, 5}, {40, 70}, {64, 128}, {65, 129}, {257, 131}, {300, 300}, {3, 4133}, {4133, 3},
		{65, 17}, {63, 15}, {130, 257}, {258, 66}, {600, 144}, {1100, 20}, {20, 1100}} {
		for _, scale := range []float32{0.1, 1e-41, 1e-37, 1e30} {
			values := moved(hostile(rng, scale, shape[0]*shape[1], true), i%4)
			for j := range values { // whose range a float32 can hold
				values[j] = min(max(values[j], -1.7e38), 1.7e38)
			}
			compareLayouts(t, values, shape[1], WeightNearest)
			clear(values[:len(values)/2])
			compareLayouts(t, values, shape[1], WeightNearest)
			compareLayouts(t, moved(hostile(rng, scale, shape[0]*shape[1], false), i%4), shape[1], WeightNearest)
		}
		small := make([]float32, shape[0]*shape[1]) // reciprocals that are infinite
		for j := range small {
			small[j] = math.Float32frombits(rng.Uint32N(40) | rng.Uint32N(2)<<31)
		}
		compareLayouts(t, small, shape[1], WeightNearest)
		negative := slices.Clone(small)
		for j := range negative {
			negative[j] = math.Float32frombits(binary.LittleEndian.Uint32([]byte{0, 0, 0, 0x80}))
		}
		compareLayouts(t, negative, shape[1], WeightNearest)
	}
}

// Half way between two codes a product that is not rounded before the sum shows.
func TestBlocksInCRoundTwice(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 3))
	for range 60 {
		scale, zero := rng.Float32()+0.01, float32(1+rng.IntN(14))
		values := make([]float32, 64*128)
		for i := range values {
			x := (float32(rng.IntN(14)) + 0.5 - zero) * scale
			values[i] = []float32{x, math.Nextafter32(x, 0), math.Nextafter32(x, 2*x), -zero * scale, (15 - zero) * scale}[rng.IntN(5)]
		}
		compareLayouts(t, values, 128, WeightNearest)
	}
}

func TestKQuantInCHasTheBitsOfGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 4))
	for i, shape := range [][2]int{{1, 1}, {33, 5}, {5, 33}, {47, 20}, {300, 2}, {2, 300}, {9, 129}} {
		for _, scale := range []float32{0.1, 1e-41, 1e-37, 1e30} {
			values := moved(hostile(rng, scale, shape[0]*shape[1], true), i%4)
			for j := range values {
				values[j] = min(max(values[j], -1.7e38), 1.7e38)
			}
			compareLayouts(t, values, shape[1], WeightKQuant)
			for j := range values {
				values[j] = float32(rng.NormFloat64()) * scale
			}
			clear(values[len(values)/2 : len(values)*3/4])
			compareLayouts(t, values, shape[1], WeightKQuant)
		}
		small := make([]float32, shape[0]*shape[1])
		for j := range small {
			small[j] = math.Float32frombits(rng.Uint32N(40) | rng.Uint32N(2)<<31)
		}
		compareLayouts(t, small, shape[1], WeightKQuant)
		small[rng.IntN(len(small))] = float32(math.Inf(1))
		compareLayouts(t, small, shape[1], WeightKQuant)
	}
}
