package profiler

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/results"
)

// wave makes samples of a device whose power is watts(t) and whose counter ticks every tick seconds, polled every 50 ms from 0 to length.
func wave(length, tick float64, watts func(t float64) float64) []results.Sample {
	var out []results.Sample
	energy, counted := 0.0, 0.0
	const step = 0.001
	next, poll := tick, 0.0
	for t := 0.0; t <= length; t += step {
		energy += watts(t) * step
		if t >= next {
			counted = energy
			next += tick
		}
		if t >= poll {
			ns := int64(t * 1e9)
			out = append(out, results.Sample{NS: ns, Sensor: "gpu.0.power", Value: watts(t)}, results.Sample{NS: ns, Sensor: "gpu.0.energy", Value: 1000 + counted})
			poll += 0.05
		}
	}
	return out
}

func energyOf(t *testing.T, samples []results.Sample, from, to float64) results.SensorSummary {
	t.Helper()
	sums, missing := Summarize(samples, &Closing{}, int64(from*1e9), int64(to*1e9))
	for _, s := range sums {
		if s.Sensor == "gpu.0.energy" {
			return s
		}
	}
	t.Fatalf("no energy: %v", missing)
	return results.SensorSummary{}
}

func TestEnergyOfPlantedWaveforms(t *testing.T) {
	for name, c := range map[string]struct {
		watts func(t float64) float64
		want  float64 // from 5 to 15 s
	}{
		"constant": {func(float64) float64 { return 300 }, 3000},
		"step": {func(t float64) float64 {
			if t < 10 {
				return 100
			}
			return 500
		}, 3000},
		"ramp": {func(t float64) float64 { return 20 * t }, 2000},
	} {
		for _, tick := range []float64{0.02, 0.1} {
			samples := wave(20, tick, c.watts)
			if e := energyOf(t, samples, 5, 15); e.Method != "counter" || math.Abs(e.Value/c.want-1) > 0.005 {
				t.Errorf("%s, tick %v: %+v, want %v", name, tick, e, c.want)
			}
			power := samples[:0:0]
			for _, s := range samples {
				if s.Sensor == "gpu.0.power" {
					power = append(power, s)
				}
			}
			if e := energyOf(t, power, 5, 15); e.Method != "power_integral" || math.Abs(e.Value/c.want-1) > 0.005 || len(e.Warnings) == 0 {
				t.Errorf("%s without a counter: %+v, want %v", name, e, c.want)
			}
		}
	}
}

// TestTicksAreInterpolated compares many windows with reading the counter at their edges alone, which must be worse.
func TestTicksAreInterpolated(t *testing.T) {
	samples := wave(30, 0.1, func(float64) float64 { return 200 })
	worst, worstEdges := 0.0, 0.0
	for k := range 100 {
		from := 2 + float64(k)*0.037
		const length = 1.03 // no multiple of the tick
		e := energyOf(t, samples, from, from+length)
		worst = max(worst, math.Abs(e.Value/(200*length)-1))
		worstEdges = max(worstEdges, math.Abs((counterAt(samples, from+length)-counterAt(samples, from))/(200*length)-1))
	}
	if worst > 0.01 || worstEdges < 0.05 {
		t.Errorf("interpolated %.4f off at worst, by the edges alone %.4f", worst, worstEdges)
	}
}

// counterAt is the counter's last reading at or before t.
func counterAt(samples []results.Sample, t float64) (v float64) {
	for _, s := range samples {
		if s.Sensor == "gpu.0.energy" && float64(s.NS)/1e9 <= t {
			v = s.Value
		}
	}
	return v
}

func TestGapsInPowerAreNotMeasured(t *testing.T) {
	var samples []results.Sample
	for _, s := range wave(20, 0.1, func(float64) float64 { return 200 }) {
		if at := float64(s.NS) / 1e9; at < 8 || at > 12 {
			samples = append(samples, s)
		}
	}
	sums, missing := Summarize(samples, &Closing{}, 5e9, 15e9)
	for _, s := range sums {
		if s.Sensor == "gpu.0.energy" {
			t.Errorf("%+v", s)
		}
	}
	if !strings.Contains(missing["energy.per_inference"], "cover 6") {
		t.Errorf("%v", missing)
	}
}

func TestEverythingMissingHasAReason(t *testing.T) {
	_, missing := Summarize(nil, nil, 0, 1e9)
	for _, key := range []string{"energy.per_inference", "memory.gpu.peak", "energy.cpu_package.per_inference"} {
		if missing[key] != "the sampler ended early" {
			t.Errorf("%s: %q", key, missing[key])
		}
	}
}

// fixture writes files below a folder and returns it.
func fixture(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(s source) map[string]float64 {
	out := map[string]float64{}
	s.read(func(sensor string, v float64) { out[sensor] = v })
	return out
}

func TestHost(t *testing.T) {
	dir := fixture(t, map[string]string{
		"proc/stat": "cpu  100 0 50 800 10 0 5 35 20 0\ncpu0 1 2 3\n", "proc/loadavg": "1.50 1 1 1/1 1\n",
		"proc/42/cgroup": "0::/job\n", "sys/fs/cgroup/job/cpu.stat": "usage_usec 9\nnr_throttled 3\nthrottled_usec 250000\n",
		"proc/42/statm": "1000 500 100 1 0 1 0\n", "proc/42/stat": "42 (a b) c) S 1 1 1 0 -1 0 0 0 0 0 700 300 0 0 20 0 1 0 1 1 1\n",
	})
	s, err := newHost(filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), 42)
	if err != nil {
		t.Fatal(err)
	}
	got := read(s)
	for sensor, want := range map[string]float64{"host.cpu.total": 10, "host.cpu.steal": 0.35, "host.cpu.idle": 8.1, "cgroup.throttled": 0.25, "host.load": 1.5,
		"process.rss": float64(500 * os.Getpagesize()), "process.cpu": 10} {
		if math.Abs(got[sensor]-want) > 1e-9 {
			t.Errorf("%s = %v, want %v", sensor, got[sensor], want)
		}
	}
	if _, err := newHost(t.TempDir(), t.TempDir(), 0); err == nil {
		t.Error("an empty /proc is a host")
	}
}

// TestOthersCountWhereTheProcessMayRun: a process that is kept to processors 0, 2 and 3 of four cares for those alone.
func TestOthersCountWhereTheProcessMayRun(t *testing.T) {
	at := func(busy int) map[string]float64 {
		dir := fixture(t, map[string]string{
			"proc/stat":      fmt.Sprintf("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 %d 0 0 100 0 0 0 0 0 0\ncpu1 999 0 0 0 0 0 0 0 0 0\ncpu2 0 0 0 50 50 0 0 10 0 0\ncpu3 0 0 0 0 0 0 0 0 0 0\nintr 1\n", busy),
			"proc/42/status": "Name:\tx\nCpus_allowed:\td\nCpus_allowed_list:\t0,2-3\nMems_allowed:\t1\n",
			"proc/42/stat":   "42 (x) S 1 1 1 0 -1 0 0 0 0 0 100 0 0 0 20 0 1 0 1 1 1\n",
		})
		s, err := newHost(filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), 42)
		if err != nil {
			t.Fatal(err)
		}
		return read(s)
	}
	first := at(100)
	if first["host.cpu.total"] != 3.1 || first["host.cpu.idle"] != 2 || first["host.cpu.steal"] != 0.1 {
		t.Errorf("%v", first)
	}
	var samples []results.Sample
	for i, values := range []map[string]float64{first, at(300)} { // 2 s of one processor in 2 s, none of it the process's own
		for name, v := range values {
			samples = append(samples, results.Sample{NS: int64(i) * 2e9, Sensor: name, Value: v})
		}
	}
	sums, _ := Summarize(samples, &Closing{}, 0, 2e9)
	for _, s := range sums {
		if s.Sensor == "host.others" {
			if math.Abs(s.Value-1) > 1e-9 || s.Unit != "cores" {
				t.Errorf("%+v", s)
			}
			return
		}
	}
	t.Errorf("no host.others in %+v", sums)
}

func TestRAPL(t *testing.T) {
	zone := func(dir, name, energy string) map[string]string {
		return map[string]string{"class/powercap/" + dir + "/name": name + "\n", "class/powercap/" + dir + "/energy_uj": energy + "\n", "class/powercap/" + dir + "/max_energy_range_uj": "1000000\n"}
	}
	files := zone("intel-rapl:0", "package-0", "900000")
	for _, more := range []map[string]string{zone("intel-rapl:0:0", "core", "5"), zone("intel-rapl-mmio:0", "package-0", "7"), zone("intel-rapl:1", "psys", "3")} {
		for k, v := range more {
			files[k] = v
		}
	}
	dir := fixture(t, files)
	s, err := newRAPL(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(s); len(got) != 1 || got["cpu.package-0.energy"] != 0 {
		t.Errorf("first reading %v: one package, counted from here", got)
	}
	file := filepath.Join(dir, "class/powercap/intel-rapl:0/energy_uj")
	if err := os.WriteFile(file, []byte("100000\n"), 0o644); err != nil { // past its end
		t.Fatal(err)
	}
	if got := read(s)["cpu.package-0.energy"]; math.Abs(got-0.2) > 1e-9 {
		t.Errorf("across the wrap %v J, want 0.2", got)
	}
	if err := os.WriteFile(file, []byte("garbage\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := read(s); len(got) != 0 {
		t.Errorf("an error reads as %v", got)
	}
	if _, err := newRAPL(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no powercap packages") {
		t.Errorf("%v", err)
	}
}

// fakeClock passes as it is waited on; a sampler's reads take a planted time.
type fakeClock struct {
	t      int64
	cancel func()
	end    int64
}

func (c *fakeClock) now() int64 { return c.t }

func (c *fakeClock) waitUntil(ns int64) {
	c.t = max(c.t, ns)
	if c.t >= c.end {
		c.cancel()
	}
}

func (c *fakeClock) cpuSeconds() float64 { return 0.25 }

type slowSource struct {
	clock *fakeClock
	takes int64
}

func (s slowSource) close() {}

func (s slowSource) read(emit func(string, float64)) {
	s.clock.t += s.takes
	emit("x", 1)
}

func TestSamplerKeepsAbsoluteDeadlines(t *testing.T) {
	for name, c := range map[string]struct {
		takes           int64
		samples, missed int
	}{"quick": {1e6, 10, 0}, "slow": {250e6, 4, 8}} {
		ctx, cancel := context.WithCancel(t.Context())
		clk := &fakeClock{cancel: cancel, end: 1e9}
		var out bytes.Buffer
		err := sample(ctx, Config{Every: 100 * time.Millisecond}, &out, clk, []source{slowSource{clk, c.takes}}, map[string]string{"nvml": "none"}, gpuFacts{})
		if err != nil {
			t.Fatal(err)
		}
		samples, closing, err := Read(bytes.NewReader(out.Bytes()))
		if err != nil || closing == nil {
			t.Fatal(closing, err)
		}
		if len(samples) != c.samples || closing.Samples != c.samples || closing.Missed != c.missed || closing.CPUSeconds != 0.25 || closing.Unavailable["nvml"] != "none" {
			t.Errorf("%s: %d samples, %+v", name, len(samples), closing)
		}
		if name == "quick" && samples[3].NS != 3*100e6+c.takes/2 {
			t.Errorf("sample 3 at %d", samples[3].NS)
		}
		cut, closing, err := Read(bytes.NewReader(out.Bytes()[:out.Len()/2]))
		if err != nil || closing != nil || len(cut) == 0 || len(cut) > len(samples) {
			t.Errorf("a stream that breaks off: %d samples, %v, %v", len(cut), closing, err)
		}
		cancel()
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"t":1,"v":{"a":2}}` + "\n" + `{"end":{"samples":1}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		samples, _, err := Read(bytes.NewReader(b))
		if err != nil || len(samples) > len(b) {
			t.Errorf("%d samples of %d bytes, %v", len(samples), len(b), err)
		}
	})
}
