package quantize

import (
	"strings"
	"testing"
)

func TestReadRanges(t *testing.T) {
	got, err := ReadRanges([]byte(`{"x": [-1, 0.1], "y": [0, 255]}`))
	if err != nil || len(got) != 2 || got["x"] != [2]float32{-1, 0.1} || got["y"] != [2]float32{0, 255} {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{
		`{"x": [0]}`:       `tensor "x" has 1 values`,
		`{"x": [0, 1, 2]}`: `tensor "x" has 3 values`,
		`{"x": null}`:      `tensor "x" has 0 values`,
		`{"x": ["a", 1]}`:  "cannot unmarshal string",
		`{"x": [0, 1e39]}`: "cannot unmarshal number",
		`{`:                "unexpected end",
	} {
		if _, err := ReadRanges([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
