package main

import (
	"path/filepath"
	"runtime"
	"testing"

	"assay/backend"
	"assay/results"
	"assay/tensor"
)

// Calibration data are looked at example by example: reading them and giving all of them allocates much less than they take.
func TestCalibrationDataStaysOnDisk(t *testing.T) {
	const examples, width = 256, 1 << 14
	x, err := tensor.New(tensor.Float32, examples, width)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.npz")
	if err := tensor.WriteNPZ(path, []string{"x"}, map[string]*tensor.Tensor{"x": x}); err != nil {
		t.Fatal(err)
	}
	inputs := []backend.ValueInfo{{Name: "x", Kind: tensor.KindTensor, DType: tensor.Float32, Dims: []backend.Dim{{Size: -1, Symbol: "n"}, {Size: width}}}}
	before := allocated()
	w := &verifyWorker{assignment: verifyAssignment{Original: "m.onnx"}, data: reading(results.Dataset{Name: "calibration", Path: path})}
	source, given := w.source(), 0
	for more := true; more; given++ {
		if _, more, err = source(inputs, given); err != nil {
			t.Fatal(err)
		}
	}
	if took, all := allocated()-before, uint64(len(x.Data)); given-1 != examples || took > all/2 {
		t.Errorf("%d examples took %d bytes; all of them have %d", given-1, took, all)
	}
}

// allocated is how many bytes were allocated since the process began, freed or not.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
