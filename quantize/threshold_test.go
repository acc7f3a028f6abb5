package quantize

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"assay/tensor"
)

// TestThresholdsLikeReference compares percentile and entropy with onnxruntime.quantization's on the same histograms, bit by bit.
func TestThresholdsLikeReference(t *testing.T) {
	var cases []struct {
		Data, Method       string
		Symmetric          bool
		Levels             int
		Percentile         float64
		From, To, Min, Max string
		Low, High          string
		Counts             []int64
	}
	readGolden(t, "calibrate.json", &cases)
	if len(cases) == 0 {
		t.Fatal("the golden has no cases")
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s %s %d bins symmetric %v %v", c.Data, c.Method, len(c.Counts), c.Symmetric, c.Percentile), func(t *testing.T) {
			b := bins{edges: equalEdges(float(t, c.From), float(t, c.To), len(c.Counts)), counts: c.Counts, low: float(t, c.Min), high: float(t, c.Max)}
			var got [2]float32
			switch {
			case c.Method == MethodEntropy:
				got = entropyOf(b, c.Levels)
			case c.Symmetric:
				got = percentileOfMagnitudes(b, c.Percentile)
			default:
				got = percentileOf(b, c.Percentile)
			}
			if want := [2]float32{float(t, c.Low), float(t, c.High)}; got != want {
				t.Errorf("range %v, want %v", got, want)
			}
		})
	}
}

// equalEdges are numpy's edges of equal bins, in float32.
func equalEdges(low, high float32, n int) []float32 {
	step := (high - low) / float32(n)
	edges := make([]float32, n+1)
	for i := range edges {
		edges[i] = float32(float32(i)*step) + low
	}
	edges[n] = high
	return edges
}

func counted(parts ...[]float32) *histogram {
	h := &histogram{}
	for _, values := range parts {
		if len(values) > 0 {
			low, high, _ := bounds(values)
			h.add(values, low, high)
		}
	}
	return h
}

// spread gives seeded values of many magnitudes, zeros among them.
func spread(n int) []float32 {
	rng := rand.New(rand.NewPCG(5, 6))
	values := make([]float32, n)
	for i := range values {
		switch i % 5 {
		case 0:
			values[i] = 0
		default:
			values[i] = float32(math.Ldexp(rng.NormFloat64(), rng.IntN(40)-30))
		}
	}
	return values
}

func TestHistogramDoesNotDependOnOrderOrParts(t *testing.T) {
	values := spread(10000)
	want := counted(values)
	if n := want.zeros; n != 2000 || want.count != 10000 {
		t.Fatalf("%d zeros of %d values, want 2000 of 10000", n, want.count)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		shuffled := slices.Clone(values)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		var parts [][]float32
		for rest := shuffled; len(rest) > 0; {
			n := min(1+rng.IntN(500), len(rest))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if got := counted(parts...); *got != *want {
			t.Fatalf("other counts in another order, in %d parts", len(parts))
		}
	}
}

// TestHistogramBins checks every count against a slow count of the values between the edges.
func TestHistogramBins(t *testing.T) {
	values := spread(3000)
	for _, b := range []bins{counted(values).bins(halfBins), counted(values).bins(halfBins / 4), counted(slices.DeleteFunc(slices.Clone(values), func(x float32) bool { return x < 0 })).magnitudes()} {
		total := int64(0)
		for i, n := range b.counts {
			total += n
			slow := int64(0)
			for _, x := range values {
				// A value on an edge belongs to the bin that is further from zero.
				low, high := b.edges[i], b.edges[i+1]
				if (low >= 0 && x >= low && x < high) || (low < 0 && x > low && x <= high && x < 0) {
					slow++
				}
			}
			if n != slow {
				t.Fatalf("bin %d from %v to %v counts %d, want %d", i, b.edges[i], b.edges[i+1], n, slow)
			}
		}
		if len(b.counts) < halfBins/4 {
			t.Errorf("%d bins, want at least %d", len(b.counts), halfBins/4)
		}
		if total == 0 {
			t.Error("nothing was counted")
		}
	}
}

func TestHistogramOfExtremeMagnitudes(t *testing.T) {
	for _, values := range [][]float32{{0, 0}, {math.MaxFloat32, -math.MaxFloat32, 1}, {math.SmallestNonzeroFloat32, 0}, {-1e-38}, {1 << 11, -(1 << 11)}} {
		h := counted(values)
		for _, method := range Methods[:4] {
			for _, symmetric := range []bool{false, true} {
				r := h.ranges([]string{method}, DefaultPercentile, rangeOf(tensor.Uint8, symmetric, false), symmetric)[0]
				if r[0] > r[1] && r[0] != 0 || r[0]-r[0] != 0 || r[1]-r[1] != 0 {
					t.Errorf("%v: %s (symmetric %v) gives %v", values, method, symmetric, r)
				}
			}
		}
	}
}

// TestMethodsCutOutliersOnly: on normal values with rare large ones every method but minmax cuts, and on uniform values none loses more than
// a trace.
func TestMethodsCutOutliersOnly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	normal, uniform := make([]float32, 200000), make([]float32, 200000)
	for i := range normal {
		normal[i] = float32(rng.NormFloat64())
		uniform[i] = rng.Float32()*5 - 2
	}
	normal[100], normal[200] = 60, -50
	levels := rangeOf(tensor.Uint8, false, false)
	for _, symmetric := range []bool{false, true} {
		wild, even := counted(normal).ranges(Methods[:4], 99.99, levels, symmetric), counted(uniform).ranges(Methods[:4], 99.99, levels, symmetric)
		for i, method := range Methods[:4] {
			if method == MethodMinMax {
				if wild[i] != [2]float32{-50, 60} {
					t.Errorf("minmax of the normal values: %v", wild[i])
				}
				continue
			}
			most := float32(15)
			if method == MethodMSE {
				most = 42 // two large errors are dear where they are squared
			}
			if wild[i][0] < -most || wild[i][0] > -2 || wild[i][1] > most || wild[i][1] < 2 {
				t.Errorf("%s (symmetric %v) of normal values with outliers: %v, want both within 2 and %v of zero", method, symmetric, wild[i], most)
			}
			if even[i][0] > -1.95 || even[i][1] < 2.95 {
				t.Errorf("%s (symmetric %v) of uniform values from -2 to 3: %v", method, symmetric, even[i])
			}
		}
	}
}

// TestLeastSquares compares the search with all ranges on a small grid, by the error of quantizing the values themselves.
func TestLeastSquares(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	values := make([]float32, 5000)
	for i := range values {
		values[i] = float32(max(rng.NormFloat64()+0.3, 0) + 0.01*rng.NormFloat64())
	}
	values[17] = 14
	for _, symmetric := range []bool{false, true} {
		for _, levels := range []integerRange{{0, 15}, {-8, 7}, {-7, 7}, {0, 255}} { // few, so that cutting pays
			h := counted(values)
			found := quantizationError(t, values, leastSquaresOf(h, levels, symmetric), levels, symmetric)
			least := math.Inf(1)
			for low := range 20 {
				for high := range 200 {
					r := [2]float32{h.low * float32(low) / 20, h.high * float32(high+1) / 200}
					least = min(least, quantizationError(t, values, r, levels, symmetric))
				}
			}
			whole := quantizationError(t, values, [2]float32{h.low, h.high}, levels, symmetric)
			if found > 1.02*least || (levels.max < 16 && found > 0.8*whole) {
				t.Errorf("%v symmetric %v: squared error %v, the least on the grid is %v, and that of the whole range %v", levels, symmetric, found, least, whole)
			}
		}
	}
}

func quantizationError(t *testing.T, values []float32, r [2]float32, levels integerRange, symmetric bool) (sum float64) {
	t.Helper()
	p, err := paramsFor(r[0], r[1], levels, symmetric)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range values {
		q := min(max(int32(math.RoundToEven(float64(x/p.Scale)))+p.Zero, levels.min), levels.max)
		e := float64(x) - float64(q-p.Zero)*float64(p.Scale)
		sum += e * e
	}
	return sum
}

func TestMethodOptions(t *testing.T) {
	for _, o := range []Options{{}, {Method: MethodAuto}, {Method: MethodPercentile, Percentile: 99}} {
		if err := o.checkMethod(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []Options{{Method: "average"}, {Percentile: 50}, {Percentile: 100.1}, {Percentile: math.NaN()}} {
		if err := o.checkMethod(); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func BenchmarkHistogram(b *testing.B) {
	values := spread(1 << 20)
	low, high, _ := bounds(values)
	b.SetBytes(4 << 20)
	h := &histogram{}
	for b.Loop() {
		h.add(values, low, high)
	}
}

func BenchmarkMethods(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	values := make([]float32, 1<<18)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	h := counted(values)
	for _, method := range Methods[:4] {
		b.Run(method, func(b *testing.B) {
			for b.Loop() {
				h.ranges([]string{method}, DefaultPercentile, rangeOf(tensor.Uint8, false, false), false)
			}
		})
	}
}
