package quantize

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
)

// hashedMatrix is the matrix of testdata/quantize/weightonly.py: sums of four hashed numbers of 20 bits, exact in float32.
func hashedMatrix(rows, columns, seed int, kind string) []float32 {
	out := make([]float32, rows*columns)
	for i := range out {
		var total int64
		for k := range 4 {
			x := uint32(i*4 + k + seed*1000003)
			x = (x ^ x>>16) * 0x7feb352d
			x = (x ^ x>>15) * 0x846ca68b
			x ^= x >> 16
			total += int64(x>>12) - 1<<19
		}
		switch {
		case kind == "positive":
			total = max(total, -total)
		case kind == "negative":
			total = min(total, -total)
		case kind == "coarse":
			total >>= 16
		case kind == "holes" && i/(48*columns)%2 == 1:
			total = 0
		}
		out[i] = float32(total) / (1 << 19)
	}
	return out
}

// arrayGolden is an array as weightonly.py describes it.
type arrayGolden struct {
	Count  int
	SHA256 string
	First  []any
}

func shortSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// holds compares bytes, or floats where values is not nil.
func (a arrayGolden) holds(t *testing.T, what string, data []byte, values []float32) {
	t.Helper()
	count := len(data)
	if values != nil {
		data, count = floatBytes(values), len(values)
	}
	if count == a.Count && shortSum(data) == a.SHA256 {
		return
	}
	t.Errorf("%s: %d elements that differ from the reference's %d, which begin %v", what, count, a.Count, a.First)
	for i, v := range a.First {
		if values != nil {
			if w, _ := strconv.ParseFloat(v.(string), 32); i < len(values) && math.Float32bits(float32(w)) != math.Float32bits(values[i]) {
				t.Logf("%s[%d] = %x, want %x", what, i, values[i], w)
			}
		} else if i < len(data) && float64(data[i]) != v.(float64) {
			t.Logf("%s[%d] = %d, want %v", what, i, data[i], v)
		}
	}
}

type matrixGolden struct {
	Form, Kind                       string
	Rows, Columns, Block, Bits, Seed int
	Symmetric                        bool
	Codes, Scales, Zeros             arrayGolden
}

func readWeightOnly(t *testing.T, into any) {
	t.Helper()
	text, err := os.ReadFile("../testdata/quantize/weightonly.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// layout is the golden's.
func (g matrixGolden) layout() *blockLayout {
	l := &blockLayout{blockFormat: blockFormat{bits: g.Bits, block: g.Block, symmetric: g.Symmetric, fit: fitters[WeightNearest]},
		rows: g.Rows, columns: g.Columns, down: true}
	switch g.Form {
	case "qdq":
		l.inPlace, l.rounding = true, zeroLast
	case "gather":
		l.inPlace, l.rounding, l.down = true, divided, false
	}
	return l
}

func TestBlocksAreThoseOfTheReference(t *testing.T) {
	var golden struct{ Matrices []matrixGolden }
	readWeightOnly(t, &golden)
	if len(golden.Matrices) < 400 {
		t.Fatalf("%d matrices in the golden", len(golden.Matrices))
	}
	for _, g := range golden.Matrices {
		t.Run(g.name(), func(t *testing.T) {
			var got blocked
			if err := g.layout().quantize(hashedMatrix(g.Rows, g.Columns, g.Seed, g.Kind), &got, nil); err != nil {
				t.Fatal(err)
			}
			g.Codes.holds(t, "codes", got.codes, nil)
			g.Scales.holds(t, "scales", nil, got.scales)
			if !g.Symmetric {
				g.Zeros.holds(t, "zeros", got.zeros, nil)
			}
		})
	}
}

func (g matrixGolden) name() string {
	s := "asymmetric"
	if g.Symmetric {
		s = "symmetric"
	}
	return g.Form + "-" + strconv.Itoa(g.Bits) + " " + strconv.Itoa(g.Rows) + "x" + strconv.Itoa(g.Columns) + " by " + strconv.Itoa(g.Block) + " " + s + " " + g.Kind
}

// A weight that is stored transposed, as Gemm may have it, gives the blocks of the matrix.
func TestBlocksAlongRowsAreThoseDownColumns(t *testing.T) {
	for _, bits := range []int{4, 8} {
		for _, symmetric := range []bool{true, false} {
			const rows, columns = 77, 13
			down := &blockLayout{blockFormat: blockFormat{bits: bits, block: 16, symmetric: symmetric, fit: fitters[WeightNearest]}, rows: rows, columns: columns, down: true}
			along := *down
			along.rows, along.columns, along.down = columns, rows, false
			values := hashedMatrix(rows, columns, 5, "normal")
			turned := make([]float32, len(values))
			for i, x := range values {
				turned[i%columns*rows+i/columns] = x
			}
			var a, b blocked
			if err := errors.Join(down.quantize(values, &a, nil), along.quantize(turned, &b, nil)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.codes, b.codes) || !bytes.Equal(a.zeros, b.zeros) || !bytes.Equal(floatBytes(a.scales), floatBytes(b.scales)) {
				t.Errorf("%d bits, symmetric %v: the transposed matrix has other blocks", bits, symmetric)
			}
		}
	}
}

// unpacked gives the real values that a layout's codes stand for, in the matrix's order.
func (l *blockLayout) unpacked(b *blocked) []float32 {
	code := func(packed []byte, i int) int32 {
		if l.bits == 8 {
			return int32(packed[i])
		}
		return int32(packed[i/2]>>(4*(i%2))) & 15
	}
	out := make([]float32, l.rows*l.columns)
	for i := range out {
		lane, k := i/l.columns, i%l.columns
		if l.down {
			lane, k = k, lane
		}
		block := k / l.block
		at := l.scaleAt(lane, block)
		zero, q := l.middle(), int32(0)
		if l.inPlace {
			q = code(b.codes, i)
			if l.symmetric {
				q ^= zero
			}
		} else {
			q = code(b.codes, lane*l.blocks()*l.block+k)
		}
		switch {
		case l.symmetric:
		case l.inPlace:
			zero = code(b.zeros, at)
		default:
			perByte := 8 / l.bits
			zero = code(b.zeros, lane*(l.zeroBytes()/l.lanes())*perByte+block)
		}
		out[i] = float32(q-zero) * b.scales[at]
	}
	return out
}

func TestCodesStandForValuesWithinAStep(t *testing.T) {
	for _, bits := range []int{4, 8} {
		for _, symmetric := range []bool{true, false} {
			for _, r := range []rounding{zeroFirst, zeroLast, divided} {
				for _, down := range []bool{true, false} {
					l := &blockLayout{blockFormat: blockFormat{bits: bits, block: 32, symmetric: symmetric, rounding: r, fit: fitters[WeightNearest]},
						rows: 75, columns: 51, down: down, inPlace: r != zeroFirst}
					values := hashedMatrix(l.rows, l.columns, 9, "normal")
					var b blocked
					if err := l.quantize(values, &b, nil); err != nil {
						t.Fatal(err)
					}
					const steps = 1.01 // half a step of rounding, and as much of the zero point's or of the extreme that saturates
					for i, x := range l.unpacked(&b) {
						lane, k := i/l.columns, i%l.columns
						if down {
							lane, k = k, lane
						}
						step := math.Abs(float64(b.scales[l.scaleAt(lane, k/l.block)]))
						if d := math.Abs(float64(x - values[i])); d > steps*step {
							t.Fatalf("%d bits, symmetric %v, rounding %d, down %v: element %d is %v and stands for %v, %.2f steps off", bits, symmetric, r, down, i, values[i], x, d/step)
						}
					}
				}
			}
		}
	}
}

func TestBlocksRefuseWhatHasNoScale(t *testing.T) {
	for name, bad := range map[string]float32{"NaN": float32(math.NaN()), "infinity": float32(math.Inf(-1))} {
		for method := range fitters {
			for _, down := range []bool{true, false} {
				l := &blockLayout{blockFormat: blockFormat{bits: 4, block: 16, fit: fitters[method]}, rows: 40, columns: 40, down: down}
				values := hashedMatrix(40, 40, 1, "normal")
				values[777] = bad
				var b blocked
				if err := l.quantize(values, &b, nil); !errors.Is(err, errNotFinite) {
					t.Errorf("%s by %s: error %v", name, method, err)
				}
			}
		}
	}
	l := &blockLayout{blockFormat: blockFormat{bits: 4, block: 16, fit: fitters[WeightNearest]}, rows: 1, columns: 2}
	var b blocked
	if err := l.quantize([]float32{3e38, -3e38}, &b, nil); err == nil {
		t.Error("a range wider than a float32 has a scale")
	}
}

// squaredError is the sum over a matrix of the squared differences between its values and what its codes stand for.
func squaredError(t *testing.T, l blockLayout, values []float32, method string) (sum float64) {
	t.Helper()
	l.fit = fitters[method]
	var b blocked
	if err := l.quantize(values, &b, nil); err != nil {
		t.Fatal(err)
	}
	for i, x := range l.unpacked(&b) {
		d := float64(x) - float64(values[i])
		sum += d * d
	}
	return sum
}

func TestKQuantIsNearerThanTheExtremes(t *testing.T) {
	for _, kind := range []string{"normal", "positive", "negative", "coarse", "holes"} {
		for _, bits := range []int{4, 8} {
			for _, symmetric := range []bool{true, false} {
				for _, block := range []int{16, 32, 128} {
					l := blockLayout{blockFormat: blockFormat{bits: bits, block: block, symmetric: symmetric}, rows: 300, columns: 40, down: true}
					values := hashedMatrix(l.rows, l.columns, 11, kind)
					a, b := squaredError(t, l, values, WeightNearest), squaredError(t, l, values, WeightKQuant)
					t.Logf("%s %d bits, symmetric %v, block %d: %.2f dB better", kind, bits, symmetric, block, 10*math.Log10(a/b))
					if b > a {
						t.Errorf("%s, %d bits, symmetric %v, block %d: squared error %g, of the extremes %g", kind, bits, symmetric, block, b, a)
					}
				}
			}
		}
	}
}

// Half a step rounds away from zero, and the float below it does not.
func TestCodesRoundAwayFromZero(t *testing.T) {
	for _, c := range []struct {
		r     rounding
		value float32
		zero  int32
		want  byte
	}{
		{zeroFirst, 0.5, 0, 1}, {zeroFirst, 0.49999997, 0, 0}, {zeroFirst, 1.5, 0, 2}, {zeroFirst, 2.5, 0, 3}, {zeroFirst, -0.5, 8, 8}, {zeroFirst, -9, 8, 0}, {zeroFirst, 99, 8, 15},
		{zeroLast, 0.5, 8, 9}, {zeroLast, -0.5, 8, 7}, {zeroLast, 0.49999997, 8, 8}, {zeroLast, -0.49999997, 8, 8}, {zeroLast, -20, 8, 0}, {zeroLast, 20, 8, 15},
		{divided, 0.5, 0, 0}, {divided, 1.5, 0, 2}, {divided, 2.5, 0, 2}, {divided, -3, 1, 0},
	} {
		f := blockFormat{bits: 4, rounding: c.r}
		var got [1]byte
		if f.codes(got[:], []float32{c.value}, grid{1, c.zero}); got[0] != c.want {
			t.Errorf("rounding %d: %v with zero point %d has code %d, want %d", c.r, c.value, c.zero, got[0], c.want)
		}
	}
}

// BenchmarkBlocks reports the bytes that are read and written a second, on all cores.
func BenchmarkBlocks(b *testing.B) {
	const rows, columns = 8192, 2048
	values := hashedMatrix(rows, columns, 1, "normal")
	forms := map[string]blockLayout{"down columns": {down: true}, "along rows": {}, "dequantized": {blockFormat: blockFormat{rounding: zeroLast}, down: true, inPlace: true},
		"dequantized turned": {blockFormat: blockFormat{rounding: zeroLast}, turned: true, inPlace: true}, "table": {blockFormat: blockFormat{rounding: divided}, inPlace: true}}
	for _, method := range WeightMethods {
		for _, bits := range []int{4, 8} {
			for _, form := range slices.Sorted(maps.Keys(forms)) {
				l := forms[form]
				l.bits, l.block, l.fit = bits, 32, fitters[method]
				l.rows, l.columns = rows, columns
				if method != WeightNearest {
					l.rows /= 8 // for it takes long
				}
				var made blocked
				matrix := values[:l.rows*columns]
				besideCopy(b, method+"-"+strconv.Itoa(bits)+" "+form, matrix, int64(4*len(matrix)+l.codeBytes()+4*l.scaleCount()+l.zeroBytes()), func() {
					if err := l.quantize(matrix, &made, nil); err != nil {
						b.Fatal(err)
					}
				})
			}
		}
	}
}

// A large matrix is read in slabs; each is done with before the next, and the blocks are those of its rows.
func TestLargeMatrixIsReadInSlabs(t *testing.T) {
	const columns = 2051
	rows := slabBytes/(4*columns)*2 + 37
	values := make([]float32, rows*columns)
	x := uint32(1)
	for i := range values {
		x = x*1664525 + 1013904223
		values[i] = float32(int32(x)>>8) / (1 << 20)
	}
	l := blockLayout{blockFormat: blockFormat{bits: 4, block: 16, fit: fitters[WeightNearest]}, rows: rows, columns: columns, down: true}
	var whole, part blocked
	calls := 0
	if err := l.quantize(values, &whole, func() { calls++ }); err != nil {
		t.Fatal(err)
	}
	if calls < 3 {
		t.Errorf("done was called %d times for %d slabs", calls, 3)
	}
	top := rows / 32 * 16 // whole blocks, in the middle of a slab
	few := l
	few.rows = 48
	if err := few.quantize(values[top*columns:(top+48)*columns], &part, nil); err != nil {
		t.Fatal(err)
	}
	for lane := range columns {
		a := whole.codes[(lane*l.blocks()+top/16)*l.blob():][:3*l.blob()]
		if b := part.codes[lane*3*l.blob():][:3*l.blob()]; !bytes.Equal(a, b) {
			t.Fatalf("column %d has codes %x, and by itself %x", lane, a, b)
		}
	}
}
