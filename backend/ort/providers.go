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

// appendProvider asks for the provider. Its failure carries the cause, which the runtime often tells its log alone.
func (b *Backend) appendProvider(options *binding.SessionOptions, p backend.Provider) error {
	name := strings.ToLower(p.Name)
	if name == "" || name == "cpu" {
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
		full = p.Name
	}
	values := p.Options
	if values == nil {
		values = map[string]string{}
	}
	return options.AppendExecutionProvider(full, values)
}

func (b *Backend) providerError(name string, err error, log string) error {
	remedy := remedies[name]
	switch {
	case strings.Contains(err.Error(), "Unknown provider name"):
		return fmt.Errorf("provider %s is not known; this library has %s", name, strings.Join(b.info.Providers, ", "))
	case remedy == "":
		remedy = "this library has " + strings.Join(b.info.Providers, ", ")
	}
	return &backend.Error{Op: "provider " + name + " cannot start", Code: backend.CodeEPFail, Message: lastClause(err.Error()) + "; " + remedy, Log: log}
}

// lastClause drops what the binding says of its own steps before the runtime's message.
func lastClause(s string) string {
	if i := strings.LastIndex(s, ": "); i >= 0 && i+2 < len(s) && strings.HasPrefix(s, "Error ") {
		return s[i+2:]
	}
	return s
}
