//go:build cgo && linux

package quantize

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
static void give_back_from(int bytes) { mallopt(M_MMAP_THRESHOLD, bytes); }
#else
static void trim(void) {}
static void give_back_from(int bytes) {}
#endif
*/
import "C"

import "sync/atomic"

// trim gives memory that closed sessions have freed back to the system: the C library keeps it, and the next session seldom fits into the holes.
func trim() {
	C.trim()
	if lean.Load() {
		forgetCode()
	}
}

var lean atomic.Bool // by LeanMemory

// givenBack is the size in bytes from which LeanMemory has a block given back.
const givenBack = 1 << 20

// LeanMemory has the C library give each large block back to the system when it is freed, from now on and in the whole process. Left alone it
// keeps blocks of up to 32 MiB once one of their size was freed, and a runtime that makes a copy of the weights at each step of loading them has all
// of its copies resident. Pages of programs go back too, after each session. It is for processes that do nothing but Look, Calibrate, Rank and trials:
// what goes back and is wanted again costs the system's work.
func LeanMemory() {
	C.give_back_from(givenBack)
	lean.Store(true)
	forgetCode()
}
