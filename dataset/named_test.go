package dataset

import (
	"strings"
	"testing"

	"assay/results"
	"assay/tensor"
)

func TestNamed(t *testing.T) {
	x, y := func() *tensor.Tensor { return floats(t, 5, 2) }, numbers(t, tensor.Int64, 5)
	one, two := []string{"image float32 n,2"}, []string{"image float32 n,2", "other float32 n,2"}
	for name, c := range map[string]struct {
		arrays  map[string]*tensor.Tensor
		inputs  []string
		mapping map[string]string
		want    string // the array of image, or of the error where it has a blank
	}{
		"equal names":            {map[string]*tensor.Tensor{"image": x()}, one, nil, "image"},
		"arrays beside":          {map[string]*tensor.Tensor{"image": x(), "x": x(), "y": y}, one, nil, "image"},
		"a mapping":              {map[string]*tensor.Tensor{"z": x()}, one, map[string]string{"image": "z"}, "z"},
		"the usual form":         {map[string]*tensor.Tensor{"x": x(), "y": y, "z": x()}, one, nil, "x"},
		"x without y":            {map[string]*tensor.Tensor{"x": x()}, one, nil, "input image: data.npz has no array of that name; it has x, and the model takes image; save"},
		"another name":           {map[string]*tensor.Tensor{"z": x(), "y": y}, one, nil, "it has y, z, and"},
		"one of two is missing":  {map[string]*tensor.Tensor{"image": x(), "y": y, "x": x()}, two, nil, "input other: data.npz has no array of that name; it has image, x, y, and the model takes image, other;"},
		"what follows from name": {map[string]*tensor.Tensor{"image": x()}, []string{"image float32 n,2", "attention_mask int64 n,2"}, nil, "image"},
	} {
		d, err := Open(results.Dataset{Name: "data", Path: writeNPZ(t, c.arrays), Inputs: c.mapping})
		if err != nil {
			t.Fatal(err)
		}
		d.file = "data.npz"
		inputs := infos(t, c.inputs...)
		named, err := d.Named(inputs)
		if strings.Contains(c.want, " ") {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := arrayFor(inputs[0], inputs, named.inputs, named.source())
		if err != nil || got != c.want {
			t.Errorf("%s: array %s, %v; want %s", name, got, err, c.want)
		}
		if _, err := named.Reader(inputs, 1, noHint); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without names being strict, too, x beside y is the examples where both would fit.
func TestUsualNamesBesideLabelsThatFit(t *testing.T) {
	for want, arrays := range map[string]map[string]*tensor.Tensor{
		"x": {"x": floats(t, 5, 2), "y": floats(t, 5, 2)},
		"":  {"a": floats(t, 5, 2), "y": floats(t, 5, 2)},
	} {
		d, err := Open(results.Dataset{Name: "data", Path: writeNPZ(t, arrays)})
		if err != nil {
			t.Fatal(err)
		}
		inputs := infos(t, "image float32 n,2")
		if got, err := arrayFor(inputs[0], inputs, nil, d.source()); got != want || (err == nil) != (want != "") {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}
