package main

import (
	"os"
	"syscall"
)

// peakRSSOf is that of a process that has ended.
func peakRSSOf(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(u.Maxrss) << 10
}
