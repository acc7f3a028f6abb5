package child

import (
	"strings"
	"testing"

	"assay/backend"
	"assay/tensor"
)

// TestOnlyOneShapeIsBatched: rows of 8 do not fit where rows of 4 do.
func TestOnlyOneShapeIsBatched(t *testing.T) {
	inputs := []backend.ValueInfo{{Name: "x"}}
	feed := func(shape ...int64) []tensor.Value { return []tensor.Value{{Tensor: &tensor.Tensor{Shape: shape}}} }
	if err := sameShapes(inputs, [][]tensor.Value{feed(1, 4), feed(1, 4)}); err != nil {
		t.Error(err)
	}
	if err := sameShapes(inputs, [][]tensor.Value{feed(1, 4), feed(1, 4), feed(1, 8)}); err == nil || !strings.Contains(err.Error(), "input x has shape [1 4] in one request and [1 8] in another") {
		t.Error(err)
	}
}
