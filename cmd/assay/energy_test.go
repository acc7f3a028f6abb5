//go:build cgo && linux

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/results"
)

// TestEnergyThroughTheCommandLine measures a planted 1 ms request beside a stand-in GPU that draws 100 W: 0.1 J each.
func TestEnergyThroughTheCommandLine(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler here to build the stand-in for the NVIDIA library")
	}
	lib := filepath.Join(t.TempDir(), "libnvml-stub.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", lib, "../../profiler/testdata/nvml_stub.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for counter, method := range map[string]string{"good": "counter", "frozen": "power_integral"} {
		t.Setenv("STUB_COUNTER", counter)
		var stdout, stderr bytes.Buffer
		code := run([]string{"bench", nullModel(t, "service=1ms;mode=sleep"), "--provider", "null", "--blocks", "1", "--duration", "1s", "--warmup", "200ms",
			"--nvml-library", lib, "--json", "--out", filepath.Join(t.TempDir(), "run")}, nil, &stdout, &stderr)
		if code != exitPass {
			t.Fatalf("exit %d: %s", code, stderr.String())
		}
		var rep results.Report
		if err := json.Unmarshal(stdout.Bytes(), &rep); err != nil {
			t.Fatal(err)
		}
		arm := rep.Arms[0]
		energy, ok := arm.Metrics["energy.per_inference"]
		want := 100 / arm.Metrics["throughput"].Value
		if !ok || math.Abs(energy.Value/want-1) > 0.05 || !strings.HasPrefix(energy.Method, method) || energy.Kind != "measured" {
			t.Errorf("%s: %+v, want %v J; not measured: %v", counter, energy, want, arm.NotMeasured)
		}
		if method == "power_integral" && len(energy.Warnings) == 0 {
			t.Error("the integral stands in for the counter and no warning says why")
		}
		if m := arm.Metrics["memory.gpu.peak"]; m.Value != 3<<30 {
			t.Errorf("%s: GPU memory %+v", counter, m)
		}
		if id := rep.Environment.Identity["gpu_driver"]; id != "550.1-stub" {
			t.Errorf("the driver is not part of the identity: %v", id)
		}
	}
}
