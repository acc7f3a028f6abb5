//go:build cgo && linux

package quantize

import "strings"

// deviations are where assay means to do something else than the reference: by model, the beginning of names, or with `$` a whole one, and
// why. A name that begins with `default: ` is of the default choice alone.
var deviations = map[string]map[string]string{
	"mnist.onnx": {
		"Parameter194_quantized$": "the bias of a Gemm with dims [1,10] has its 10 scales along axis 0, at which the reference's does not run; ours has dims [10]",
	},
	"vespa_random_decoder.onnx": {
		"default: transformer_decoder.layers.0.self_attn.out_proj.bias0_quantized_scale$": "what is reshaped before it stays float, so the bias follows a range of its own; made-up ones differ from those of what they come from",
	},
	"rules.onnx": {
		"default: bf_quantized": "a Pad with another constant stays float, so what follows has ranges of its own; made-up ones differ from those of what they come from",
	},
}

func deviation(model, choice, name string) (prefix string, known bool) {
	for prefix := range deviations[model] {
		bare, defaultOnly := strings.CutPrefix(prefix, "default: ")
		whole, isWhole := strings.CutSuffix(bare, "$")
		if (strings.HasPrefix(name, bare) || isWhole && name == whole) && (!defaultOnly || choice == "default") {
			return prefix, true
		}
	}
	return "", false
}
