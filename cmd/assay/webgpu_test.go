//go:build cgo && linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/backend/ort/install"
	"assay/backend/ort/install/installtest"
	"assay/onnx/onnxpb"
	"assay/results"
	"assay/tensor"
)

// softwareVulkan sets up the software Vulkan driver that Chromium ships, on which the WebGPU provider runs without a GPU.
func softwareVulkan(t *testing.T) {
	t.Helper()
	const dir = "/usr/lib/chromium"
	icd := filepath.Join(dir, "vk_swiftshader_icd.json")
	if _, err := os.Stat(icd); err != nil {
		t.Skipf("no software Vulkan here: %v (Debian: apt-get install chromium)", err)
	}
	runtimes, err := install.DefaultDir()
	if err == nil {
		_, err = install.Find(runtimes, "webgpu")
	}
	installtest.SkipMissing(t, err)
	t.Setenv("VK_ICD_FILENAMES", icd)
	t.Setenv("LD_LIBRARY_PATH", dir)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
}

// benched runs a bench in this process and returns its report.
func benched(t *testing.T, args ...string) results.Report {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"bench", "--json", "--fast", "--out", filepath.Join(t.TempDir(), "run")}, args...)
	if code := run(args, nil, &stdout, &stderr); code != exitPass {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	var rep results.Report
	if err := json.Unmarshal(stdout.Bytes(), &rep); err != nil {
		t.Fatal(err)
	}
	return rep
}

func save(t *testing.T, m *onnxpb.ModelProto) string {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOneLibraryServesCPUAndWebGPU(t *testing.T) {
	softwareVulkan(t)
	rep := benched(t, save(t, classifier()), "--provider", "cpu,webgpu")
	if rep.Environment.Runtime.Variant != "webgpu" {
		t.Errorf("runtime %+v", rep.Environment.Runtime)
	}
	for i, want := range []string{"CPUExecutionProvider", "WebGpuExecutionProvider"} {
		arm := rep.Arms[i]
		if len(arm.NodesByProvider) != 1 || arm.NodesByProvider[want] == 0 || arm.Metrics["latency.p50"].Value <= 0 {
			t.Errorf("%s: %v", arm.Name, arm.NodesByProvider)
		}
	}
	if rep.Verdict == "invalid" && strings.Contains(strings.Join(rep.Reasons, " "), "provider.") {
		t.Errorf("%s: %v", rep.Verdict, rep.Reasons)
	}
}

// TestFallbackIsJudged gives WebGPU a model of 64-bit floats, for which it has no kernels: everything falls back to the CPU.
func TestFallbackIsJudged(t *testing.T) {
	softwareVulkan(t)
	m := classifier()
	m.Graph.Initializer[0] = &onnxpb.TensorProto{Name: "w", Dims: []int64{2, 2}, DataType: int32(tensor.Float64), DoubleData: []float64{1, 0, 0, 1}}
	m.Graph.Input[0], m.Graph.Output[0] = value("x", tensor.Float64, "batch", 2), value("y", tensor.Float64, "batch", 2)
	rep := benched(t, save(t, m), "--provider", "webgpu")
	if rep.Verdict != "invalid" || !slices.ContainsFunc(rep.Reasons, func(r string) bool { return strings.HasPrefix(r, "provider.none: ") }) {
		t.Errorf("%s: %v, nodes %v", rep.Verdict, rep.Reasons, rep.Arms[0].NodesByProvider)
	}
}
