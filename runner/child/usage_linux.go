package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// usageCounters are this process's own, from its start.
type usageCounters struct {
	cpu                      float64 // seconds, user and system
	majorFaults, minorFaults int64
	switches, voluntary      int64 // of context: involuntary, voluntary
	// runnable is for how many seconds threads were ready to run and waited for a core, added up; below 0 where the kernel does not say.
	// readUsage leaves it out.
	runnable float64
}

func readUsage() usageCounters {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return usageCounters{}
	}
	return usageCounters{cpu: float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, majorFaults: int64(u.Majflt), minorFaults: int64(u.Minflt), switches: int64(u.Nivcsw), voluntary: int64(u.Nvcsw)}
}

// waitedForCore reads the delay of every thread of this process in the kernel's run queues (linux Documentation/scheduler/sched-stats.rst: the
// second figure, nanoseconds). Threads that have ended are not in it; a trial's do not end within measure.
func waitedForCore() float64 {
	const tasks = "/proc/self/task"
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return -1
	}
	sum, found := int64(0), false
	for _, thread := range threads {
		b, err := os.ReadFile(tasks + "/" + thread.Name() + "/schedstat")
		if err != nil {
			continue
		}
		if fields := bytes.Fields(b); len(fields) == 3 {
			if ns, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				sum, found = sum+ns, true
			}
		}
	}
	if !found {
		return -1
	}
	return float64(sum) / 1e9
}

// PeakRSS is PeakRSSOf this process.
func PeakRSS() int64 { return PeakRSSOf(os.Getpid()) }

// PeakRSSOf is VmHWM in bytes: the most memory that a process has had resident, without what its parent had, which getrusage counts; 0 where
// the kernel does not say, as of a process that has ended.
func PeakRSSOf(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(b, []byte("VmHWM:"))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// BeFirstToDie asks the kernel to kill this process before any other when memory runs out.
func BeFirstToDie() { _ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) }
