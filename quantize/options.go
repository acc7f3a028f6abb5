package quantize

import (
	"errors"

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
var Schemes = []string{SchemeInt8Static, SchemeInt8Dynamic, SchemeFP16, SchemeInt4Weight, SchemeInt8Weight}

// Options shape a quantized model. DefaultOptions gives what fuses best on the CPU provider.
type Options struct {
	Scheme      string
	Activation  tensor.DType // uint8 or int8
	PerChannel  bool         // of weights
	ReduceRange bool         // weights in 7 bits, for processors whose 8-bit dot product saturates
	Symmetric   bool         // of activations; weights always are
	Include     string       // regular expression on node names; empty for all
	Exclude     string
	OpTypes     []string // operator types to quantize; nil for Conv, Gemm, MatMul and what carries their values on; AllTypes for the choice of onnxruntime.quantization
	Prepare     bool     // fold constants and BatchNormalization first
	KeepFloat   int      `json:",omitempty"` // how many units stay float: those that cost the most when quantized alone; see Sensitivity

	float map[string]string // nodes that stay float, by nodeKey, and why

	// Of static quantization alone.
	Method      string       `json:",omitempty"` // of calibration, one of Methods; "" for minmax
	Percentile  float64      `json:",omitempty"` // share of values in percent that the percentile method keeps; 0 for DefaultPercentile
	Weight      tensor.DType `json:",omitzero"`  // int8 or uint8; 0 for int8
	Overrides   Overrides    `json:",omitempty"` // what single tensors do otherwise
	Target      string       `json:",omitempty"` // the target whose defaults were applied; it is recorded, and decides nothing by itself
	FloatBias   bool         `json:",omitempty"` // biases stay float, for runtimes that take no int32 bias
	PairWeights bool         `json:",omitempty"` // weights stay float behind a pair of QuantizeLinear and DequantizeLinear
	InputsOnly  bool         `json:",omitempty"` // only what operators with weights read is quantized, nothing that they write

	KeepIO bool `json:",omitempty"` // of fp16 alone: inputs and outputs stay float32

	// Of the weight-only schemes alone, whose Symmetric means weights without zero points.
	Block         int    `json:",omitempty"` // weights that share a scale: a power of two from 16 to 256; 0 for 32
	WeightMethod  string `json:",omitempty"` // one of WeightMethods; "" for rtn
	Form          string `json:",omitempty"` // FormNBits or FormQDQ; "" for the first
	AccuracyLevel int    `json:",omitempty"` // of MatMulNBits: 0 computes as the model does, 4 with 8-bit activations; written where it is not 0
}

// DefaultOptions are uint8 activations and int8 weights by channel, on a prepared graph.
func DefaultOptions() Options {
	return Options{Scheme: SchemeInt8Static, Activation: tensor.Uint8, PerChannel: true, Prepare: true}
}

// Validate reports everything that is wrong with options without a look at a model.
func (o Options) Validate() error {
	_, errFilter := o.filter()
	var errScheme error
	switch o.Scheme {
	case SchemeInt8Static:
		errScheme = errors.Join(checkTypes(o), o.checkMethod())
	case SchemeInt4Weight, SchemeInt8Weight:
		o = o.withBlocks()
		errScheme = o.validateBlocks()
	}
	return errors.Join(errFilter, errScheme)
}
