package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// peakRSS is the most memory in bytes that this process has had resident.
func peakRSS() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Maxrss << 10
}

// peakRSSOf is that of a process that has ended.
func peakRSSOf(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(u.Maxrss) << 10
}
