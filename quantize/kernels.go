package quantize

import (
	"encoding/binary"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"assay/tensor"
)

const (
	magnitude32 = 0x7fffffff
	magnitude64 = magnitude32<<32 | magnitude32
	signs64     = ^uint64(magnitude64)
	infinity32  = 0x7f800000
	// scanned is how many values are looked at between two looks at the outcome.
	scanned = 32
	// rounder, 1.5 * 2^23, added to a float32 below 2^22 in magnitude leaves no room for a fraction: the sum is rounded half to even, and
	// its low bits are the integer.
	rounder = 12582912
	// underHalf is the float32 below 0.5. Added before truncation it rounds half away from 0 exactly; 0.5 itself would carry 0.49999997 to 1.
	underHalf = 0.49999997
)

// parallel calls do for parts of [0, n) on all cores: each part but the last has a multiple of grain elements. It returns when all have
// ended. do must not care about the order.
func parallel(n, grain int, do func(from, to int)) {
	const partsPerCore = 4 // so that a core that is slowed down holds nobody up
	grain = max(grain, 1)
	cores := runtime.GOMAXPROCS(0)
	size := max((n/(cores*partsPerCore)+grain-1)/grain, 1) * grain
	if size >= n {
		if n > 0 {
			do(0, n)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range cores {
		wg.Go(func() {
			for {
				from := int(next.Add(1)-1) * size
				if from >= n {
					return
				}
				do(from, min(from+size, n))
			}
		})
	}
	wg.Wait()
}

// littleEndian says whether floats in memory have the bytes that they have in a model file.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// unaligned says whether the processor reads a float32 at any address. Tensors stand at any address of a model file.
var unaligned = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

// floatsIn views a model's raw float32 data as values, without a copy where the machine can read it as it is.
func floatsIn(raw []byte) []float32 {
	if len(raw) < 4 {
		return nil
	}
	if at := unsafe.Pointer(&raw[0]); littleEndian && (unaligned || uintptr(at)%unsafe.Alignof(float32(0)) == 0) {
		return unsafe.Slice((*float32)(at), len(raw)/4)
	}
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

// bytesOf views values as the bytes they are in memory.
func bytesOf(values []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
}

// spanPlainly gives the smallest and the largest value, both widened to contain 0, and whether all values are finite. Where they are not, the
// extremes mean nothing. It looks at two values at a time: whether the magnitude of any in a run is beyond that of both extremes so far, which is
// rare, tells a carry into the sign; only then is the run looked at one by one.
func spanPlainly(values []float32) (low, high float32, finite bool) {
	bound := uint64(magnitude64) // of a carry: beyond a magnitude of 0
	whole := len(values) / scanned * scanned
	raw := bytesOf(values[:whole])
	for i := 0; i < whole; i += scanned {
		if beyond(raw[4*i:4*i+4*scanned], bound)&signs64 == 0 {
			continue
		}
		if low, high, finite = extend(values[i:i+scanned], low, high); !finite {
			return low, high, false
		}
		room := uint64(magnitude32 - math.Float32bits(min(-low, high))&magnitude32)
		bound = room<<32 | room
	}
	return extend(values[whole:], low, high)
}

// beyond ors over a run, two values at a time, their magnitudes plus bound.
func beyond(run []byte, bound uint64) (carry uint64) {
	const step = 32
	for ; len(run) >= step; run = run[step:] {
		a := binary.NativeEndian.Uint64(run)&magnitude64 + bound
		b := binary.NativeEndian.Uint64(run[8:])&magnitude64 + bound
		c := binary.NativeEndian.Uint64(run[16:])&magnitude64 + bound
		d := binary.NativeEndian.Uint64(run[24:])&magnitude64 + bound
		carry |= a | b | c | d
	}
	return carry
}

// extend widens [low, high] by values.
func extend(values []float32, low, high float32) (float32, float32, bool) {
	finite := true
	for _, x := range values {
		if x < low {
			low = x
		}
		if x > high {
			high = x
		}
		finite = finite && x-x == 0
	}
	return low, high, finite
}

// reachPlainly is span for a few values, without branches that depend on them. Floats of one sign order like their bits, so that the largest value is
// the largest as a signed integer and the most negative one as an unsigned integer; where there is none of a sign, the other's extreme stands for it.
func reachPlainly(values []float32) (low, high float32, finite bool) {
	var n, m uint32
	p, q := int32(math.MinInt32), int32(math.MinInt32)
	for ; len(values) >= 2; values = values[2:] {
		x, y := math.Float32bits(values[0]), math.Float32bits(values[1])
		n, m = max(n, x), max(m, y)
		p, q = max(p, int32(x)), max(q, int32(y))
	}
	for _, v := range values {
		x := math.Float32bits(v)
		n, p = max(n, x), max(p, int32(x))
	}
	n, p = max(n, m), max(p, q)
	return math.Float32frombits(n), math.Float32frombits(uint32(p)), n&magnitude32 < infinity32 && p < infinity32
}

// quantizeRunPlainly writes the 8-bit integers of values as quantizeInto does, with the same bits. The division bounds its speed.
func quantizeRunPlainly(out []byte, values []float32, p Params, d tensor.DType) {
	full := fullRange(d)
	// With the type's smallest integer at 0, an integer of more than 8 bits is out of range, as are those of NaN and of sums beyond the rounder's.
	shift := p.Zero - full.min - int32(math.Float32bits(rounder))
	low := byte(full.min)
	lows := uint32(low) * 0x01010101
	scale := p.Scale
	for len(values) >= 4 && len(out) >= 4 {
		a := uint32(int32(math.Float32bits(values[0]/scale+rounder)) + shift)
		b := uint32(int32(math.Float32bits(values[1]/scale+rounder)) + shift)
		c := uint32(int32(math.Float32bits(values[2]/scale+rounder)) + shift)
		e := uint32(int32(math.Float32bits(values[3]/scale+rounder)) + shift)
		if a|b|c|e > math.MaxUint8 {
			quantizeInto(out[:4], values[:4], p, d)
		} else {
			binary.LittleEndian.PutUint32(out, (a|b<<8|c<<16|e<<24)^lows)
		}
		values, out = values[4:], out[4:]
	}
	quantizeInto(out, values, p, d)
}

// quantizeAll is quantizeRun on all cores.
func quantizeAll(out []byte, values []float32, p Params, d tensor.DType) {
	parallel(len(values), 4096, func(from, to int) { quantizeRun(out[from:to], values[from:to], p, d) })
}

// spanAll is span on all cores.
func spanAll(values []float32) (low, high float32, finite bool) {
	var mu sync.Mutex
	finite = true
	parallel(len(values), 4096, func(from, to int) {
		l, h, ok := span(values[from:to])
		mu.Lock()
		low, high, finite = min(low, l), max(high, h), finite && ok
		mu.Unlock()
	})
	return low, high, finite
}

// packNibblesPlainly writes codes below 16 two a byte, the first in the low bits; an odd last one leaves the high bits 0. out may be codes itself.
func packNibblesPlainly(out, codes []byte) {
	for len(codes) >= 8 && len(out) >= 4 {
		w := binary.LittleEndian.Uint64(codes)
		w = (w | w>>4) & 0x00ff00ff00ff00ff
		w = (w | w>>8) & 0x0000ffff0000ffff
		binary.LittleEndian.PutUint32(out, uint32(w|w>>16))
		codes, out = codes[8:], out[4:]
	}
	for i := 0; i < len(codes); i += 2 {
		b := codes[i]
		if i+1 < len(codes) {
			b |= codes[i+1] << 4
		}
		out[i/2] = b
	}
}
