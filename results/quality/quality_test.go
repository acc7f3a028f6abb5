package quality

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"assay/tensor"
)

func floats(shape []int64, values ...float32) tensor.Value {
	t := &tensor.Tensor{DType: tensor.Float32, Shape: shape}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return tensor.Of(t)
}

func TestClasses(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		outputs []tensor.Value
		classes []int64
		scores  []float64
	}{
		"logits":        {[]tensor.Value{floats([]int64{2, 2}, 0, 1, 3, 1)}, []int64{1, 0}, []float64{1 / (1 + math.Exp(-1)), 1 / (1 + math.Exp(-2))}},
		"probabilities": {[]tensor.Value{floats([]int64{2, 2}, 0.25, 0.75, 0.5, 0.5)}, []int64{1, 0}, []float64{0.75, 0.5}},
		"trailing ones": {[]tensor.Value{floats([]int64{2, 2, 1, 1}, 0.25, 0.75, 0.9, 0.1)}, []int64{1, 0}, []float64{0.75, 0.9}},
		"integers": {[]tensor.Value{floats([]int64{2, 2}, 1, 2, 3, 4), tensor.Of(&tensor.Tensor{DType: tensor.Int8, Shape: []int64{2}, Data: []byte{7, 255}})},
			[]int64{7, -1}, []float64{math.NaN(), math.NaN()}},
		"not a number": {[]tensor.Value{floats([]int64{2, 2}, nan, 1, 3, 1)}, []int64{-1, 0}, []float64{0, 1 / (1 + math.Exp(-2))}},
	} {
		rows, err := Classes(c.outputs, 2)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		scores := Scores(rows)
		classes := []int64{rows[0].Class, rows[1].Class}
		if !slices.Equal(classes, c.classes) || !cmp.Equal(scores, c.scores, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-6)) {
			t.Errorf("%s: %v %v, want %v %v", name, classes, scores, c.classes, c.scores)
		}
		if rows[0].Finite != (name != "not a number") {
			t.Errorf("%s: finite %v", name, rows[0].Finite)
		}
	}
	if _, err := Classes([]tensor.Value{floats([]int64{3, 2}, 1, 2, 3, 4, 5, 6)}, 2); err == nil {
		t.Error("three rows for two examples")
	}
	if _, err := Classes([]tensor.Value{{Kind: tensor.KindOptional}}, 2); err == nil {
		t.Error("no output")
	}
}

func TestLabels(t *testing.T) {
	got, err := Labels(floats([]int64{3, 1}, 1, 0, 9).Tensor)
	if err != nil || !slices.Equal(got, []int64{1, 0, 9}) {
		t.Errorf("%v, %v", got, err)
	}
	for name, bad := range map[string]*tensor.Tensor{
		"halves":  floats([]int64{1}, 0.5).Tensor,
		"one-hot": floats([]int64{2, 2}, 0, 1, 1, 0).Tensor,
		"strings": {DType: tensor.String, Shape: []int64{1}, Strings: []string{"a"}},
	} {
		if got, err := Labels(bad); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// predictions makes n examples: right where the pattern says r, confident as given.
func predictions(pattern string, score float64) []Prediction {
	ps := make([]Prediction, len(pattern))
	for i := range ps {
		ps[i] = Prediction{Example: int64(i), Label: 1, Score: score, Finite: true, Slices: map[string]string{"half": []string{"first", "second"}[2*i/len(pattern)]}}
		if pattern[i] == 'r' {
			ps[i].Prediction = 1
		}
	}
	return ps
}

func TestMetrics(t *testing.T) {
	base, variant := predictions("rrrrrrrw", 0.9), predictions("rrrrrwwr", 0.5)
	if a := Accuracy(base); a.Value != 7.0/8 || !(a.Low < a.Value && a.Value < a.High) {
		t.Errorf("accuracy %+v", a)
	}
	if f := Compare(base, variant); f != (Flips{Both: 5, Baseline: 2, Variant: 1}) {
		t.Errorf("flips %+v", f)
	}
	if a := Agreement(base, variant); a.Value != 5.0/8 {
		t.Errorf("agreement %+v", a)
	}
	if e, ok := ECE(base, 1); !ok || math.Abs(e.Value-math.Abs(0.9-7.0/8)) > 1e-12 || !(e.Low <= e.Value) {
		t.Errorf("ece %+v", e)
	}
	// Of three discordant pairs one goes the other way: mid-p = 2*(1+3)/8 - 3/8.
	if loss, low, high, p := Loss(Compare(base, variant), 0.05); loss != 1.0/8 || !(low < loss && loss < high) || math.Abs(p-0.625) > 1e-12 {
		t.Errorf("loss %v [%v, %v] p %v", loss, low, high, p)
	}
	if e, p, ok := ECEDifference(base, base, 1); !ok || e.Value != 0 || p != 1 {
		t.Errorf("identical models: %+v, p %v", e, p)
	}
	s := BySlice(base, variant)
	if len(s) != 2 || s[0].Value != "first" || s[0].Accuracy.Value != 1 || s[1].Flips.Baseline != 2 {
		t.Errorf("slices %+v", s)
	}
}

func TestNaNIsNeverRight(t *testing.T) {
	ps := predictions("rr", 0.9)
	ps[0].Finite = false
	if a := Accuracy(ps); a.Value != 0.5 {
		t.Errorf("%+v", a)
	}
}

func TestMoreExamples(t *testing.T) {
	few := Flips{Both: 880, Baseline: 10, Variant: 8, Neither: 2}
	more := MoreExamples(few, 0.01, 0.05)
	if more < 100 || more > 5000 {
		t.Errorf("%d more", more)
	}
	if MoreExamples(Flips{Both: 100000, Baseline: 1, Variant: 1}, 0.01, 0.05) != 0 {
		t.Error("enough examples ask for more")
	}
}

func TestRoundTrip(t *testing.T) {
	want := predictions("rwr", 0.75)
	want[1].Score = math.NaN()
	path := filepath.Join(t.TempDir(), "v.parquet")
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Error(diff)
	}
}
