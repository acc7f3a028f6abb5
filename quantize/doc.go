// Package quantize makes lower-precision variants of ONNX models, natively: the model file is rewritten, and a backend serves only to
// fold constants, to run calibration data and to check the result.
//
// Numbers follow onnxruntime.quantization bit for bit where that is right (microsoft/onnxruntime onnxruntime/python/tools/quantization,
// version 1.30.0): ranges and zero points in float64 from float32 extremes, weights divided in float32 and rounded half to even.
package quantize
