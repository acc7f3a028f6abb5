package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"assay/results"
)

// Roots are where the kernel's files are read: /proc and /sys, or copies of them.
type Roots struct{ Proc, Sys string }

// System is the running machine's.
var System = Roots{Proc: "/proc", Sys: "/sys"}

// GPU is what a driver says of one device.
type GPU struct {
	Name        string `json:"name"`
	MemoryBytes uint64 `json:"memory_bytes"`
	MIG         bool   `json:"mig,omitempty"`
}

// GPUs are the devices and their driver; the zero value stands for none.
type GPUs struct {
	Driver  string
	Devices []GPU
}

// isaFlags are the processor's features that change how fast a kernel is or which one runs.
var isaFlags = []string{"avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "asimddp", "i8mm", "sve", "bf16"}

// Collect describes the machine and the runtime. Provenance is the caller's.
func Collect(r Roots, gpus GPUs, rt results.Runtime) (results.Environment, error) {
	e := results.Environment{Identity: identity(r, gpus, rt), State: State(r), Runtime: rt}
	text, err := json.Marshal(e.Identity) // keys in order: canonical
	if err != nil {
		return e, err
	}
	sum := sha256.Sum256(text)
	e.IdentityHash = hex.EncodeToString(sum[:])
	return e, nil
}

func identity(r Roots, gpus GPUs, rt results.Runtime) map[string]any {
	id := map[string]any{"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": Cores(r), "runtime": rt.Name + " " + rt.Version, "runtime_sha256": rt.LibrarySHA256}
	if v := text(r.Proc, "sys/kernel/osrelease"); v != "" {
		id["kernel"] = majorMinor(v)
	}
	processor(r, id)
	for level, size := range caches(r) {
		id["cache_"+level] = size
	}
	if nodes, _ := filepath.Glob(filepath.Join(r.Sys, "devices/system/node/node[0-9]*")); len(nodes) > 0 {
		id["numa_nodes"] = len(nodes)
	}
	if fs, err := procfs.NewFS(r.Proc); err == nil {
		if m, err := fs.Meminfo(); err == nil && m.MemTotalBytes != nil {
			id["memory_gib"] = int(math.Round(float64(*m.MemTotalBytes) / (1 << 30)))
		}
	}
	if limits := containerLimits(r); len(limits) > 0 {
		id["container"] = limits
	}
	if len(gpus.Devices) > 0 {
		id["gpus"], id["gpu_driver"] = gpus.Devices, gpus.Driver
	}
	return id
}

func processor(r Roots, id map[string]any) {
	fs, err := procfs.NewFS(r.Proc)
	if err != nil {
		return
	}
	cpus, err := fs.CPUInfo()
	if err != nil || len(cpus) == 0 {
		return
	}
	c := cpus[0]
	for key, v := range map[string]string{"cpu_vendor": c.VendorID, "cpu_model": c.ModelName, "cpu_family": c.CPUFamily, "cpu_model_number": c.Model, "cpu_stepping": c.Stepping} {
		if v != "" {
			id[key] = v
		}
	}
	sockets := map[string]bool{}
	for _, cpu := range cpus {
		sockets[cpu.PhysicalID] = true
	}
	id["cpu_sockets"], id["cpu_threads"] = len(sockets), len(cpus)
	if c.CPUCores > 0 {
		id["cpu_cores"] = int(c.CPUCores) * len(sockets)
	}
	var flags []string
	for _, f := range isaFlags {
		if slices.Contains(c.Flags, f) {
			flags = append(flags, f)
		}
	}
	id["cpu_isa"] = strings.Join(flags, " ")
}

// caches are the sizes of the first processor's caches by level and type: l1d, l2, l3.
func caches(r Roots) map[string]string {
	out := map[string]string{}
	dirs, _ := filepath.Glob(filepath.Join(r.Sys, "devices/system/cpu/cpu0/cache/index[0-9]*"))
	for _, dir := range dirs {
		level, kind, size := text(dir, "level"), text(dir, "type"), text(dir, "size")
		if level == "" || size == "" || kind == "Instruction" {
			continue
		}
		out["l"+level] = size
	}
	return out
}

// containerLimits are what a control group allows this process; absent where it sets none.
func containerLimits(r Roots) map[string]any {
	out := map[string]any{}
	if quota, ok := cpuQuota(r); ok {
		out["cpu_quota"] = quota
	}
	for _, file := range []string{"fs/cgroup/memory.max", "fs/cgroup/memory/memory.limit_in_bytes"} {
		if n, err := strconv.ParseInt(text(r.Sys, file), 10, 64); err == nil && n < 1<<60 {
			out["memory_bytes"] = n
		}
	}
	for _, file := range []string{"fs/cgroup/cpuset.cpus", "fs/cgroup/cpuset/cpuset.cpus"} {
		if v := text(r.Sys, file); v != "" {
			out["cpuset"] = v
		}
	}
	return out
}

// cpuQuota is how many processors' time a control group allows.
func cpuQuota(r Roots) (float64, bool) {
	fields := strings.Fields(text(r.Sys, "fs/cgroup/cpu.max"))
	if len(fields) != 2 {
		fields = []string{text(r.Sys, "fs/cgroup/cpu/cpu.cfs_quota_us"), text(r.Sys, "fs/cgroup/cpu/cpu.cfs_period_us")}
	}
	quota, err1 := strconv.ParseFloat(fields[0], 64)
	period, err2 := strconv.ParseFloat(fields[1], 64)
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0, false
	}
	return quota / period, true
}

// Cores is how many processors this process may use: those that the scheduler gives it, or fewer where a quota holds it back. At least 1.
func Cores(r Roots) int {
	n := runtime.NumCPU() // respects the affinity
	if quota, ok := cpuQuota(r); ok {
		n = min(n, max(1, int(math.Floor(quota))))
	}
	return n
}

// text reads a small file, "" where it cannot be read.
func text(parts ...string) string {
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func majorMinor(release string) string {
	parts := strings.SplitN(release, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
