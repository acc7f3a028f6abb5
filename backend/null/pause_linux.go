package null

import (
	"time"

	"golang.org/x/sys/unix"
)

// wakeUp is what the kernel takes to wake a thread: so much of a pause is spent awake, so that it ends when it should.
const wakeUp = 150 * time.Microsecond

// pause sleeps on the caller's thread: time.Sleep would be late by up to a millisecond.
func pause(d time.Duration) {
	end := time.Now().Add(d)
	if d > wakeUp {
		ts := unix.NsecToTimespec(int64(d - wakeUp))
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, &ts) == unix.EINTR { // with what was left
		}
	}
	spin(end)
}
