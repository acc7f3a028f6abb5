//go:build !linux

package loadgen

// AllowedCPUs cannot tell here.
func AllowedCPUs() []int { return nil }

// PinThread does nothing here.
func PinThread([]int) error { return nil }

// PinProcess does nothing here.
func PinProcess([]int) error { return nil }
