//go:build cgo && linux

package quantize

import "strings"

// deviations are where assay means to do something else than the reference: by model, the beginning of names, and why. A name that begins with
// `default: ` is of the default choice alone.
var deviations = map[string]map[string]string{
	"rules.onnx": {
		"default: bf_quantized": "a Pad with another constant stays float, so what follows has ranges of its own; made-up ones differ from those of what they come from",
	},
}

func deviation(model, choice, name string) (prefix string, known bool) {
	for prefix := range deviations[model] {
		bare, defaultOnly := strings.CutPrefix(prefix, "default: ")
		if strings.HasPrefix(name, bare) && (!defaultOnly || choice == "default") {
			return prefix, true
		}
	}
	return "", false
}
