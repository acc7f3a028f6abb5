package loadgen

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stopped is a Clock of a process that is stopped once: every sleep that would end within the stop ends with it.
type stopped struct {
	Clock
	from, to int64
	stops    atomic.Int64
}

func (c *stopped) WaitUntil(t int64) {
	if t >= c.from && t < c.to {
		c.stops.Add(1)
		t = c.to
	}
	c.Clock.WaitUntil(t)
}

func TestAStopIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		from, to time.Duration
		want     time.Duration // with 20 ms less at most: the control loop looks every 20 ms
	}{
		"none":            {0, 0, 0},
		"in measure":      {2 * time.Second, 2500 * time.Millisecond, 500 * time.Millisecond},
		"short":           {2 * time.Second, 2030 * time.Millisecond, 0},
		"in warm-up":      {200 * time.Millisecond, 700 * time.Millisecond, 0},
		"into measure":    {800 * time.Millisecond, 1400 * time.Millisecond, 400 * time.Millisecond},
		"over the end":    {4800 * time.Millisecond, 5600 * time.Millisecond, 200 * time.Millisecond},
		"behind the load": {6 * time.Second, 7 * time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			schedule, err := Constant(100, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			records, err := NewRecords(t.TempDir(), 1000)
			if err != nil {
				t.Fatal(err)
			}
			defer records.Close()
			clock := &stopped{Clock: NewSleepClock(), from: int64(c.from), to: int64(c.to)}
			o, err := Run(t.Context(), Config{Workers: 1, Schedule: schedule, Warmup: time.Second, Duration: 4 * time.Second, Clock: clock},
				&planted{service: constant(time.Millisecond)}, records)
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Duration(o.Stopped); got > c.want || got < c.want-20*time.Millisecond || o.LongestStop != o.Stopped {
				t.Errorf("%s: stopped for %v (longest %v), want %v", name, got, time.Duration(o.LongestStop), c.want)
			}
		})
	}
}
