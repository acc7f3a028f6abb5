//go:build cgo && linux

package ort

/*
#include <stdlib.h>
#include "bridge.h"
static void release(struct OrtValue* v) { ORT(ReleaseValue)(v); }
*/
import "C"

import (
	"unsafe"

	"assay/tensor"
)

// Test files cannot use cgo; what tests need of it stands here.

// roundTrip copies a value into the runtime's memory and back.
func roundTrip(b *Backend, v tensor.Value) (tensor.Value, error) {
	held, err := b.newValue(v)
	if err != nil {
		return tensor.Value{}, err
	}
	defer C.release(held)
	return b.readValue(held)
}

// cEnvironment reads a variable of the C environment, which is what the runtime sees.
func cEnvironment(name string) string {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.GoString(C.getenv(c))
}
