package plan

import (
	"regexp"
	"strings"
	"testing"
)

// TestStarter: the file is taken as it is, and so is everything that stands in it commented out.
func TestStarter(t *testing.T) {
	inputs := []StarterInput{{"input_ids", "int64[batch seq]", []string{"batch", "seq"}}, {"odd: \"name\"\n", "float32[n batch]", []string{"n", "batch"}}}
	for _, model := range []string{"model.onnx", "../a b/größe: 1.onnx", "1.onnx", "no.onnx", "./-.onnx", "true.onnx"} {
		for _, in := range [][]StarterInput{nil, inputs} {
			src := Starter(model, in)
			e, err := Parse(src, "starter.yaml")
			if err != nil {
				t.Fatalf("%s: %v\n%s", model, err, src)
			}
			if got := e.Variants[0].Value.Model; got != model {
				t.Errorf("model %q became %q", model, got)
			}
			if e.Variants[0].Name != e.Baseline {
				t.Errorf("%s: baseline %q of variant %q", model, e.Baseline, e.Variants[0].Name)
			}
			all := regexp.MustCompile(`(?m)^#(\S|  \S)`).ReplaceAllString(string(src), "$1")
			if _, err := Parse([]byte(all), "starter.yaml"); err != nil {
				t.Errorf("%s: %v\n%s", model, err, all)
			}
			if strings.Contains(string(src), "%!") {
				t.Errorf("%s", src)
			}
		}
	}
}
