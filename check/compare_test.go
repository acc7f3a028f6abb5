package check

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"assay/tensor"
)

func shaped(t *tensor.Tensor, shape ...int64) *tensor.Tensor {
	t.Shape = shape
	return t
}

func int64s(v ...int64) *tensor.Tensor {
	t := &tensor.Tensor{DType: tensor.Int64, Shape: []int64{int64(len(v))}}
	for _, x := range v {
		t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(x))
	}
	return t
}

func words(v ...string) *tensor.Tensor {
	return &tensor.Tensor{DType: tensor.String, Shape: []int64{int64(len(v))}, Strings: v}
}

func TestCompare(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		name             string
		reference, other *tensor.Tensor
		want             Difference
	}{
		{"identical", vector(1, -2, 3), vector(1, -2, 3),
			Difference{SQNR: inf, Cosine: 1, Agreement: 1, Elements: 3, Identical: true}},
		// Energy 25, of the difference 0.25: 20 dB. cos = (9+16+2)/(5 sqrt(9+20.25)) for (3,4) and (3,4.5).
		{"by hand", vector(3, 4), vector(3, 4.5),
			Difference{SQNR: 20, Cosine: 27 / (5 * math.Sqrt(29.25)), MaxAbs: 0.5, Agreement: 1, Elements: 2}},
		{"opposite", vector(1, 0), vector(-1, 0), Difference{SQNR: 10 * math.Log10(0.25), Cosine: -1, MaxAbs: 2, Agreement: 0, Elements: 2}},
		{"zero reference", vector(0, 0), vector(1, 0), Difference{SQNR: math.Inf(-1), Cosine: nan, MaxAbs: 1, Agreement: 1, Elements: 2}},
		{"non-finite", vector(nan, inf, 1, nan), vector(nan, inf, 1, 5),
			Difference{SQNR: inf, Cosine: 1, Agreement: 0, Elements: 4, NonFinite: 1, NonFiniteBoth: 2}},
		{"NaN in both", shaped(vector(nan, nan, 1, 2), 2, 2), shaped(vector(nan, nan, 1, 2), 2, 2),
			Difference{SQNR: inf, Cosine: 1, Agreement: 0.5, Elements: 4, Identical: true, NonFiniteBoth: 2}},
		{"infinite either way", vector(inf, 1), vector(-inf, 1), Difference{SQNR: inf, Cosine: 1, Agreement: 0, Elements: 2, NonFinite: 1}},
		{"infinite in both", shaped(vector(inf, 0, 1, 2), 2, 2), shaped(vector(inf, 0, 1, 2), 2, 2),
			Difference{SQNR: inf, Cosine: 1, Agreement: 1, Elements: 4, Identical: true, NonFiniteBoth: 1}},
		{"rows", shaped(vector(1, 2, 5, 4), 2, 2), shaped(vector(1, 3, 4, 5), 2, 2),
			Difference{SQNR: 10 * math.Log10(46.0/3), Cosine: 47 / math.Sqrt(46) / math.Sqrt(51), MaxAbs: 1, Agreement: 0.5, Elements: 4}},
		{"one value an example", shaped(vector(1, 2), 2, 1), shaped(vector(1, 2), 2, 1),
			Difference{SQNR: inf, Cosine: 1, Agreement: nan, Elements: 2, Identical: true}},
		{"trailing axes of one", shaped(vector(1, 2, 5, 4), 2, 2, 1, 1), shaped(vector(2, 1, 5, 4), 2, 2, 1, 1),
			Difference{SQNR: 10 * math.Log10(46.0/2), Cosine: 45.0 / 46, MaxAbs: 1, Agreement: 0.5, Elements: 4}},
		{"labels", int64s(1, 2, 3, 4), int64s(1, 2, 3, 5),
			Difference{SQNR: 10 * math.Log10(30), Cosine: 34 / math.Sqrt(30) / math.Sqrt(39), MaxAbs: 1, Agreement: 0.75, Elements: 4}},
		{"words", words("a", "b"), words("a", "c"), Difference{SQNR: inf, Cosine: nan, Agreement: 0.5, Elements: 2}},
		{"nothing", shaped(vector(), 0, 3), shaped(vector(), 0, 3), Difference{SQNR: inf, Cosine: nan, Agreement: nan, Identical: true}},
	} {
		got, err := Compare("y", c.reference, c.other)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		c.want.Name = "y"
		if d := cmp.Diff(c.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	if _, err := Compare("y", vector(1), vector(1, 2)); err == nil {
		t.Error("shapes that differ were compared")
	}
	if _, err := Compare("y", words("a"), vector(1)); err == nil {
		t.Error("words were compared with numbers")
	}
}

// TestAccumulator: requests added one by one give what they give together.
func TestAccumulator(t *testing.T) {
	var a Accumulator
	for _, pair := range [][2]*tensor.Tensor{
		{shaped(vector(1, 2), 1, 2), shaped(vector(1, 3), 1, 2)},
		{shaped(vector(5, 4), 1, 2), shaped(vector(4, 5), 1, 2)},
	} {
		if err := a.Add(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := Compare("y", shaped(vector(1, 2, 5, 4), 2, 2), shaped(vector(1, 3, 4, 5), 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(whole, a.Result("y"), cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Errorf("difference (-whole +parts):\n%s", d)
	}
}

func TestDifferenceJSON(t *testing.T) {
	for want, d := range map[string]Difference{
		`{"name":"y","sqnr_db":null,"cosine":null,"max_abs":0.5,"agreement":0.25,"elements":4,"identical":false,"nonfinite":0,"nonfinite_both":0}`: {
			Name: "y", SQNR: math.Inf(1), Cosine: math.NaN(), MaxAbs: 0.5, Agreement: 0.25, Elements: 4},
		`{"name":"y","sqnr_db":null,"cosine":null,"max_abs":null,"agreement":0,"elements":4,"identical":false,"nonfinite":4,"nonfinite_both":3}`: {
			Name: "y", SQNR: math.Inf(1), Cosine: math.NaN(), Elements: 4, NonFinite: 1, NonFiniteBoth: 3},
	} {
		if got, err := json.Marshal(d); err != nil || string(got) != want {
			t.Errorf("JSON is %s, %v, want %s", got, err, want)
		}
	}
}
