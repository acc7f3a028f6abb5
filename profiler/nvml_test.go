//go:build cgo && linux

package profiler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/results"
)

// The test binary is its own sampler process: one library can be loaded a process.
const samplerVariable = "ASSAY_TEST_SAMPLER"

func TestMain(m *testing.M) {
	if text := os.Getenv(samplerVariable); text != "" {
		var c Config
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		if err := Sample(ctx, c, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// stub builds the stand-in for the driver's library.
func stub(t *testing.T, flags ...string) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skip("no C compiler here to build the stand-in for the NVIDIA library")
	}
	lib := filepath.Join(t.TempDir(), "libnvml-stub.so")
	args := append([]string{"-shared", "-fPIC", "-o", lib, "testdata/nvml_stub.c"}, flags...)
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lib
}

// sampled runs a sampler process on a library and summarises what it saw between 0.2 s after its first sample and its last.
func sampled(t *testing.T, library string, env ...string) (sums map[string]results.SensorSummary, missing map[string]string, closing *Closing, seconds float64) {
	t.Helper()
	config, err := json.Marshal(Config{Every: 20 * time.Millisecond, NVML: library})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), samplerVariable+"="+string(config)), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the sampler ended with %v: %s", err, stderr.String())
	}
	samples, closing, err := Read(bytes.NewReader(out))
	if err != nil || closing == nil || len(samples) == 0 {
		t.Fatalf("%d samples, %v, %v", len(samples), closing, err)
	}
	start, end := samples[0].NS+2e8, samples[len(samples)-1].NS
	list, missing := Summarize(samples, closing, start, end)
	sums = map[string]results.SensorSummary{}
	for _, s := range list {
		sums[s.Sensor] = s
	}
	return sums, missing, closing, float64(end-start) / 1e9
}

func TestStubbedDriver(t *testing.T) {
	lib, old := stub(t), stub(t, "-DOLD")
	for name, c := range map[string]struct {
		library string
		env     []string
		method  string
		warning string
	}{
		"good":   {lib, nil, "counter", ""},
		"absent": {lib, []string{"STUB_COUNTER=absent"}, "power_integral", "not supported"},
		"old":    {old, nil, "power_integral", "not supported"},
		"frozen": {lib, []string{"STUB_COUNTER=frozen"}, "power_integral", "did not advance"},
		"back":   {lib, []string{"STUB_COUNTER=back"}, "power_integral", "went back"},
		"gain":   {lib, []string{"STUB_COUNTER=gain"}, "power_integral", "not trusted"},
		"flaky":  {lib, []string{"STUB_READS=flaky"}, "counter", ""},
		"100 ms": {lib, []string{"STUB_TICK_MS=100"}, "counter", ""},
		"300 W":  {lib, []string{"STUB_WATTS=300"}, "counter", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sums, missing, closing, seconds := sampled(t, c.library, c.env...)
			for range 5 { // a busy host keeps the sampler from its readings, which is then said and is no fault of it
				if !strings.Contains(missing["energy.per_inference"], "power samples cover") {
					break
				}
				sums, missing, closing, seconds = sampled(t, c.library, c.env...)
			}
			watts := 100.0
			if name == "300 W" {
				watts = 300
			}
			e := sums["gpu.0.energy"]
			if e.Method != c.method || c.warning == "" != (len(e.Warnings) == 0) || c.warning != "" && !strings.Contains(e.Warnings[0], c.warning) {
				t.Errorf("energy %+v", e)
			}
			if want := watts * seconds; math.Abs(e.Value/want-1) > 0.02 {
				t.Errorf("%v J, want %v", e.Value, want)
			}
			if m := sums["gpu.0.memory.used"]; m.Max != 3<<30 {
				t.Errorf("memory %+v", m)
			}
			if _, there := missing["energy.per_inference"]; there || missing["memory.gpu.peak"] != "" {
				t.Errorf("missing %v", missing)
			}
			if len(closing.GPUs) != 1 || closing.GPUs[0].Name != "Stub GPU" || closing.GPUs[0].MemoryBytes != 80<<30 || closing.Driver != "550.1-stub" {
				t.Errorf("closing %+v", closing)
			}
		})
	}
}

func TestALostGPUEndsItsFiguresAndNotTheSampler(t *testing.T) {
	sums, missing, _, _ := sampled(t, stub(t), "STUB_READS=lost")
	if _, there := sums["gpu.0.energy"]; there || !strings.Contains(missing["energy.per_inference"], "cover") {
		t.Errorf("energy %+v, missing %v", sums["gpu.0.energy"], missing)
	}
}

func TestNoDriverHasItsReason(t *testing.T) {
	sums, missing, closing, _ := sampled(t, "/nowhere/libnvidia-ml.so.1")
	if !strings.Contains(missing["energy.per_inference"], "cannot be loaded") || missing["memory.gpu.peak"] == "" || closing.Unavailable[sourceNVML] == "" {
		t.Errorf("missing %v", missing)
	}
	if _, there := sums["host.steal"]; !there {
		t.Error("without a GPU the host's sensors are gone too")
	}
}
