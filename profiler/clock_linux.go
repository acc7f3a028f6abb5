package profiler

import (
	"runtime"

	"golang.org/x/sys/unix"
)

type systemClock struct{}

// newClock locks the goroutine to its thread: the kernel's sleeps are the thread's.
func newClock() clock {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return systemClock{}
}

func (systemClock) now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

func (c systemClock) waitUntil(ns int64) {
	ts := unix.NsecToTimespec(ns)
	for c.now() < ns {
		if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil); err != nil && err != unix.EINTR {
			return
		}
	}
}

func (systemClock) cpuSeconds() float64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
