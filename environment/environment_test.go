package environment

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"assay/results"
)

// tree writes fixture files below a folder.
func tree(t *testing.T, files map[string]string) Roots {
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
	for _, sub := range []string{"proc", "sys"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Roots{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys")}
}

// cpuinfo is of one processor on the architecture of the test, which is how procfs parses it.
const cpuinfo = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Intel(R) Xeon(R)\nstepping\t: 8\ncpu cores\t: 1\nphysical id\t: 0\nflags\t\t: fpu avx2 avx512_vnni hypervisor\n\n"

func container() map[string]string {
	return map[string]string{
		"proc/cpuinfo": cpuinfo, "proc/meminfo": "MemTotal:       16303412 kB\nMemAvailable:    8000000 kB\n", "proc/loadavg": "0.50 0.40 0.30 1/100 1234\n",
		"proc/sys/kernel/osrelease": "6.1.0-18-amd64\n", "proc/cmdline": "quiet mitigations=off\n",
		"sys/fs/cgroup/cpu.max": "150000 100000\n", "sys/fs/cgroup/memory.max": "4294967296\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n", "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
		"sys/devices/system/cpu/cpu0/cache/index0/level": "1\n", "sys/devices/system/cpu/cpu0/cache/index0/type": "Data\n", "sys/devices/system/cpu/cpu0/cache/index0/size": "48K\n",
	}
}

func TestIdentityOfAContainer(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the fixture's cpuinfo is of amd64")
	}
	e, err := Collect(tree(t, container()), GPUs{}, results.Runtime{Name: "onnxruntime", Version: "1.30.0", LibrarySHA256: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"cpu_model": "Intel(R) Xeon(R)", "cpu_isa": "avx2 avx512_vnni", "kernel": "6.1", "memory_gib": 16, "cache_l1": "48K", "runtime": "onnxruntime 1.30.0",
		"container": map[string]any{"cpu_quota": 1.5, "memory_bytes": int64(4 << 30)}} {
		if !reflect.DeepEqual(e.Identity[key], want) {
			t.Errorf("identity %s = %v, want %v", key, e.Identity[key], want)
		}
	}
	for key, want := range map[string]any{"cpu_governor": "powersave", "transparent_hugepages": "madvise", "load_1m": 0.5, "memory_available_bytes": uint64(8000000 * 1024), "hypervisor": true, "kernel_mitigations": "off"} {
		if !reflect.DeepEqual(e.State[key], want) {
			t.Errorf("state %s = %v, want %v", key, e.State[key], want)
		}
	}
	if _, there := e.Identity["hostname"]; there {
		t.Error("the host's name is recorded unasked")
	}
}

func TestStateDoesNotChangeIdentity(t *testing.T) {
	rt := results.Runtime{Name: "onnxruntime", Version: "1.30.0"}
	a, _ := Collect(tree(t, container()), GPUs{}, rt)
	busy := container()
	busy["proc/loadavg"] = "9.50 9.40 9.30 1/100 1234\n"
	busy["sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"] = "performance\n"
	b, _ := Collect(tree(t, busy), GPUs{}, rt)
	if a.IdentityHash != b.IdentityHash {
		t.Error("load and governor changed the identity")
	}
	c, _ := Collect(tree(t, container()), GPUs{Driver: "550.1", Devices: []GPU{{Name: "H100"}}}, rt)
	rt.Version = "1.31.0"
	d, _ := Collect(tree(t, container()), GPUs{}, rt)
	if a.IdentityHash == c.IdentityHash || a.IdentityHash == d.IdentityHash {
		t.Error("a GPU or another runtime left the identity alone")
	}
}

func TestUnreadableIsAbsent(t *testing.T) {
	e, err := Collect(tree(t, nil), GPUs{}, results.Runtime{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"cpu_model", "memory_gib", "kernel", "container", "numa_nodes", "gpus"} {
		if v, there := e.Identity[key]; there {
			t.Errorf("%s = %v out of nothing", key, v)
		}
	}
	if len(e.State) != 0 {
		t.Errorf("state %v out of nothing", e.State)
	}
}

func TestCoresRespectTheQuota(t *testing.T) {
	for max, want := range map[string]int{"150000 100000": 1, "50000 100000": 1, "max 100000": runtime.NumCPU(), "99900000 100000": runtime.NumCPU()} {
		if got := Cores(tree(t, map[string]string{"sys/fs/cgroup/cpu.max": max})); got != want {
			t.Errorf("%q: %d cores, want %d", max, got, want)
		}
	}
	v1 := map[string]string{"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
	if got := Cores(tree(t, v1)); got != 1 {
		t.Errorf("cgroup v1: %d cores", got)
	}
}

func TestThisMachine(t *testing.T) {
	e, err := Collect(System, GPUs{}, results.Runtime{})
	if err != nil || runtime.GOOS == "linux" && (e.Identity["memory_gib"] == nil || e.State["load_1m"] == nil) {
		t.Errorf("%+v, %v", e, err)
	}
}
