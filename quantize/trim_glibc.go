//go:build cgo && linux

package quantize

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

// trim gives memory that closed sessions have freed back to the system: the C library keeps it, and the next session seldom fits into the holes.
func trim() { C.trim() }
