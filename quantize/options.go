package quantize

import (
	"fmt"
	"regexp"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// The schemes.
const (
	SchemeInt8Static  = "int8-static"
	SchemeInt8Dynamic = "int8-dynamic"
	SchemeFP16        = "fp16"
	SchemeInt4Weight  = "int4-weight"
	SchemeInt8Weight  = "int8-weight"
)

// Schemes lists the schemes there are.
var Schemes = []string{SchemeInt8Static}

// Options shape a quantized model. DefaultOptions gives what fuses best on the CPU provider.
type Options struct {
	Scheme      string
	Activation  tensor.DType // uint8 or int8
	PerChannel  bool         // of weights
	ReduceRange bool         // weights in 7 bits, for processors whose 8-bit dot product saturates
	Symmetric   bool         // of activations; weights always are
	Include     string       // regular expression on node names; empty for all
	Exclude     string
	OpTypes     []string // operator types with weights to quantize; nil for Conv, Gemm and MatMul
	Prepare     bool     // fold constants and BatchNormalization first
}

// DefaultOptions are uint8 activations and int8 weights by channel, on a prepared graph.
func DefaultOptions() Options {
	return Options{Scheme: SchemeInt8Static, Activation: tensor.Uint8, PerChannel: true, Prepare: true}
}

// heavyTypes are the operator types whose weights are quantized.
var heavyTypes = []string{"Conv", "Gemm", "MatMul"}

// filter is what Include, Exclude and OpTypes say together.
type filter struct {
	include, exclude *regexp.Regexp
	types            map[string]bool
	included         bool // Include matched some node
}

func (o *Options) filter() (*filter, error) {
	f := &filter{types: map[string]bool{}}
	var err error
	if o.Include != "" {
		if f.include, err = regexp.Compile(o.Include); err != nil {
			return nil, fmt.Errorf("--include: %w", err)
		}
	}
	if o.Exclude != "" {
		if f.exclude, err = regexp.Compile(o.Exclude); err != nil {
			return nil, fmt.Errorf("--exclude: %w", err)
		}
	}
	types := o.OpTypes
	if len(types) == 0 {
		types = heavyTypes
	}
	for _, name := range types {
		f.types[name] = true
	}
	return f, nil
}

// allows says whether a node may be quantized, or why not.
func (f *filter) allows(n *onnxpb.NodeProto) (bool, string) {
	switch {
	case f.include != nil && !f.include.MatchString(n.Name):
		return false, "not matched by --include"
	case f.exclude != nil && f.exclude.MatchString(n.Name):
		return false, "matched by --exclude"
	}
	f.included = true
	return true, ""
}
