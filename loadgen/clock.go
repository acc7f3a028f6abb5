package loadgen

import "time"

// A Clock gives monotonic nanoseconds and waits on them. Implementations are safe for concurrent use; WaitUntil blocks its caller's
// thread only.
type Clock interface {
	// Now returns nanoseconds since the clock was made.
	Now() int64
	// WaitUntil returns at or after t.
	WaitUntil(t int64)
}

// NewSleepClock returns a Clock on package time alone: for tests under testing/synctest, and where no better one exists.
func NewSleepClock() Clock { return sleepClock{time.Now()} }

type sleepClock struct{ base time.Time }

func (c sleepClock) Now() int64 { return int64(time.Since(c.base)) }

func (c sleepClock) WaitUntil(t int64) {
	for {
		d := t - c.Now()
		if d <= 0 {
			return
		}
		time.Sleep(time.Duration(d))
	}
}
