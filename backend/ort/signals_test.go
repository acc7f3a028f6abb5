//go:build cgo && linux

package ort

import (
	"syscall"
	"testing"
	"unsafe"
)

// sigaction is the kernel's, not the C library's: handler, flags, restorer, mask.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

func setAction(t *testing.T, sig syscall.Signal, to, old *sigaction) {
	t.Helper()
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if e != 0 {
		t.Fatal(e)
	}
}

// TestSignalHandlersComeBack plays a provider's library that takes a signal for itself, while two sessions open at once.
func TestSignalHandlersComeBack(t *testing.T) {
	const sig, ignore = syscall.SIGUSR2, 1
	var ours, now sigaction
	setAction(t, sig, nil, &ours)
	if ours.handler <= ignore {
		t.Fatalf("Go has no handler for %v", sig)
	}
	saveSignals()
	setAction(t, sig, &sigaction{handler: ignore}, nil)
	saveSignals()
	restoreSignals()
	setAction(t, sig, nil, &now)
	if now.handler != ours.handler || now.flags != ours.flags {
		t.Errorf("after the first restore the action is %+v, was %+v", now, ours)
	}
	setAction(t, sig, &sigaction{handler: ignore}, nil)
	restoreSignals()
	setAction(t, sig, nil, &now)
	if now.handler != ours.handler || now.flags != ours.flags {
		t.Errorf("after the last restore the action is %+v, was %+v", now, ours)
	}
}
