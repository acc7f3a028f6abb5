package quantize

import (
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
