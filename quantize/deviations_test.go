//go:build cgo && linux

package quantize

import "strings"

// deviations are where assay means to do something else than the reference: by model, the beginning of names, or with `$` a whole one, and
// why. A name that begins with `default: ` is of the default choice alone.
var deviations = map[string]map[string]string{
	"mnist.onnx": {
		"Parameter194_quantized$": "the bias of a Gemm with dims [1,10] has its 10 scales along axis 0, at which the reference's does not run; ours has dims [10]",
	},
	"quirks.onnx": {
		"a_":                  "the reference takes a Clip away that lets nothing near 0 through, and with it what it does to values below",
		"p_QuantizeLinear$":   "behind an operator that shares its input's parameters a Clip stays: without it both could not share them",
		"p_DequantizeLinear$": "see p_QuantizeLinear",
		"z_":                  "the reference gives an output of the model the range of the Relu that reads it, and loses what is below 0",
		"b1_":                 "a bias that is an output of the model stays what it is there; the reference's is rounded",
		"stack":               "a stack of matrices has one scale; the reference gives it channels along the rows, by which its columns are not multiplied",
		"v1_quantized":        "the scale of a bias is that of the product: the reference's has beta in it, and the Gemm none any more, so that beta is lost",
		"default: s_":         "where Softmax stays float, its range is what was measured, and not all of [0, 1]",
		"u_":                  "an input of the model that is its output stays what it is; the reference's output comes from a node that is not there",
		"lifted":              "a Constant is a weight; for the reference it is an activation",
	},
}

// deviation is that of a model which a name falls under.
func deviation(of map[string]string, choice, name string) (prefix string, known bool) {
	for prefix := range of {
		bare, defaultOnly := strings.CutPrefix(prefix, "default: ")
		whole, isWhole := strings.CutSuffix(bare, "$")
		if (strings.HasPrefix(name, bare) || isWhole && name == whole) && (!defaultOnly || choice == "default") {
			return prefix, true
		}
	}
	return "", false
}
