//go:build cgo && linux

package quantize

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Equal requests give equal files by every scheme, on one core and on many.
func TestEqualRequestsGiveEqualBytes(t *testing.T) {
	model := newNetwork(17).input("x", 1, 64).weight("w", 64, 64).weight("b", 64).weight("v", 64, 32).
		node("MatMul x w > a").node("Add a b > c").node("Relu c > d").node("MatMul d v > y").output("y", 1, 32).save(t)
	for _, scheme := range Schemes {
		t.Run(scheme, func(t *testing.T) {
			var made [][]byte
			for _, cores := range []int{1, 4, 4} {
				before := runtime.GOMAXPROCS(cores)
				defer runtime.GOMAXPROCS(before)
				o := DefaultOptions()
				o.Scheme = scheme
				out := filepath.Join(t.TempDir(), "out.onnx")
				if _, err := Make(t.Context(), loaded(t), Request{Model: model, Out: out, Options: o, Examples: normal(4), Lineage: Lineage("sha", Calibrated{Data: "data"}, o, "tool")}); err != nil {
					t.Fatal(err)
				}
				file, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				made = append(made, file)
			}
			for _, file := range made[1:] {
				if !bytes.Equal(file, made[0]) {
					t.Errorf("equal requests gave files of %d and %d bytes that differ", len(made[0]), len(file))
				}
			}
		})
	}
}
