//go:build cgo && linux

package quantize

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// A weight that the runtime made by folding is called by its node: its own name is not in the user's model.
func TestFoldedWeightsAreCalledByTheirNodes(t *testing.T) {
	nan := float32(math.NaN())
	normalized := func(mean float32, scale float32) *network {
		return newNetwork(17).input("x", 1, 2, 4, 4).weight("w", 2, 2, 1, 1).constant("s", []float32{1, scale}, 2).constant("b", []float32{0, 1}, 2).
			constant("m", []float32{0, mean}, 2).constant("v", []float32{1, 1}, 2).node("Conv x w > c").node("BatchNormalization c s b m v > n").
			node("Relu n > y").output("y", 1, 2, 4, 4)
	}
	scales := slices.Repeat([]float32{1}, 32)
	scales[7] = nan
	product := newNetwork(17).input("x", 2, 64).weight("w", 64, 32).constant("s", scales, 32).weight("b", 32).weight("m", 32).
		constant("v", slices.Repeat([]float32{1}, 32), 32).node("MatMul x w > c").node("BatchNormalization c s b m v > y").output("y", 2, 32)
	for name, c := range map[string]struct {
		n      *network
		change func(*Options)
		want   string
	}{
		"static":      {normalized(0, nan), nil, "weight of node Conv_c (with what the runtime folded into it) holds NaN"},
		"static bias": {normalized(nan, 1), nil, "of node Conv_c (with what the runtime folded into it) holds NaN"},
		"float16":     {normalized(0, nan), func(o *Options) { *o = Options{Scheme: SchemeFP16, Prepare: true} }, "weight of node Conv_c (with what the runtime folded into it) holds"},
		"dynamic":     {product, func(o *Options) { o.Scheme = SchemeInt8Dynamic }, "weight of the node that makes y (with what the runtime folded into it) holds NaN"},
		"convolution": {normalized(0, nan), func(o *Options) { o.Scheme, o.OpTypes = SchemeInt8Dynamic, []string{"Conv"} },
			"weight of node Conv_c (with what the runtime folded into it) holds NaN"},
		"weights alone": {product, func(o *Options) { *o = Options{Scheme: SchemeInt4Weight, Prepare: true} }, "weight of the node that makes y (with what the runtime folded into it): it holds NaN"},
	} {
		_, _, err := static(t, c.n.save(t), func(q *Request) {
			if c.change != nil {
				c.change(&q.Options)
			}
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
