package quantize

import (
	"reflect"
	"strings"
	"testing"

	"assay/tensor"
)

func TestValidate(t *testing.T) {
	for want, o := range map[string]Options{
		"":                                DefaultOptions(),
		"--include":                       {Scheme: SchemeInt8Static, Include: "("},
		"type int32 is not there":         {Scheme: SchemeInt8Static, Activation: tensor.Int32},
		"int8 activations with uint8":     {Scheme: SchemeInt8Static, Activation: tensor.Int8, Weight: tensor.Uint8},
		`calibration method "average"`:    {Scheme: SchemeInt8Static, Method: "average"},
		"--block 17: want 16":             {Scheme: SchemeInt4Weight, Block: 17},
		"--weight-method":                 {Scheme: SchemeInt8Weight, WeightMethod: "guess"},
		"--accuracy-level: DequantizeLin": {Scheme: SchemeInt4Weight, Form: FormQDQ, AccuracyLevel: 4},
	} {
		if err := o.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// Every option decides the key under which a variant is kept.
func TestEveryOptionIsInTheKey(t *testing.T) {
	keys := map[string]string{Key(Lineage("s", Calibrated{Data: "c"}, Options{}, "t")): "none"}
	fields := reflect.TypeFor[Options]()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if !f.IsExported() {
			continue
		}
		var o Options
		switch v := reflect.ValueOf(&o).Elem().Field(i); v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Float64:
			v.SetFloat(1)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(f.Type, 1, 1))
		default:
			v.SetInt(1)
		}
		key := Key(Lineage("s", Calibrated{Data: "c"}, o, "t"))
		if other, taken := keys[key]; taken {
			t.Errorf("%s has the key of %s", f.Name, other)
		}
		keys[key] = f.Name
	}
	scale, more := float32(1), float32(2)
	a, b := Options{Overrides: Overrides{{Tensor: "x", Scale: &scale}}}, Options{Overrides: Overrides{{Tensor: "x", Scale: &more}}}
	if Key(Lineage("s", Calibrated{Data: "c"}, a, "t")) == Key(Lineage("s", Calibrated{Data: "c"}, b, "t")) || Key(Lineage("s", Calibrated{Data: "c"}, a, "t")) == Key(Lineage("s", Calibrated{Data: "d"}, a, "t")) {
		t.Error("another scale, or other calibration data, have the same key")
	}
}
