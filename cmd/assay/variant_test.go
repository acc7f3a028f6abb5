//go:build cgo && linux

package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"assay/quantize"
	"assay/results"
)

// What identifies calibration is the content of its file: a copy by another name finds what the first has left in the cache.
func TestCalibrationGoesByContent(t *testing.T) {
	dir := t.TempDir()
	content := map[string][]byte{"a.npz": examplesFile(t, "x", []int64{2, 2}, 1, 2, 3, 4), "c.npz": examplesFile(t, "x", []int64{2, 2}, 1, 2, 3, 5)}
	content["b.npz"] = content["a.npz"]
	identity := func(file string, inputs map[string]string, examples int) quantize.Calibrated {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, content[file], 0o644); err != nil {
			t.Fatal(err)
		}
		got, forget, err := takeCalibration(&quantize.Request{}, &results.Dataset{Name: file, Path: path, Inputs: inputs}, examples, "")
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%x", sha256.Sum256(content[file])); got.Data != want {
			t.Errorf("%s: %s, want %s", file, got.Data, want)
		}
		if err := forget(); err != nil {
			t.Error(err)
		}
		return got
	}
	first := identity("a.npz", nil, 0)
	if second := identity("b.npz", nil, 0); first != second {
		t.Errorf("%+v by another name is %+v", first, second)
	}
	for _, other := range []quantize.Calibrated{identity("c.npz", nil, 0), identity("a.npz", map[string]string{"image": "x"}, 0), identity("a.npz", nil, 1)} {
		if first == other {
			t.Errorf("%+v is of other data or another use of them", other)
		}
	}
}
