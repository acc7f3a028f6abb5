//go:build !linux

package main

import "os"

// peakRSSOf is not known here.
func peakRSSOf(*os.ProcessState) int64 { return 0 }
