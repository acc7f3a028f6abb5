//go:build !linux

package profiler

import "time"

type systemClock struct{ base time.Time }

func newClock() clock { return systemClock{time.Now()} }

func (c systemClock) now() int64 { return int64(time.Since(c.base)) }

func (c systemClock) waitUntil(ns int64) { time.Sleep(time.Duration(ns - c.now())) }

func (systemClock) cpuSeconds() float64 { return 0 }
