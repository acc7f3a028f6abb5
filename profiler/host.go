package profiler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The sources by the names under which they explain their absence.
const (
	sourceNVML = "nvml"
	sourceRAPL = "rapl"
	sourceStat = "stat"
)

// jiffy is the length of a tick of /proc/stat: USER_HZ is 100 on every architecture that Linux runs on today.
const jiffy = 0.01

func openSources(c Config) (sources []source, unavailable map[string]string, facts gpuFacts) {
	unavailable = map[string]string{}
	proc, sys := orDefault(c.Proc, "/proc"), orDefault(c.Sys, "/sys")
	add := func(name string, s source, err error) {
		if err != nil {
			unavailable[name] = err.Error()
			return
		}
		sources = append(sources, s)
	}
	s, err := newHost(proc, sys, c.PID, c.Seen...)
	add(sourceStat, s, err)
	r, err := newRAPL(sys)
	add(sourceRAPL, r, err)
	g, facts, err := openNVML(c.NVML)
	add(sourceNVML, g, err)
	return sources, unavailable, facts
}

func orDefault(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// host reads the processors' time, the control group's throttling, the load, and one process.
type host struct {
	proc, cgroup string
	pid          int
	allowed      map[string]bool // the processors that the process may run on, by their names in /proc/stat; nil for all
}

func newHost(proc, sys string, pid int, seen ...int) (source, error) {
	h := &host{proc: proc, pid: pid, cgroup: cgroupStat(proc, sys, pid), allowed: allowedCPUs(proc, pid)}
	if len(seen) > 0 { // the process divides its processors among its threads, so that no thread shows all of them
		h.allowed = map[string]bool{}
		for _, id := range seen {
			h.allowed["cpu"+strconv.Itoa(id)] = true
		}
	}
	if _, err := os.Stat(filepath.Join(proc, "stat")); err != nil {
		return nil, fmt.Errorf("no %s/stat on this system", proc)
	}
	return h, nil
}

// cgroupStat finds the cpu.stat of a process's control group: version 2's own, or version 1's at the root of its hierarchy.
func cgroupStat(proc, sys string, pid int) string {
	if b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup")); err == nil {
		for _, l := range strings.Split(string(b), "\n") {
			if path, ok := strings.CutPrefix(l, "0::"); ok {
				if file := filepath.Join(sys, "fs/cgroup", path, "cpu.stat"); exists(file) {
					return file
				}
			}
		}
	}
	for _, file := range []string{"fs/cgroup/cpu.stat", "fs/cgroup/cpu/cpu.stat"} {
		if path := filepath.Join(sys, file); exists(path) {
			return path
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (h *host) close() {}

func (h *host) read(emit func(string, float64)) {
	h.processor(emit)
	h.throttling(emit)
	if fields := strings.Fields(content(filepath.Join(h.proc, "loadavg"))); len(fields) > 0 {
		if v, err := strconv.ParseFloat(fields[0], 64); err == nil {
			emit("host.load", v)
		}
	}
	if h.pid > 0 {
		h.process(emit)
	}
}

// allowedCPUs are those that the kernel lets a process run on; nil where it does not say.
func allowedCPUs(proc string, pid int) map[string]bool {
	_, rest, ok := strings.Cut(content(filepath.Join(proc, strconv.Itoa(pid), "status")), "\nCpus_allowed_list:")
	if !ok {
		return nil
	}
	list, _, _ := strings.Cut(rest, "\n")
	names := map[string]bool{}
	for _, span := range strings.Split(strings.TrimSpace(list), ",") {
		from, to, isSpan := strings.Cut(span, "-")
		if !isSpan {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || last-first > 1<<16 {
			return nil
		}
		for n := first; n <= last; n++ {
			names["cpu"+strconv.Itoa(n)] = true
		}
	}
	return names
}

// processor emits all time, stolen time and idle time since boot, in seconds over the processors that the process may run on.
func (h *host) processor(emit func(string, float64)) {
	var total, steal, idle float64
	found := false
	for _, l := range strings.Split(content(filepath.Join(h.proc, "stat")), "\n") {
		fields := strings.Fields(l)
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") {
			break // the processors come first
		}
		if h.allowed == nil && fields[0] != "cpu" || h.allowed != nil && !h.allowed[fields[0]] {
			continue
		}
		found = true
		for i, f := range fields[1:9] { // guest time, behind them, is in user time already
			v, err := strconv.ParseFloat(f, 64)
			if err != nil {
				return
			}
			total += v * jiffy
			switch i {
			case 3, 4: // idle, and idle while a disk is waited for
				idle += v * jiffy
			case 7:
				steal += v * jiffy
			}
		}
	}
	if found {
		emit("host.cpu.total", total)
		emit("host.cpu.steal", steal)
		emit("host.cpu.idle", idle)
	}
}

func (h *host) throttling(emit func(string, float64)) {
	if h.cgroup == "" {
		return
	}
	for _, l := range strings.Split(content(h.cgroup), "\n") {
		name, value, _ := strings.Cut(l, " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		switch {
		case err != nil:
		case name == "throttled_usec":
			emit("cgroup.throttled", v/1e6)
		case name == "throttled_time": // version 1, nanoseconds
			emit("cgroup.throttled", v/1e9)
		}
	}
}

func (h *host) process(emit func(string, float64)) {
	dir := filepath.Join(h.proc, strconv.Itoa(h.pid))
	if fields := strings.Fields(content(filepath.Join(dir, "statm"))); len(fields) > 1 {
		if pages, err := strconv.ParseFloat(fields[1], 64); err == nil {
			emit("process.rss", pages*float64(os.Getpagesize()))
		}
	}
	// The name in parentheses may hold spaces; the fields count from behind it.
	stat := content(filepath.Join(dir, "stat"))
	if i := strings.LastIndexByte(stat, ')'); i >= 0 {
		fields := strings.Fields(stat[i+1:])
		if len(fields) > 12 {
			user, err1 := strconv.ParseFloat(fields[11], 64)
			system, err2 := strconv.ParseFloat(fields[12], 64)
			if err1 == nil && err2 == nil {
				emit("process.cpu", (user+system)*jiffy)
			}
		}
	}
}

func content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// rapl reads the processors' energy counters from the powercap tree: packages only, since their subzones are counted in them already, and
// not the mmio twin of the same package.
type rapl struct{ zones []*raplZone }

type raplZone struct {
	sensor, file string
	span         float64 // microjoules at which the counter wraps
	last, total  float64
	seen         bool
}

func newRAPL(sys string) (source, error) {
	dirs, _ := filepath.Glob(filepath.Join(sys, "class/powercap/intel-rapl:*"))
	r := &rapl{}
	var refused error
	for _, dir := range dirs {
		name := strings.TrimSpace(content(filepath.Join(dir, "name")))
		if !strings.HasPrefix(name, "package-") || strings.Count(filepath.Base(dir), ":") != 1 {
			continue
		}
		file := filepath.Join(dir, "energy_uj")
		if _, err := os.ReadFile(file); err != nil {
			refused = err
			continue
		}
		span, err := strconv.ParseFloat(strings.TrimSpace(content(filepath.Join(dir, "max_energy_range_uj"))), 64)
		if err != nil {
			span = 0
		}
		r.zones = append(r.zones, &raplZone{sensor: "cpu." + name + ".energy", file: file, span: span})
	}
	switch {
	case len(r.zones) > 0:
		return r, nil
	case errors.Is(refused, fs.ErrPermission):
		return nil, errors.New("no CPU energy: permission denied reading the powercap counters; run as root, or grant read access to energy_uj")
	}
	return nil, errors.New("no CPU energy counter: this machine has no powercap packages (virtual machines seldom do)")
}

func (r *rapl) close() {}

func (r *rapl) read(emit func(string, float64)) {
	for _, z := range r.zones {
		v, err := strconv.ParseFloat(strings.TrimSpace(content(z.file)), 64)
		if err != nil {
			continue // a gap, not a zero
		}
		if z.seen {
			d := v - z.last
			if d < 0 {
				d += z.span
			}
			z.total += d / 1e6
		}
		z.last, z.seen = v, true
		emit(z.sensor, z.total)
	}
}
