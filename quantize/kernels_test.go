package quantize

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"assay/tensor"
)

// awkward are values that kernels may get wrong: ties and their neighbours, ends of ranges, both zeros, subnormal and huge ones.
func awkward(rng *rand.Rand, scale float32, count int) []float32 {
	out := make([]float32, count)
	for i := range out {
		tie := (float32(rng.IntN(600)-300) + 0.5) * scale
		switch rng.IntN(12) {
		case 0:
			out[i] = tie
		case 1:
			out[i] = math.Nextafter32(tie, 0)
		case 2:
			out[i] = math.Nextafter32(tie, 2*tie)
		case 3:
			out[i] = math.Float32frombits(rng.Uint32N(1 << 23)) // subnormal
		case 4:
			out[i] = float32(math.Copysign(0, -1))
		case 5:
			out[i] = (rng.Float32() - 0.5) * 3e38
		default:
			out[i] = float32(rng.NormFloat64()) * 40 * scale
		}
	}
	return out
}

func TestKernelGivesTheIntegersOfTheFormula(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for _, d := range []tensor.DType{tensor.Uint8, tensor.Int8} {
		full := fullRange(d)
		for _, scale := range []float32{1, 0.1, 0.0078431375, 3e-5, smallestNormal, 1e-41, 2e37} {
			for _, zero := range []int32{full.min, full.min + 3, full.min + 128, full.max} {
				for _, count := range []int{0, 1, 3, 4, 7, 1021} {
					p := Params{Scale: scale, Zero: zero}
					values := awkward(rng, scale, count)
					want, got := make([]byte, count), make([]byte, count)
					quantizeInto(want, values, p, d)
					quantizeRun(got, values, p, d)
					if !bytes.Equal(want, got) {
						t.Fatalf("%s, %+v, %d values: the kernel's integers differ from the formula's", d, p, count)
					}
				}
			}
		}
	}
}

func TestSpanIsThatOfAPlainLoop(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	for _, count := range []int{0, 1, 5, 31, 32, 33, 64, 1000, 4099, 100000} {
		for _, shape := range []string{"both signs", "positive", "negative", "zeros", "one large"} {
			values := make([]float32, count)
			for i := range values {
				x := float32(rng.NormFloat64())
				switch shape {
				case "positive":
					x = max(x, -x)
				case "negative":
					x = min(x, -x)
				case "zeros":
					x = 0
				}
				values[i] = x
			}
			if shape == "one large" && count > 0 {
				values[rng.IntN(count)] = -1e30
			}
			low, high := extremes(values)
			low, high = min(low, 0), max(high, 0)
			for name, f := range map[string]func([]float32) (float32, float32, bool){"span": span, "spanAll": spanAll} {
				if l, h, ok := f(values); l != low || h != high || !ok {
					t.Errorf("%s of %d values (%s): [%v, %v], finite %v; want [%v, %v]", name, count, shape, l, h, ok, low, high)
				}
			}
			if count == 0 {
				continue
			}
			// reach stands a sign's extreme in for one that is missing; widened by 0 it is the span.
			if l, h, ok := reachPlainly(values); min(l, 0) != low || max(h, 0) != high || !ok {
				t.Errorf("reach of %d values (%s): [%v, %v], finite %v; want [%v, %v]", count, shape, l, h, ok, low, high)
			}
			for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.Float32frombits(0xffc00001)} {
				at := rng.IntN(count)
				kept := values[at]
				values[at] = bad
				_, _, a := span(values)
				_, _, b := spanAll(values)
				_, _, c := reachPlainly(values)
				if a || b || c {
					t.Errorf("%v at %d of %d values (%s) is taken for finite: span %v, spanAll %v, reach %v", bad, at, count, shape, a, b, c)
				}
				values[at] = kept
			}
		}
	}
}

func TestNibblesArePackedTwoAByte(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 3))
	for count := range 40 {
		codes := make([]byte, count)
		want := make([]byte, (count+1)/2)
		for i := range codes {
			codes[i] = byte(rng.IntN(16))
			want[i/2] |= codes[i] << (4 * (i % 2))
		}
		got := make([]byte, len(want))
		if packNibbles(got, codes); !bytes.Equal(got, want) {
			t.Fatalf("%d codes: %x, want %x", count, got, want)
		}
		if packNibbles(codes, codes); !bytes.Equal(codes[:len(want)], want) {
			t.Fatalf("%d codes in place: %x, want %x", count, codes[:len(want)], want)
		}
	}
}

func TestParallelCoversEveryElementOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 63, 64, 65, 1000} {
		for _, grain := range []int{0, 1, 64, 5000} {
			seen := make([]atomic.Int32, n)
			parallel(n, grain, func(from, to int) {
				if grain > 0 && from%grain != 0 {
					t.Errorf("%d elements by %d: a part begins at %d", n, grain, from)
				}
				for i := from; i < to; i++ {
					seen[i].Add(1)
				}
			})
			for i := range seen {
				if got := seen[i].Load(); got != 1 {
					t.Fatalf("%d elements by %d: element %d was visited %d times", n, grain, i, got)
				}
			}
		}
	}
}

// besideCopy measures what moves some bytes (those read and those written), each time beside a copy that moves as many, half of them read and half
// written, and beside a reading of values. Memory is not equally fast at all times. "copied" is the copy's median time as a share of the median
// time measured, "read" is that of reading.
func besideCopy(b *testing.B, name string, values []float32, moved int64, do func()) {
	copied := make([]float32, len(values))
	b.Run(name, func(b *testing.B) {
		b.SetBytes(moved)
		var own, copies, reads []float64
		timed := func(into *[]float64, do func()) {
			start := time.Now()
			do()
			*into = append(*into, time.Since(start).Seconds())
		}
		n, from := int(min(moved/8, int64(len(values)))), 0
		for b.Loop() {
			timed(&own, do)
			b.StopTimer()
			from = (from + n/2) % max(len(values)-n, 1) // other values than those that a cache still holds
			timed(&copies, func() { parallel(n, 4096, func(f, t int) { copy(copied[f:t], values[from+f:from+t]) }) })
			timed(&reads, func() { spanAll(values) })
			b.StartTimer()
		}
		slices.Sort(own)
		slices.Sort(copies)
		slices.Sort(reads)
		half := len(own) / 2
		b.ReportMetric(100*copies[half]/own[half], "%copied")
		b.ReportMetric(100*reads[half]/own[half], "%read")
	})
}

// BenchmarkKernels reports the bytes that a kernel reads and writes a second, on all cores.
func BenchmarkKernels(b *testing.B) {
	const rows, columns = 8192, 2048
	const count = rows * columns
	rng := rand.New(rand.NewPCG(7, 4))
	values, out, halves := make([]float32, count), make([]byte, count), make([]byte, 2*count)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
		out[i] = byte(rng.IntN(16))
	}
	packed := make([]byte, count/2)
	besideCopy(b, "pack nibbles", values, count+count/2, func() {
		parallel(count, 4096, func(from, to int) { packNibbles(packed[from/2:to/2], out[from:to]) })
	})
	besideCopy(b, "span", values, 4*count, func() { spanAll(values) })
	besideCopy(b, "quantize", values, 5*count, func() { quantizeAll(out, values, Params{Scale: 0.04}, tensor.Int8) })
	byRow, byColumn := &parts{kind: tensor.Int8}, &parts{kind: tensor.Int8}
	byRow.scales, byRow.zeros = slices.Repeat([]float32{0.04}, rows), make([]int32, rows)
	byColumn.scales, byColumn.zeros = slices.Repeat([]float32{0.04}, columns), make([]int32, columns)
	lows, highs := make([]float32, rows), make([]float32, rows)
	besideCopy(b, "span of rows", values, 4*count, func() {
		parallel(rows, 16, func(from, to int) {
			rowSpans(values[from*columns:to*columns], columns, lows[from:to], highs[from:to])
		})
	})
	besideCopy(b, "quantize rows", values, 5*count, func() {
		parallel(rows, 16, func(from, to int) {
			quantizeRows(out[from*columns:to*columns], values[from*columns:to*columns], columns, byRow.scales[from:to], byRow.zeros[from:to], tensor.Int8)
		})
	})
	besideCopy(b, "span of columns", values, 4*count, func() { columnSpans(values, lows[:columns], highs[:columns]) })
	besideCopy(b, "quantize columns", values, 5*count, func() { quantizeColumns(out, values, byColumn) })
	besideCopy(b, "halve", values, 6*count, func() { halve(halves, values) })
	besideCopy(b, "quantize plainly", values, 5*count, func() {
		parallel(count, 4096, func(from, to int) {
			quantizeInto(out[from:to], values[from:to], Params{Scale: 0.04}, tensor.Int8)
		})
	})
}
