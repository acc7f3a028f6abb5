//go:build cgo && linux

package quantize

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// Blocks of weights are made as the file is written: what is wrong with them is said of the model, and not of a file that nobody asked for.
func TestFaultsOfBlocksAreThoseOfTheModel(t *testing.T) {
	values := slices.Repeat([]float32{1}, 32*16)
	values[7] = float32(math.NaN())
	path := newNetwork(17).input("x", 4, 32).constant("w", values, 32, 16).node("MatMul x w > y").output("y", 4, 16).save(t)
	_, _, err := static(t, path, func(q *Request) { q.Options = Options{Scheme: SchemeInt4Weight}.withBlocks() })
	if err == nil || !strings.Contains(err.Error(), "model "+path+": weight w") || strings.Contains(err.Error(), "write") {
		t.Errorf("error %v", err)
	}
}
