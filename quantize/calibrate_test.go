//go:build cgo && linux

package quantize

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// loose makes the first dimension of an input and of the outputs one that every example may choose.
func (n *network) loose() *network {
	g := n.model.Graph
	for _, v := range append(slices.Clone(g.Input), g.Output...) {
		v.Type.GetTensorType().Shape.Dim[0].Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "n"}
	}
	return n
}

// pointwise computes every element by itself, so that its values do not depend on what stands beside them: each tensor is known.
func pointwise() *network {
	return newNetwork(17).input("x", 1, 8).weight("w", 1).node("Mul x w > h").node("Relu h > r").node("Tanh r > t").output("t", 1, 8).loose()
}

// rowCounts gives examples of normal values with as many rows as said; row k of all is the same whatever example it is in.
func rowCounts(counts ...int) Source {
	return func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
		if i >= len(counts) {
			return nil, false, nil
		}
		first := 0
		for _, c := range counts[:i] {
			first += c
		}
		t := &tensor.Tensor{DType: tensor.Float32, Shape: []int64{int64(counts[i]), 8}}
		for row := first; row < first+counts[i]; row++ {
			rng := rand.New(rand.NewPCG(uint64(row), 4))
			for range 8 {
				t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(float32(rng.NormFloat64())))
			}
		}
		return []tensor.Value{tensor.Of(t)}, true, nil
	}
}

// seenOf calibrates the tensors of a network.
func seenOf(t *testing.T, n *network, tensors []string, histograms bool, source Source) *calibration {
	t.Helper()
	m, err := onnx.Open(n.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	seen, err := (&Request{Examples: source}).calibrate(t.Context(), loaded(t), m, tensors, histograms)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// Examples of different shapes, empty ones among them, count with all their values, however they are parted into examples.
func TestCalibrationOfRaggedExamples(t *testing.T) {
	tensors := []string{"x", "h", "r", "t"}
	want := seenOf(t, pointwise(), tensors, true, rowCounts(slices.Repeat([]int{1}, 30)...))
	for _, counts := range [][]int{{30}, {3, 0, 7, 1, 19}, {29, 1}, {0, 15, 15}} {
		got := seenOf(t, pointwise(), tensors, true, rowCounts(counts...))
		for i, name := range tensors {
			if got.extremes[name] != want.extremes[name] || *got.histograms[i] != *want.histograms[i] {
				t.Errorf("in parts of %d, tensor %s was seen otherwise", counts, name)
			}
		}
		figures := seenOf(t, pointwise(), tensors, false, rowCounts(counts...))
		if !maps.Equal(figures.extremes, want.extremes) {
			t.Errorf("in parts of %d: %v, want %v", counts, figures.extremes, want.extremes)
		}
	}
	if n := want.histograms[0].count; n != 30*8 {
		t.Errorf("%d values were counted", n)
	}
}

// Every method gives the same ranges in whatever order examples come.
func TestRangesDoNotDependOnTheOrderOfExamples(t *testing.T) {
	const count = 12
	model := convolutional(17).save(t)
	ranges := func(method string, order []int) Ranges {
		res, _, err := static(t, model, func(q *Request) {
			q.Out, q.Options.Method, q.Options.Percentile = "", method, 99
			q.Examples = func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
				if i >= count {
					return nil, false, nil
				}
				return normal(count)(inputs, order[i])
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return res.Ranges
	}
	inOrder, shuffled := make([]int, count), rand.New(rand.NewPCG(1, 1)).Perm(count)
	for i := range inOrder {
		inOrder[i] = i
	}
	distinct := map[string]bool{}
	for _, method := range Methods {
		a, b := ranges(method, inOrder), ranges(method, shuffled)
		if !maps.Equal(a, b) {
			t.Errorf("%s: %v and %v", method, a, b)
		}
		distinct[fmt.Sprint(a)] = true
	}
	if len(distinct) < len(Methods)-1 {
		t.Errorf("only %d of the methods differ", len(distinct))
	}
}

// TestAutoIsAsGoodAsEveryMethod: by the figure that it goes by, which is that of the result on the same examples.
func TestAutoIsAsGoodAsEveryMethod(t *testing.T) {
	for name, n := range map[string]*network{"convolutional": convolutional(17), "outlying": outlying(), "rules": rulesModel()} {
		t.Run(name, func(t *testing.T) {
			model, quality := n.save(t), map[string]float64{}
			var tried []MethodFidelity
			for _, method := range Methods {
				res, _, err := static(t, model, func(q *Request) { q.Options.Method, q.Examples = method, normal(fewCompared) })
				if err != nil {
					t.Fatal(err)
				}
				quality[method] = *exact(res).SQNR
				if method == MethodAuto {
					tried = res.Calibration.Tried
				}
			}
			for i, c := range tried {
				if d := *c.SQNR - quality[c.Method]; c.Method != Methods[i] || math.Abs(d) > 1e-6 {
					t.Errorf("auto saw %s at %v dB, and its result has %v", c.Method, *c.SQNR, quality[c.Method])
				}
				if quality[c.Method] > quality[MethodAuto]+1e-6 {
					t.Errorf("%s: %v dB, better than auto with %v", c.Method, quality[c.Method], quality[MethodAuto])
				}
			}
			if len(tried) != len(Methods)-1 {
				t.Errorf("auto tried %v", tried)
			}
		})
	}
}

// Two hundred examples take no more memory than a few: neither their tensors nor what was counted of them grow.
func TestMemoryOfCalibrationDoesNotGrowWithExamples(t *testing.T) {
	const elements = 1 << 19
	n := newNetwork(17).input("x", 1, elements).node("Relu x > r").node("Tanh r > t").output("t", 1, elements)
	grown := func(histograms bool, count int) int64 {
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
			t.Skip("the kernel does not let the peak of memory be reset:", err)
		}
		before, err := peakResident()
		if err != nil {
			t.Fatal(err)
		}
		seenOf(t, n, []string{"x", "r", "t"}, histograms, normal(count))
		after, err := peakResident()
		if err != nil {
			t.Fatal(err)
		}
		return after - before
	}
	for _, histograms := range []bool{false, true} {
		grown(histograms, 8) // the runtime and the collector settle
		if few, many := grown(histograms, 8), grown(histograms, 200); many-few > 60<<20 {
			t.Errorf("histograms %v: 8 examples took %d bytes more, 200 examples %d; all inputs are %d", histograms, few, many, 200*4*elements)
		}
	}
}

func TestProgressSaysTheTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		done := remaining(func(text string) { said = append(said, text) })
		for i := range 10 {
			time.Sleep(700 * time.Millisecond)
			done(i+1, 10)
		}
		want := []string{"calibrated on 2 of 10 examples, about 6s left", "calibrated on 4 of 10 examples, about 4s left",
			"calibrated on 6 of 10 examples, about 3s left", "calibrated on 8 of 10 examples, about 1s left", "calibrated on 10 examples"}
		if !slices.Equal(said, want) {
			t.Errorf("%q", said)
		}
		said = nil
		done = remaining(func(text string) { said = append(said, text) })
		time.Sleep(time.Second)
		if done(3, 0); !slices.Equal(said, []string{"calibrated on 3 examples"}) {
			t.Errorf("%q", said)
		}
		remaining(nil)(1, 10)
	})
}
