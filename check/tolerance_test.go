package check

import (
	"math"
	"strings"
	"testing"

	"assay/tensor"
)

func TestTolerance(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	byte8 := func(d tensor.DType, b ...byte) *tensor.Tensor {
		return &tensor.Tensor{DType: d, Shape: []int64{int64(len(b))}, Data: b}
	}
	dictionary := func(keys, values *tensor.Tensor) tensor.Value {
		return tensor.Value{Kind: tensor.KindMap, Keys: keys, Values: values}
	}
	sequence := func(items ...tensor.Value) tensor.Value { return tensor.Value{Kind: tensor.KindSequence, Items: items} }
	one := tensor.Of(vector(1))
	for _, c := range []struct {
		name      string
		got, want tensor.Value
		wrong     string
	}{
		{"within the relative part", tensor.Of(vector(1000.9)), tensor.Of(vector(1000)), ""},
		{"past it", tensor.Of(vector(1001.1)), tensor.Of(vector(1000)), "1 of 1 elements differ, most at [0]: 1001.09998, expected is 1000, allowed is a difference of 1.01"},
		{"small beside large", tensor.Of(vector(1000, 0.009)), tensor.Of(vector(1000, 0)), ""},
		{"too large beside large", tensor.Of(vector(1000, 0.011)), tensor.Of(vector(1000, 0)), "most at [1]"},
		{"small beside nothing", tensor.Of(vector(0, 0.009)), tensor.Of(vector(0, 0)), "most at [1]"},
		{"infinity does not widen", tensor.Of(vector(inf, 1)), tensor.Of(vector(inf, 2)), "1 of 2 elements differ, most at [1]"},
		{"not a number", tensor.Of(vector(nan)), tensor.Of(vector(nan)), ""},
		{"number for none", tensor.Of(vector(1)), tensor.Of(vector(nan)), "expected is NaN"},
		{"none for a number", tensor.Of(vector(nan)), tensor.Of(vector(1)), "NaN, expected is 1"},
		{"infinity's sign", tensor.Of(vector(-inf)), tensor.Of(vector(inf)), "-Inf, expected is +Inf"},
		{"NaN patterns of eight bits", tensor.Of(byte8(tensor.Float8E5M2, 0x7f)), tensor.Of(byte8(tensor.Float8E5M2, 0x7e)), ""},
		{"integers are exact", tensor.Of(int64s(1<<60 + 1)), tensor.Of(int64s(1 << 60)), "1152921504606846977 at [0], expected is 1152921504606846976"},
		{"bytes are exact", tensor.Of(byte8(tensor.Uint8, 200, 201)), tensor.Of(byte8(tensor.Uint8, 200, 200)), "1 of 2 elements differ"},
		{"padding is nothing", tensor.Of(&tensor.Tensor{DType: tensor.Int4, Shape: []int64{1}, Data: []byte{0xf7}}),
			tensor.Of(&tensor.Tensor{DType: tensor.Int4, Shape: []int64{1}, Data: []byte{0x07}}), ""},
		{"complex parts", tensor.Of(&tensor.Tensor{DType: tensor.Complex64, Shape: []int64{3}, Data: vector(1, 2, 3, 4, 5, 6).Data}),
			tensor.Of(&tensor.Tensor{DType: tensor.Complex64, Shape: []int64{3}, Data: vector(1, 2, 4, 4, 5, 6).Data}), "1 of 6 elements differ, most at [1]"},
		{"position", tensor.Of(shaped(vector(1, 1, 1, 9), 2, 2)), tensor.Of(shaped(vector(1, 1, 1, 1), 2, 2)), "most at [1 1]"},
		{"type", tensor.Of(int64s(1)), one, "its type is int64, expected is float32"},
		{"shape", tensor.Of(shaped(vector(1), 1, 1)), one, "its shape is [1 1], expected is [1]"},
		{"scalar shape", tensor.Of(&tensor.Tensor{DType: tensor.Float32, Shape: nil, Data: vector(1).Data}),
			tensor.Of(&tensor.Tensor{DType: tensor.Float32, Shape: []int64{}, Data: vector(1).Data}), ""},
		{"words", tensor.Of(words("a", "x")), tensor.Of(words("a", "b")), `"x" at [1], expected is "b"`},
		{"kind", sequence(), one, "it is a sequence, expected is a tensor"},
		{"length", sequence(one), sequence(one, one), "1 items, expected are 2"},
		{"item", sequence(one, tensor.Of(vector(2))), sequence(one, one), "item 1: 1 of 1"},
		{"empty optional", tensor.Value{Kind: tensor.KindOptional}, tensor.Value{Kind: tensor.KindOptional}, ""},
		{"map in another order", dictionary(words("b", "a"), vector(2, 1)), dictionary(words("a", "b"), vector(1, 2)), ""},
		{"map of numbers", dictionary(int64s(7, 3), vector(2, 1)), dictionary(int64s(3, 7), vector(1, 5)), "values of the map by sorted key: 1 of 2"},
		{"map's keys", dictionary(words("a"), vector(1)), dictionary(words("b"), vector(1)), "keys of the map"},
		{"map's size", dictionary(words("a"), vector(1)), dictionary(words("a", "b"), vector(1, 2)), "1 keys of string, expected are 2"},
	} {
		err := DefaultTolerance.Value(c.got, c.want)
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: error is %v, want %q in it", c.name, err, c.wrong)
		}
	}
	if err := (Tolerance{Absolute: 0.5}).Value(tensor.Of(vector(1.5)), one); err != nil {
		t.Errorf("within the absolute part: %v", err)
	}
	if err := (Tolerance{}).Value(tensor.Of(vector(1.0001)), one); err == nil {
		t.Error("no tolerance let a difference pass")
	}
}
