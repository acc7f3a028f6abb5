// Package onnxpb is the ONNX schema as Go types, generated from onnx.proto.
package onnxpb

//go:generate go run assay/onnx/internal/protogen onnx.proto
