package environment

import (
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// stateFiles are recorded as they stand.
var stateFiles = map[string][2]string{ // key -> root and file
	"cpu_governor":          {"sys", "devices/system/cpu/cpu0/cpufreq/scaling_governor"},
	"cpu_energy_preference": {"sys", "devices/system/cpu/cpu0/cpufreq/energy_performance_preference"},
	"cpu_khz_min":           {"sys", "devices/system/cpu/cpu0/cpufreq/scaling_min_freq"},
	"cpu_khz_max":           {"sys", "devices/system/cpu/cpu0/cpufreq/scaling_max_freq"},
	"cpu_khz_now":           {"sys", "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"},
	"cpu_no_turbo":          {"sys", "devices/system/cpu/intel_pstate/no_turbo"},
	"cpu_boost":             {"sys", "devices/system/cpu/cpufreq/boost"},
	"smt":                   {"sys", "devices/system/cpu/smt/control"},
	"transparent_hugepages": {"sys", "kernel/mm/transparent_hugepage/enabled"},
	"clock_source":          {"sys", "devices/system/clocksource/clocksource0/current_clocksource"},
	"aslr":                  {"proc", "sys/kernel/randomize_va_space"},
	"boot_id":               {"proc", "sys/kernel/random/boot_id"},
}

// State is how the machine is found right now.
func State(r Roots) map[string]any {
	s := map[string]any{}
	for key, where := range stateFiles {
		root := r.Proc
		if where[0] == "sys" {
			root = r.Sys
		}
		if v := text(root, where[1]); v != "" {
			s[key] = chosen(v)
		}
	}
	if fs, err := procfs.NewFS(r.Proc); err == nil {
		if l, err := fs.LoadAvg(); err == nil {
			s["load_1m"], s["load_5m"] = l.Load1, l.Load5
		}
		if m, err := fs.Meminfo(); err == nil && m.MemAvailableBytes != nil {
			s["memory_available_bytes"] = *m.MemAvailableBytes
		}
		if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
			s["hypervisor"] = slices.Contains(cpus[0].Flags, "hypervisor")
		}
	}
	for _, option := range strings.Fields(text(r.Proc, "cmdline")) {
		if strings.HasPrefix(option, "mitigations=") || strings.HasPrefix(option, "isolcpus=") {
			name, value, _ := strings.Cut(option, "=")
			s["kernel_"+name] = value
		}
	}
	if v := text(r.Sys, "devices/virtual/dmi/id/product_name"); v != "" {
		s["product"] = v
	}
	return s
}

// chosen picks the bracketed word of a list of choices, as in "always [madvise] never".
func chosen(v string) string {
	_, rest, ok := strings.Cut(v, "[")
	if !ok {
		return v
	}
	word, _, ok := strings.Cut(rest, "]")
	if !ok {
		return v
	}
	return word
}
