//go:build !cgo || !linux

package quantize

// trim has no sessions' memory to give back.
func trim() {}

// LeanMemory has nothing to change.
func LeanMemory() {}
