//go:build !unix || aix

package onnx

import "os"

func mapFile(path string) (*mapping, error) {
	data, err := os.ReadFile(path)
	return &mapping{data: data}, err
}

// release does nothing: the bytes are a copy, which stays until the model is closed.
func (m *mapping) release(extent) {}

func (m *mapping) close() error {
	m.data = nil
	return nil
}
