package loadgen

import (
	"time"

	"golang.org/x/sys/unix"
)

// ThreadClock waits with clock_nanosleep on absolute instants, which on Linux is an order of magnitude closer than time.Sleep
// (whose epoll timer has millisecond steps). Callers lock their goroutine to its thread.
type ThreadClock struct {
	base   time.Time
	offset int64 // CLOCK_MONOTONIC at base
}

// NewThreadClock returns the clock that trials use.
func NewThreadClock() *ThreadClock {
	c := &ThreadClock{base: time.Now()}
	c.offset = c.measureOffset()
	return c
}

// measureOffset relates Go's private monotonic reading to CLOCK_MONOTONIC, by the tightest of several bracketed readings.
func (c *ThreadClock) measureOffset() int64 {
	best, offset := int64(1<<62), int64(0)
	for range 16 {
		before := c.Now()
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return 0
		}
		after := c.Now()
		if after-before < best {
			best, offset = after-before, ts.Nano()-(before+after)/2
		}
	}
	return offset
}

// Now returns nanoseconds since the clock was made; about 30 ns a call.
func (c *ThreadClock) Now() int64 { return int64(time.Since(c.base)) }

// Monotonic converts an instant of this clock to CLOCK_MONOTONIC.
func (c *ThreadClock) Monotonic(t int64) int64 { return t + c.offset }

// WaitUntil sleeps on the thread until t.
func (c *ThreadClock) WaitUntil(t int64) {
	ts := unix.NsecToTimespec(t + c.offset)
	for c.Now() < t {
		if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil); err != nil && err != unix.EINTR {
			return
		}
	}
}

// SharpenTimers asks the kernel not to add its 50 us of slack to this thread's sleeps. The caller has locked its thread.
func SharpenTimers() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }
