//go:build cgo && linux

package ort

// #include "api.h"
import "C"

import "assay/tensor"

// runtimeTypes gives the runtime's number (ONNXTensorElementDataType) of an element type. It numbers as ONNX does up to 23 only.
var runtimeTypes = [...]C.unsigned{
	tensor.Float32:        C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
	tensor.Uint8:          C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
	tensor.Int8:           C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
	tensor.Uint16:         C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
	tensor.Int16:          C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
	tensor.Int32:          C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
	tensor.Int64:          C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
	tensor.String:         C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
	tensor.Bool:           C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
	tensor.Float16:        C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
	tensor.Float64:        C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
	tensor.Uint32:         C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
	tensor.Uint64:         C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
	tensor.Complex64:      C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64,
	tensor.Complex128:     C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128,
	tensor.BFloat16:       C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
	tensor.Float8E4M3FN:   C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FN,
	tensor.Float8E4M3FNUZ: C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E4M3FNUZ,
	tensor.Float8E5M2:     C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2,
	tensor.Float8E5M2FNUZ: C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E5M2FNUZ,
	tensor.Uint4:          C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4,
	tensor.Int4:           C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4,
	tensor.Float4E2M1:     C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT4E2M1,
	tensor.Float8E8M0:     C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT8E8M0,
	tensor.Uint2:          C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT2,
	tensor.Int2:           C.ASSAY_ONNX_TENSOR_ELEMENT_DATA_TYPE_INT2,
}

// toRuntime gives 0, the runtime's undefined type, for what is no element type.
func toRuntime(d tensor.DType) C.unsigned {
	if d < 0 || int(d) >= len(runtimeTypes) {
		return 0
	}
	return runtimeTypes[d]
}

// fromRuntime is the inverse of toRuntime.
func fromRuntime(n C.unsigned) tensor.DType {
	for d, m := range runtimeTypes {
		if m == n {
			return tensor.DType(d)
		}
	}
	return tensor.Undefined
}
