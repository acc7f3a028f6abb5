package quantize

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/tensor"
)

func TestReadOverrides(t *testing.T) {
	got, err := ReadOverrides([]byte(`
"w1": {type: uint8, axis: 0}
"/a/Relu_output_0": {range: [-1, 2.5e0], symmetric: true}
x: {scale: 1e-2, zero_point: 128}
w2: {per_channel: false}
h: {float: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	yes, no, axis, scale, zero := true, false, 0, float32(0.01), int32(128)
	want := Overrides{
		{Tensor: "w1", Type: tensor.Uint8, Axis: &axis},
		{Tensor: "/a/Relu_output_0", Range: &[2]float32{-1, 2.5}, Symmetric: &yes},
		{Tensor: "x", Scale: &scale, Zero: &zero},
		{Tensor: "w2", PerChannel: &no},
		{Tensor: "h", Float: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestOverridesThatMeanNothing(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "it is empty",
		"- x":                          "line 1: want a mapping",
		"x: 3":                         `line 1: tensor "x": want some of float, type`,
		"\n\nx: {tipe: int8}":          `line 3: tensor "x": want some of float, type`,
		"x: {type: int4}":              `type "int4": want int8 or uint8`,
		"x: {}":                        "nothing is said of it",
		"x: {float: true, type: int8}": "leaves nothing else to say",
		"x: {range: [2, 1]}":           "range [2, 1]: want two finite numbers",
		"x: {range: [.nan, 1]}":        "want two finite numbers",
		"x: {range: [0, .inf]}":        "want two finite numbers",
		"x: {range: [0]}":              `tensor "x"`,
		"x: {scale: 0, zero_point: 0}": "scale 0: want a number above 0",
		"x: {scale: 1}":                "belong together",
		"x: {zero_point: 1}":           "belong together",
		"x: {scale: 1, zero_point: 0, symmetric: true}": "leave no range or symmetry",
		"x: {scale: 1, zero_point: 0, axis: 1}":         "no channels",
		"x: {per_channel: false, axis: 1}":              "no axis",
		"x: {type: int8}\nx: {type: uint8}":             `line 2: tensor "x" stands there twice`,
		"x: [":                                          "yaml",
	} {
		if _, err := ReadOverrides([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadOverrides([]byte("x: {type: int4}\ny: {scale: -1, zero_point: 1}")); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not all mistakes: %v", err)
	}
}

func FuzzReadOverrides(f *testing.F) {
	f.Add([]byte("x: {range: [-1, 2], symmetric: true}"))
	f.Add([]byte("w: {scale: 1e-2, zero_point: 128}\nv: {axis: 0, type: int8}"))
	f.Add([]byte("a: &a {float: true}\nb: *a"))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := ReadOverrides(src)
		if err != nil {
			return
		}
		for _, o := range got {
			if o.Range != nil && !(o.Range[0] <= o.Range[1]) || o.Scale != nil && (*o.Scale <= 0 || math.IsInf(float64(*o.Scale), 0) || o.Zero == nil) {
				t.Errorf("%q gives %+v", src, o)
			}
		}
	})
}

func TestTargetsSetWhatIsNotGiven(t *testing.T) {
	for _, target := range Targets {
		o := DefaultOptions()
		if err := o.AimAt(target.Name, func(flag string) bool { return flag == "per-channel" || flag == "symmetric" }); err != nil {
			t.Fatal(err)
		}
		if !o.PerChannel || o.Symmetric || o.Target != target.Name || o.Weight != tensor.Int8 {
			t.Errorf("%s: %+v", target.Name, o)
		}
		if reduced := target.Name == "cpu-avx2"; o.ReduceRange != reduced {
			t.Errorf("%s reduces the range: %v", target.Name, o.ReduceRange)
		}
		if s := o.target(); s.Name != target.Name || !strings.Contains(strings.Join(s.Settings, " "), "symmetric=false") {
			t.Errorf("%s: %+v does not say what was given", target.Name, s)
		}
	}
	if err := new(Options).AimAt("abacus", func(string) bool { return false }); err == nil || !strings.Contains(err.Error(), "cpu-avx2") {
		t.Errorf("%v", err)
	}
	if new(Options).target() != nil {
		t.Error("no target has settings")
	}
}
