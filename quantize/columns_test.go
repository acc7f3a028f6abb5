package quantize

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"assay/tensor"
)

func TestColumnsAreQuantizedAsTheFormulaSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 9))
	for _, shape := range [][2]int{{1, 1}, {3, 1}, {1, 5}, {7, 3}, {129, 65}, {400, 130}, {2, 20000}, {0, 4}} {
		rows, columns := shape[0], shape[1]
		for _, d := range []tensor.DType{tensor.Uint8, tensor.Int8} {
			p := &parts{kind: d}
			for range columns {
				p.scales = append(p.scales, float32(math.Exp(rng.NormFloat64()*3)))
				p.zeros = append(p.zeros, fullRange(d).min+int32(rng.IntN(256)))
			}
			values := awkward(rng, p.scales[0], rows*columns)
			got, want := make([]byte, len(values)), make([]byte, len(values))
			quantizeColumns(got, values, p)
			for i := range values {
				c := i % columns
				quantizeInto(want[i:i+1], values[i:i+1], Params{p.scales[c], p.zeros[c]}, d)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%v to %s: other integers than the formula's", shape, d)
			}
			lows, highs := make([]float32, columns), make([]float32, columns)
			if !columnSpans(values, lows, highs) {
				t.Fatalf("%v: not finite", shape)
			}
			for c := range columns {
				var column []float32
				for i := c; i < len(values); i += columns {
					column = append(column, values[i])
				}
				low, high := extremes(column)
				if lows[c] != min(low, 0) || highs[c] != max(high, 0) {
					t.Fatalf("%v: column %d spans [%v, %v], want [%v, %v]", shape, c, lows[c], highs[c], low, high)
				}
			}
		}
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		values := awkward(rng, 1, 300)
		values[rng.IntN(300)] = bad
		if columnSpans(values, make([]float32, 3), make([]float32, 3)) {
			t.Errorf("%v is taken for finite", bad)
		}
	}
}

func TestTurnExchangesRowsAndColumns(t *testing.T) {
	for _, shape := range [][3]int{{1, 1, 1}, {2, 3, 4}, {1, 64, 65}, {3, 130, 7}, {1, 200, 300}} {
		stack, rows, columns := shape[0], shape[1], shape[2]
		q := make([]byte, stack*rows*columns)
		for i := range q {
			q[i] = byte(i * 7)
		}
		want := make([]byte, 0, len(q))
		for s := range stack {
			for j := range columns {
				for i := range rows {
					want = append(want, q[(s*rows+i)*columns+j])
				}
			}
		}
		if got := turn(q, rows, columns); !slices.Equal(got, want) {
			t.Errorf("%v is not turned", shape)
		}
	}
}
