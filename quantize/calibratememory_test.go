//go:build cgo && linux

package quantize

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
)

// grown is by how many bytes a function makes the peak of memory higher than what there was before.
func grown(t *testing.T, f func()) int64 {
	t.Helper()
	const resetPeak = "5"
	if err := os.WriteFile("/proc/self/clear_refs", []byte(resetPeak), 0); err != nil {
		t.Skip("the kernel does not let the peak of memory be reset:", err)
	}
	start, err := peakResident()
	if err != nil {
		t.Fatal(err)
	}
	f()
	end, err := peakResident()
	if err != nil {
		t.Fatal(err)
	}
	return end - start
}

// A chain of large tensors is calibrated in the memory of a few of them: the runtime must come to the figures of each before the next.
func TestCalibrationForgetsTensorsAsItGoes(t *testing.T) {
	const tensors, elements = 64, 1 << 20
	n := newNetwork(17).input("x", 1, elements)
	before, names := "x", []string{"x"}
	for i := range tensors {
		name := fmt.Sprint("y", i)
		n.node(fmt.Sprintf("Tanh %s > %s", before, name))
		before, names = name, append(names, name)
	}
	m, err := onnx.Open(n.output(before, 1, elements).save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	be := loaded(t)
	took := grown(t, func() {
		_, err = (&Request{Examples: normal(3)}).calibrate(t.Context(), be, m, names, false)
	})
	if err != nil {
		t.Fatal(err)
	}
	if all := int64(4 * elements * tensors); took > all/2 {
		t.Errorf("memory grew by %d bytes; one example's tensors are %d", took, all)
	}
}

// products is a chain of products with large weights, and the tensors between them.
func products(t *testing.T, count, width int) (path string, names []string, bytes int64) {
	n := newNetwork(17).input("x", 1, int64(width))
	before, names := "x", []string{"x"}
	for i := range count {
		w, y := fmt.Sprint("w", i), fmt.Sprint("y", i)
		n.weight(w, int64(width), int64(width)).node(fmt.Sprintf("MatMul %s %s > %s", before, w, y))
		before, names = y, append(names, y)
	}
	return n.output(before, 1, int64(width)).save(t), names, int64(4 * count * width * width)
}

// A model is folded and calibrated with its weights where they are: in the memory of one copy of them and no more, which the runtime makes in the order
// of its kernels.
func TestPreparationMapsWeights(t *testing.T) {
	path, names, weights := products(t, 24, 1024)
	src, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	LeanMemory()
	be, dir := loaded(t), t.TempDir()
	q := &Request{Examples: normal(1), dir: dir}
	var m *onnx.Model
	took := grown(t, func() { m, err = prepared(t.Context(), lookWith(be), src, DefaultOptions(), dir) })
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if took > weights*7/4 {
		t.Errorf("folding took %d bytes for weights of %d", took, weights)
	}
	took = grown(t, func() { _, err = q.calibrate(t.Context(), be, m, names, false) })
	if err != nil {
		t.Fatal(err)
	}
	if took > weights*7/4 {
		t.Errorf("calibration took %d bytes for weights of %d", took, weights)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
		t.Errorf("%v are left; want the folded model and its weights", left)
	}
}

// The probe of a prepared graph refers to the graph's weights, and so does what another process is given to make the probe of.
func TestProbeCopiesNoWeights(t *testing.T) {
	path, names, weights := products(t, 2, 1024)
	src, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	be, dir := loaded(t), t.TempDir()
	m, err := prepared(t.Context(), lookWith(be), src, DefaultOptions(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	q := &Request{Options: DefaultOptions(), Examples: normal(1), dir: dir}
	small := func(file string) {
		for _, file := range []string{file, file + ".data"} {
			if info, err := os.Stat(file); err == nil && info.Size() > weights/100 {
				t.Errorf("%s has %d bytes", filepath.Base(file), info.Size())
			}
		}
	}
	q.Calibrate = func(ctx context.Context, q *Request, path string, tensors []string) (*CalibratedRanges, error) {
		small(path)
		return Calibrate(ctx, spying{be, small}, *q, path, tensors)
	}
	s, err := newStatic(m, q.Options)
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.calibrateOn(t.Context(), be, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[:len(names)-1] {
		if _, ok := found.Ranges[name]; !ok {
			t.Errorf("tensor %s has no range", name)
		}
	}
}

// spying is a backend that shows the files that it opens.
type spying struct {
	backend.Backend
	see func(path string)
}

func (b spying) Open(ctx context.Context, path string, o backend.Options) (backend.Session, error) {
	b.see(path)
	return b.Backend.Open(ctx, path, o)
}

// Freed blocks are the system's again, however large the blocks were that were freed before.
func TestLeanMemoryGivesBlocksBack(t *testing.T) {
	LeanMemory()
	path, _, weights := products(t, 24, 1024)
	be := loaded(t)
	open := func() int64 {
		return grown(t, func() {
			s, err := be.Open(t.Context(), path, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "all", IntraOpThreads: 1})
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		})
	}
	open()
	if took := open(); took < weights/2 {
		t.Errorf("a session of weights of %d bytes grew memory by %d: what was freed before was kept", weights, took)
	}
}

// Convolutions of the original have their weights in memory as its file has them, and not in an order of kernels too.
func TestOriginalTakesNoSecondWeights(t *testing.T) {
	const convolutions, channels, size = 16, 192, 8
	n := newNetwork(17).input("y", 1, channels, size, size)
	before := "y"
	for i := range convolutions {
		w, y := fmt.Sprint("w", i), fmt.Sprint("y", i)
		n.weight(w, channels, channels, 3, 3).node(fmt.Sprintf("Conv %s %s > %s", before, w, y), &onnxpb.AttributeProto{Name: "pads", Type: onnxpb.AttributeProto_INTS, Ints: []int64{1, 1, 1, 1}})
		before = y
	}
	path := n.output(before, 1, channels, size, size).save(t)
	LeanMemory()
	trial := NewTrial(loaded(t), path, normal(1))
	defer trial.Close()
	took := grown(t, func() {
		trial.Begin(t.Context(), 1)
		<-trial.begun
	})
	if trial.truth.err != nil {
		t.Fatal(trial.truth.err)
	}
	if weights := int64(4 * convolutions * channels * channels * 9); took > 2*weights {
		t.Errorf("the original took %d bytes for weights of %d", took, weights)
	}
}
