//go:build cgo && linux

package quantize

import (
	"fmt"
	"os"
	"testing"

	"assay/onnx"
)

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
	const resetPeak = "5"
	if err := os.WriteFile("/proc/self/clear_refs", []byte(resetPeak), 0); err != nil {
		t.Skip("the kernel does not let the peak of memory be reset:", err)
	}
	start, err := peakResident()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&Request{Examples: normal(3)}).calibrate(t.Context(), be, m, names, false); err != nil {
		t.Fatal(err)
	}
	end, err := peakResident()
	if err != nil {
		t.Fatal(err)
	}
	if grown, all := end-start, int64(4*elements*tensors); grown > all/2 {
		t.Errorf("memory grew by %d bytes; one example's tensors are %d", grown, all)
	}
}
