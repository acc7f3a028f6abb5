//go:build !linux

package loadgen

import "time"

// ThreadClock falls back to package time where clock_nanosleep is not to be had.
type ThreadClock struct{ sleepClock }

// NewThreadClock returns the clock that trials use.
func NewThreadClock() *ThreadClock { return &ThreadClock{sleepClock{time.Now()}} }

// Monotonic returns t: there is no shared monotonic clock to convert to here.
func (c *ThreadClock) Monotonic(t int64) int64 { return t }

// SharpenTimers does nothing here.
func SharpenTimers() {}
