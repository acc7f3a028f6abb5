//go:build !cgo || !linux

package ort

import (
	"errors"

	"assay/backend"
)

// Open says what this build lacks.
func Open(Config) (backend.Backend, error) {
	return nil, errors.New("this assay was built without ONNX Runtime support; rebuild on Linux with CGO_ENABLED=1 and a C compiler to measure models")
}
