//go:build cgo && linux

package quantize

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"assay/backend"
	"assay/tensor"
)

// outlying is three matrices with a Tanh between them. What the second reads has one column a thousand times larger than the others, so that 8 bits
// for it leave nothing of those.
func outlying() *network {
	n := newNetwork(17).input("x", 8, 16).weight("w1", 16, 16).weight("w3", 16, 16)
	values, factors := make([]float32, 256), make([]float32, 16)
	for i := range values {
		if values[i] = float32(n.rng.NormFloat64()); i/16 == 3 {
			values[i] /= 1000
		}
		factors[i%16] = 1
	}
	factors[3] = 1000
	return n.constant("w2", values, 16, 16).constant("s", factors, 16).node("MatMul x w1 > a").node("Tanh a > b").node("Mul b s > m").
		node("MatMul m w2 > c").node("Tanh c > d").node("MatMul d w3 > y").output("y", 8, 16)
}

func rankingOf(t *testing.T, model string, change func(*Request)) *Ranking {
	t.Helper()
	q := Request{Model: model, Options: DefaultOptions(), Examples: normal(4)}
	if change != nil {
		change(&q)
	}
	r, err := Sensitivity(t.Context(), loaded(t), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSensitivityFindsTheOutlier(t *testing.T) {
	model := outlying().save(t)
	r := rankingOf(t, model, nil)
	if len(r.Units) != 3 || r.Units[0].Name != "MatMul_c" || r.Examples != 4 || r.Scheme != SchemeInt8Static {
		t.Fatalf("%+v", r)
	}
	for _, u := range r.Units[1:] {
		if *u.SQNR < *r.Units[0].SQNR+10 {
			t.Errorf("%s has %.1f dB, and the outlier %.1f", u.Name, *u.SQNR, *r.Units[0].SQNR)
		}
	}
	plain, _, err := static(t, model, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, _, err := static(t, model, func(q *Request) { q.Options.KeepFloat = 1 })
	if err != nil {
		t.Fatal(err)
	}
	if before, after := *plain.Quality.SQNR, *res.Quality.SQNR; after < before+10 {
		t.Errorf("%.1f dB without, %.1f dB with the worst unit kept float", before, after)
	}
	if plain.Sensitivity != nil || len(res.Sensitivity) != 3 || res.Sensitivity[0].Name != "MatMul_c" {
		t.Errorf("sensitivity %+v, and without its being asked for %+v", res.Sensitivity, plain.Sensitivity)
	}
	left := NodeLeft{"MatMul_c", "it is in unit MatMul_c, number 1 in sensitivity"}
	if !slices.Contains(res.Nodes.LeftFloat, left) {
		t.Errorf("left float: %v", res.Nodes.LeftFloat)
	}
	if res.ExamplesCount != 16 || res.Seconds.Calibrate == 0 || len(res.Ranges) == 0 {
		t.Errorf("calibrated on %d examples in %v s: %v", res.ExamplesCount, res.Seconds.Calibrate, res.Ranges)
	}
	if _, ok := res.Ranges["m"]; ok {
		t.Error("the ranges name a tensor that is not quantized, so they could not be given again")
	}
}

// Ranges that were kept and given again make the same model, and the ranking with them needs none of its own.
func TestKeepFloatTakesRangesGiven(t *testing.T) {
	model := outlying().save(t)
	first, _, err := static(t, model, nil)
	if err != nil {
		t.Fatal(err)
	}
	again := rankingOf(t, model, func(q *Request) { q.Examples, q.Ranges = normal(16), first.Ranges })
	computed := rankingOf(t, model, func(q *Request) { q.Examples = normal(16) })
	if !reflect.DeepEqual(again.Units, computed.Units) {
		t.Errorf("%+v\n%+v", again.Units, computed.Units)
	}
	wrong := Ranges{"nowhere": {0, 1}}
	if _, _, err = static(t, model, func(q *Request) { q.Ranges, q.Options.KeepFloat = wrong, 1 }); err == nil || !strings.Contains(err.Error(), "but nowhere") {
		t.Errorf("%v", err)
	}
	if _, _, err = static(t, model, func(q *Request) { q.Ranges, q.Options.KeepFloat = first.Ranges, 1 }); err != nil {
		t.Error(err)
	}
}

// What only one output shows counts, and units that cost the same come in the order of the graph.
func TestSensitivityLooksAtEveryOutput(t *testing.T) {
	n := newNetwork(17).input("x", 8, 16).input("u", 8, 16).weight("w", 16, 16).
		node("MatMul x w > y").node("MatMul x w > z").node("Tanh u > t").output("y", 8, 16).output("t", 8, 16).output("z", 8, 16)
	r := rankingOf(t, n.save(t), func(q *Request) { q.Options.Prepare = false })
	if len(r.Units) != 2 || r.Units[0].Name != "MatMul_y" || r.Units[1].Name != "MatMul_z" {
		t.Fatalf("%+v", r.Units)
	}
	a, b := r.Units[0], r.Units[1]
	if a.Output != "y" || b.Output != "z" || *a.SQNR != *b.SQNR || a.Identical {
		t.Errorf("%+v\n%+v", a, b)
	}
	first, _ := json.Marshal(r.Units)
	second, _ := json.Marshal(rankingOf(t, n.save(t), func(q *Request) { q.Options.Prepare = false }).Units)
	if string(first) != string(second) {
		t.Errorf("%s\n%s", first, second)
	}
}

// An output that is untouched halves the mean ratio of noise to signal.
func TestPooledRatioCountsOutputsAlike(t *testing.T) {
	n := newNetwork(17).input("x", 8, 16).input("u", 8, 16).weight("w", 16, 16).node("MatMul x w > y").node("Tanh u > t").output("y", 8, 16).output("t", 8, 16)
	u := rankingOf(t, n.save(t), nil).Units[0]
	if got, want := *u.Pooled-*u.SQNR, 10*math.Log10(2); math.Abs(got-want) > 1e-6 {
		t.Errorf("pooled ratio is %.3f dB above the worst, want %.3f", got, want)
	}
}

func TestSensitivityRefusals(t *testing.T) {
	model := outlying().save(t)
	for name, c := range map[string]struct {
		change func(*Request)
		want   string
	}{
		"no examples":   {func(q *Request) { q.Examples = nil }, "needs examples"},
		"empty":         {func(q *Request) { q.Examples = normal(0) }, "no examples"},
		"whole graphs":  {func(q *Request) { q.Options.Scheme = SchemeFP16 }, "fp16 changes whole graphs"},
		"all float":     {func(q *Request) { q.Options.KeepFloat = 3 }, "would leave none"},
		"negative":      {func(q *Request) { q.Options.KeepFloat = -1 }, "positive number"},
		"nothing meant": {func(q *Request) { q.Options.Exclude = "." }, "nothing can be quantized"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := static(t, model, func(q *Request) { q.Options.KeepFloat = 1; c.change(q) }); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestSensitivityEndsWhenCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	data, said := normal(4), 0
	q := Request{Model: outlying().save(t), Options: DefaultOptions(), Examples: data, Progress: func(string) { said++; cancel() }}
	if _, err := Sensitivity(ctx, loaded(t), q); !errors.Is(err, context.Canceled) || said != 1 {
		t.Errorf("%v after %d words of progress", err, said)
	}
}

// Outputs past what is kept are computed again, and are the same.
func TestReferenceKeepsWhatIsSmall(t *testing.T) {
	s, err := loaded(t).Open(t.Context(), outlying().save(t), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := &reference{session: s, examples: normal(3), bytes: keptOutputs - 8*16*4}
	var first [][]tensor.Value
	for i := range 6 {
		_, out, more, err := r.of(t.Context(), i%3)
		if err != nil || !more {
			t.Fatal(more, err)
		}
		if first = append(first, out); !reflect.DeepEqual(out, first[i%3]) {
			t.Errorf("example %d has other outputs the second time", i%3)
		}
	}
	if len(r.kept) != 1 {
		t.Errorf("%d kept", len(r.kept))
	}
	if _, _, more, err := r.of(t.Context(), 3); more || err != nil {
		t.Error(more, err)
	}
}

func TestRowDivergence(t *testing.T) {
	ln := math.Log
	for name, c := range map[string]struct {
		x, y []float64
		want float64
	}{
		"equal distributions":         {[]float64{0.25, 0.75}, []float64{0.25, 0.75}, 0},
		"distributions":               {[]float64{0.5, 0.5}, []float64{0.25, 0.75}, 0.5*ln(2) + 0.5*ln(2.0/3)},
		"unscaled distribution":       {[]float64{0.5, 0.5}, []float64{0.5, 1.5}, 0.5*ln(2) + 0.5*ln(2.0/3)},
		"what was there before":       {[]float64{1, 0}, []float64{0.5, 0.5}, ln(2)},
		"logits":                      {[]float64{3, 3 + ln(3)}, []float64{-1, -1}, 0.25*ln(0.5) + 0.75*ln(1.5)},
		"logits far from one another": {[]float64{1000, -1000}, []float64{1000, -1000}, 0},
	} {
		if got := rowDivergence(c.x, c.y); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The order is by what is broken, then by noise, then by integers that differ.
func TestUnitOrder(t *testing.T) {
	decibels := func(v float64) *float64 { return &v }
	units := []UnitScore{{NonFinite: 1, SQNR: decibels(50)}, {SQNR: decibels(-3)}, {SQNR: decibels(40)}, {Agreement: decibels(0.5)},
		{Agreement: decibels(0.9)}, {Agreement: decibels(1), Identical: true}}
	for i := 1; i < len(units); i++ {
		if units[i-1].order() >= units[i].order() {
			t.Errorf("%d: %v is not before %v", i, units[i-1].order(), units[i].order())
		}
	}
}

// Each unit of mnist that stays float brings its outputs nearer to the original's. That is no rule: see Sensitivity.
func TestKeepFloatOnMNIST(t *testing.T) {
	for _, model := range publishedModels(t) {
		if filepath.Base(model) != "mnist.onnx" {
			continue
		}
		last := 0.0
		for _, keep := range []int{0, 1, 2} {
			res, _, err := static(t, model, func(q *Request) { q.Examples, q.Options.KeepFloat = normal(4), keep })
			if err != nil {
				t.Fatal(err)
			}
			if *res.Quality.SQNR <= last {
				t.Errorf("%d units float: %.2f dB, not more than %.2f", keep, *res.Quality.SQNR, last)
			}
			last = *res.Quality.SQNR
		}
	}
}

// Weight-only schemes are ranked without ranges: the unit with the larger part in the sum costs more.
func TestSensitivityOfWeights(t *testing.T) {
	n := newNetwork(17).input("x", 8, 64).weight("w1", 64, 64).weight("w2", 64, 64).constant("hundred", []float32{100}).
		node("MatMul x w1 > a").node("MatMul x w2 > b").node("Mul b hundred > c").node("Add a c > y").output("y", 8, 64)
	r := rankingOf(t, n.save(t), func(q *Request) { q.Options.Scheme = SchemeInt4Weight })
	if len(r.Units) != 2 || r.Units[0].Name != "MatMul_b" || *r.Units[0].SQNR > *r.Units[1].SQNR-30 {
		t.Errorf("%+v", r.Units)
	}
}
