//go:build cgo && linux

package ort

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	binding "github.com/yalue/onnxruntime_go"

	"assay/backend"
)

// generic are the names under which the runtime knows providers that it appends by name.
var generic = map[string]string{
	"webgpu": "WebGPU", "xnnpack": "XNNPACK", "openvino": "OpenVINO", "qnn": "QNN", "coreml": "CoreML", "dml": "DML", "js": "JS", "webnn": "WEBNN",
	"azure": "AZURE", "vitisai": "VitisAI", "nvtensorrtrtx": "NvTensorRtRtx", "migraphx": "MIGraphX",
}

// remedies say how to get a provider that the loaded library cannot start.
var remedies = map[string]string{
	"cuda":     "it needs an NVIDIA driver and the CUDA build: run `assay runtime install --variant gpu`",
	"tensorrt": "it needs an NVIDIA driver, TensorRT and the CUDA build: run `assay runtime install --variant gpu`",
	"webgpu":   "it needs a Vulkan driver and the WebGPU build: run `assay runtime install --variant webgpu`",
}

// providerName is the name in lower case without the runtime's suffix: CUDAExecutionProvider is cuda. None is cpu.
func providerName(p backend.Provider) string {
	if p.Name == "" {
		return "cpu"
	}
	return strings.TrimSuffix(strings.ToLower(p.Name), "executionprovider")
}

// appendProvider asks for the provider. Its failure carries the cause, which the runtime often tells its log alone.
func (b *Backend) appendProvider(options *binding.SessionOptions, p backend.Provider) error {
	name := providerName(p)
	if name == "cpu" {
		if len(p.Options) > 0 {
			return fmt.Errorf("provider cpu takes no options, got %s; set session entries with --session-config", strings.Join(slices.Sorted(maps.Keys(p.Options)), ", "))
		}
		return nil
	}
	mark := logMark()
	err := b.tryProvider(options, name, p)
	if err == nil {
		return nil
	}
	return b.providerError(name, err, errorsSince(mark))
}

func (b *Backend) tryProvider(options *binding.SessionOptions, name string, p backend.Provider) error {
	switch name {
	case "cuda":
		o, err := binding.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer o.Destroy()
		if len(p.Options) > 0 {
			if err := o.Update(p.Options); err != nil {
				return fmt.Errorf("options: %w", err)
			}
		}
		return options.AppendExecutionProviderCUDA(o)
	case "tensorrt":
		o, err := binding.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer o.Destroy()
		if len(p.Options) > 0 {
			if err := o.Update(p.Options); err != nil {
				return fmt.Errorf("options: %w", err)
			}
		}
		return options.AppendExecutionProviderTensorRT(o)
	}
	full, known := generic[name]
	if !known {
		full = p.Name // the runtime may know one that we do not
	}
	values := p.Options
	if values == nil {
		values = map[string]string{}
	}
	return options.AppendExecutionProvider(full, values)
}

// providerError gives the runtime's reason, the cause from its log, and the way out.
func (b *Backend) providerError(name string, err error, log string) error {
	has := "this library has " + strings.Join(b.info.Providers, ", ")
	if strings.Contains(err.Error(), "Unknown provider name") {
		return fmt.Errorf("provider %s is not known; %s", name, has)
	}
	remedy := remedies[name]
	if remedy == "" {
		remedy = has
	}
	cause := &backend.Error{Op: "provider " + name + " cannot start", Code: backend.CodeEPFail, Message: plain(err.Error()), Log: log}
	return fmt.Errorf("%w; %s", cause, remedy)
}
