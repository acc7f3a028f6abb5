// Package installtest is for tests that need an installed ONNX Runtime.
package installtest

import (
	"errors"
	"testing"

	"assay/backend/ort/install"
)

// SkipMissing skips a test where err says that no installed library has what it needs, and fails it on any other error: a library that is there
// and cannot be used is a fault.
func SkipMissing(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.As(err, new(*install.MissingError)):
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}
