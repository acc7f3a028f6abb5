//go:build cgo && linux

package ort

import "testing"

func TestMessagesLoseSourcePlaces(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"CUDA execution provider is not enabled in this build.": "CUDA execution provider is not enabled in this build",
		"/src/core/session/provider_bridge.cc:1988 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library x.so with error: x.so: cannot open shared object file ":                                        "Failed to load library x.so with error: x.so: cannot open shared object file",
		"/src/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const Config&)::<lambda()> adapter.status == Success was false. Failed to get a WebGPU adapter: No supported adapters":                                                           "Failed to get a WebGPU adapter: No supported adapters",
		"Non-zero status code returned while running Mul node. Name:'/Mul' Status Message: /src/element_wise_ops.h:563 void Init(ptrdiff_t, ptrdiff_t) axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 4 by 5": "Non-zero status code returned while running Mul node. Name:'/Mul' Status Message: Attempting to broadcast an axis by a dimension other than 1. 4 by 5",
		"max_shape_override.cc:260 ParseMaxShapeOverride max_shape_override: missing ':' in entry":                                                                                                                                                                  "ParseMaxShapeOverride max_shape_override: missing ':' in entry",
		"/src/core/graph/model.cc:179 onnxruntime::Model::Model(onnx::ModelProto&&, std::function<void(int)>, const Options&) ModelProto does not have a graph.":                                                                                                    "ModelProto does not have a graph",
		"Load model from a.h:1 failed": "Load model from failed",
	} {
		if got := plain(said); got != want {
			t.Errorf("%q becomes %q, want %q", said, got, want)
		}
	}
}
