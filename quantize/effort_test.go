//go:build cgo && linux

package quantize

import (
	"testing"

	"assay/onnx"
)

// How much is compared follows from the model, so that equal requests give equal figures.
func TestComparedExamples(t *testing.T) {
	image := func(size int64) *network {
		return newNetwork(17).input("x", -1, 16, size, size).weight("w", 16, 16, 3, 3).node("Conv x w > y", ints("pads", 1, 1, 1, 1)).output("y", -1, 16, size, size)
	}
	product := func(rows, width int64) *network {
		return newNetwork(17).input("x", -1, rows, width).weight("w", width, width).node("MatMul x w > y").output("y", -1, rows, width)
	}
	for name, c := range map[string]struct {
		model         *network
		given, madeUp int
	}{
		"small":                        {product(1, 64), 256, 8},
		"a large product":              {product(64, 1024), 36, 4},
		"a large product of open rows": {product(-1, 1024), 36, 4},
		"a small image":                {image(32), 256, 8},
		"a large image":                {image(512), 8, 1},
		"an image of an open size":     {image(-1), 250, 8},
	} {
		m, err := onnx.Open(c.model.save(t))
		if err != nil {
			t.Fatal(err)
		}
		if given, madeUp := comparedExamples(m, true), comparedExamples(m, false); given != c.given || madeUp != c.madeUp {
			t.Errorf("%s: %d given and %d made-up examples, want %d and %d", name, given, madeUp, c.given, c.madeUp)
		}
		m.Close()
	}
}

func TestAsManyAreComparedAsTheModelSays(t *testing.T) {
	res, _, err := static(t, convolutional(17).save(t), func(q *Request) { q.Examples = normal(300) })
	if err != nil || res.Quality.Examples != manyCompared {
		t.Errorf("%d examples: %v", res.Quality.Examples, err)
	}
}
