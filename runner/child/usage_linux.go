package child

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// usageCounters are this process's own, from its start.
type usageCounters struct {
	cpu                      float64 // seconds, user and system
	majorFaults, minorFaults int64
	switches, voluntary      int64 // of context: involuntary, voluntary
}

func readUsage() usageCounters {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return usageCounters{}
	}
	return usageCounters{cpu: float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, majorFaults: u.Majflt, minorFaults: u.Minflt, switches: u.Nivcsw, voluntary: u.Nvcsw}
}

// peakRSS is VmHWM in bytes: the most memory that this process has had resident; 0 where the kernel does not say.
func peakRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
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
