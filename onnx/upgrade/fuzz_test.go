//go:build cgo && linux

package upgrade

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/onnx"
)

// FuzzTo converts whatever opens as a model: a model that keeps the rules of the format keeps them, and is of the version asked for.
func FuzzTo(f *testing.F) {
	for i := 0; i < len(cases); i += 5 {
		b, err := proto.Marshal(parse(f, cases[i].from, cases[i].values, cases[i].nodes).model)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Parse(b)
		if err != nil {
			return
		}
		sound := m.Check() == nil
		if To(m, Newest) != nil || !sound {
			return
		}
		if v := m.Opset(""); v != 0 && v < Newest {
			t.Errorf("opset %d", v)
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
	})
}
