//go:build cgo && linux

package ort

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/backend"
	"assay/backend/ort/install/installtest"
	"assay/tensor"
)

// A process has one runtime, one environment and one terminal: what is about these runs in a process of its own, which is this test binary
// with ASSAY_TEST_CHILD set to the name of the test.

// inChild runs one test again, with more environment, and returns what it wrote to standard error.
func inChild(t *testing.T, env ...string) (stderr string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name != "CI" && !strings.HasSuffix(name, "_ACTIONS") { // with these the runtime sends nothing by itself
			c.Env = append(c.Env, v)
		}
	}
	c.Env = append(append(c.Env, "ASSAY_TEST_CHILD="+t.Name()), env...)
	var out, log strings.Builder
	c.Stdout, c.Stderr = &out, &log
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), log.String())
	}
	return log.String()
}

func isChild(t *testing.T) bool { return os.Getenv("ASSAY_TEST_CHILD") == t.Name() }

func TestLibrariesThatCannotLoad(t *testing.T) {
	if !isChild(t) {
		inChild(t)
		return
	}
	lib, err := library("cpu")
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Config{
		"cannot open shared object file: No such file or directory; run `assay runtime install`": {Library: "/nosuch/libonnxruntime.so"},
		"it has no OrtGetApiBase, so it is not ONNX Runtime":                                     {Library: "libm.so.6"},
		"load /nosuch/libcublas.so, which the runtime needs: ":                                   {Library: lib.Path, Preload: []string{"/nosuch/libcublas.so"}},
	} {
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := Open(Config{Library: lib.Path, Preload: []string{"libm.so.6"}}); err != nil {
		t.Fatalf("after failures: %v", err)
	}
	if _, err := Open(Config{Library: lib.Path}); err == nil || !strings.Contains(err.Error(), "is loaded already") {
		t.Errorf("a second time: %v", err)
	}
}

// TestRuntimeKeepsToItself lets sessions and requests fail in a process with an empty home: the runtime must write to neither.
func TestRuntimeKeepsToItself(t *testing.T) {
	if isChild(t) {
		failInEveryWay(t)
		return
	}
	lib, err := library("cpu")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	stderr := inChild(t, "HOME="+home, "XDG_CACHE_HOME="+home, "TMPDIR="+home, "ASSAY_TEST_RUNTIME="+filepath.Dir(filepath.Dir(lib.Path)))
	if stderr != "" {
		t.Errorf("on the terminal:\n%s", stderr)
	}
	err = filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("the runtime left %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func failInEveryWay(t *testing.T) {
	s := session(t, "mnist.onnx", backend.Options{})
	wrong, err := tensor.New(tensor.Float32, 1, 1, 28, 27)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), []tensor.Value{tensor.Of(wrong)}); err == nil {
		t.Error("a wrong shape was taken")
	}
	if _, err := s.Bind([]tensor.Value{tensor.Of(wrong)}); err == nil {
		t.Error("a wrong shape was bound")
	}
	s = session(t, "vespa_random_encoder.onnx", backend.Options{})
	ids, err := tensor.New(tensor.Int64, 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	mask, err := tensor.New(tensor.Int64, 1, 5) // for another sentence: some node inside refuses
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), []tensor.Value{tensor.Of(ids), tensor.Of(mask)}); err == nil {
		t.Error("inputs that do not fit each other were taken")
	}
	log := strings.Join(runtime(t).Log(), "\n")
	if !strings.Contains(log, "\nE ") && !strings.HasPrefix(log, "E ") {
		t.Errorf("the runtime's log has no error:\n%s", log)
	}
}

// swiftShader is a Vulkan driver in software that Debian's chromium brings, with a loader beside it.
const swiftShader = "/usr/lib/chromium"

func TestWebGPU(t *testing.T) {
	if isChild(t) {
		t.Run("computes as the CPU does", webgpuAgrees)
		t.Run("placement", webgpuPlacement)
		t.Run("cuda says which library lacks", func(t *testing.T) {
			_, err := runtime(t).Open(t.Context(), filepath.Join(models(t), "mnist.onnx"), backend.Options{Provider: backend.Provider{Name: "cuda"}})
			if err == nil || !strings.Contains(err.Error(), "libonnxruntime_providers_shared.so: cannot open shared object file") {
				t.Errorf("the cause is not in %v", err)
			}
		})
		return
	}
	_, err := library("webgpu")
	installtest.SkipMissing(t, err)
	if _, err := os.Stat(filepath.Join(swiftShader, "vk_swiftshader_icd.json")); err != nil {
		t.Skipf("no SwiftShader driver (Debian: apt-get install chromium): %v", err)
	}
	inChild(t, "ASSAY_TEST_VARIANT=webgpu", "XDG_RUNTIME_DIR="+t.TempDir(), "LD_LIBRARY_PATH="+swiftShader,
		"VK_ICD_FILENAMES="+filepath.Join(swiftShader, "vk_swiftshader_icd.json"))
}

func webgpuAgrees(t *testing.T) {
	cpu := session(t, "mnist.onnx", backend.Options{})
	gpu := session(t, "mnist.onnx", backend.Options{Provider: backend.Provider{Name: "WebGpuExecutionProvider"}}).(*Session)
	feeds := []tensor.Value{tensor.Of(ramp(t, 1, 1, 28, 28))}
	want, err := cpu.Run(t.Context(), feeds)
	if err != nil {
		t.Fatal(err)
	}
	b, err := gpu.Bind(feeds)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if n := testing.AllocsPerRun(3, func() {
		if err := b.Run(); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
	got, err := b.Outputs()
	if err != nil {
		t.Fatal(err)
	}
	x, y := float32s(want[0].Tensor), float32s(got[0].Tensor)
	for i := range x {
		if diff := math.Abs(float64(x[i] - y[i])); !(diff < 1e-3) {
			t.Errorf("output %d: %v on WebGPU, %v on the CPU", i, y[i], x[i])
		}
	}
	for name, memory := range map[string]func() ([]Memory, error){"inputs": gpu.InputMemory, "outputs": gpu.OutputMemory} {
		if m, err := memory(); err != nil || len(m) != 1 || m[0].Device != "gpu" {
			t.Errorf("%s live in %+v, %v", name, m, err)
		}
	}
	if stats, err := gpu.AllocatorStats(); err != nil || len(stats) != 2 || stats[1].Memory.Device != "gpu" {
		t.Errorf("%+v, %v", stats, err)
	}
}

func webgpuPlacement(t *testing.T) {
	changed := session(t, "mnist.onnx", backend.Options{Provider: backend.Provider{Name: "webgpu"}, RecordPlacement: true})
	nodes, err := changed.Placement()
	if err == nil || !strings.Contains(err.Error(), "changed the graph's layout for webgpu and recorded 0 of 2 nodes of type Conv") || len(nodes) == 0 {
		t.Errorf("a changed layout: %v, %v", nodes, err)
	}
	kept := session(t, "mnist.onnx", backend.Options{RecordPlacement: true,
		Provider: backend.Provider{Name: "webgpu", Options: map[string]string{"preferredLayout": "NCHW"}}})
	if nodes, err := kept.Placement(); err != nil || len(nodes) != 8 || nodes[0].Provider != "WebGpuExecutionProvider" {
		t.Errorf("%v, %v", nodes, err)
	}
	_, err = runtime(t).Open(t.Context(), filepath.Join(models(t), "mnist.onnx"), backend.Options{
		Provider: backend.Provider{Name: "webgpu", Options: map[string]string{"preferredLayout": "nonsense"}}})
	var e *backend.Error
	if !errors.As(err, &e) || e.Code != backend.CodeEPFail {
		t.Errorf("a nonsense option: %v", err)
	}
}
