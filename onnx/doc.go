// Package onnx reads, describes, edits and writes ONNX model files without executing them.
//
// A Model is a skeleton: the graph as Go types (package onnxpb), with every tensor of more than a kibibyte left in its file and referred
// to by place. So a model of gigabytes opens in milliseconds, and its weights are read one tensor at a time. A Model is not safe for
// concurrent writing.
package onnx
