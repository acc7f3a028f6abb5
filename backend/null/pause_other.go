//go:build !linux

package null

import "time"

func pause(d time.Duration) { time.Sleep(d) }
