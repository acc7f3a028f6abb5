package quantize

import (
	"fmt"
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// coarse are operators that stay float32 unless their type is asked for, as in onnxruntime's converter: what they count, order, add up or draw
// is too coarse in float16.
var coarse = []string{"CumSum", "Max", "Min", "RandomUniformLike", "RoiAlign", "TopK", "Upsample"}

// uncasted are operators that stay float32 likewise, because they make what they make of no float that the CPU provider could cast, and it has
// no float16 kernels of them (onnxruntime 1.30.0).
var uncasted = []string{"Bernoulli", "BlackmanWindow", "EyeLike", "HammingWindow", "HannWindow", "MelWeightMatrix", "RandomNormal", "RandomNormalLike", "RandomUniform"}

// floatOnly are operators of which no version takes float16 where it takes float32 (schemas of onnxruntime 1.30.0).
var floatOnly = map[string][]string{
	"": {"BitCast", "Celu", "DynamicQuantizeLinear", "NonMaxSuppression", "Range", "TfIdfVectorizer", "MultilevelCropAndResize_TRT", "PyramidROIAlign_TRT"},
	onnx.Contrib: {"AttnLSTM", "BeamSearch", "CDist", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "DynamicTimeWarping", "GemmaRotaryEmbedding", "GreedySearch",
		"MatMulFpQ4", "MaxpoolWithMask", "MurmurHash3", "NGramRepeatBlock", "QGemm", "QEmbedLayerNormalization", "Range", "Sampling", "Snpe", "SparseToDenseMatMul",
		"WhisperBeamSearch", "WordConvEmbedding"},
}

// halfSince are the versions from which operators of the default domain take float16, where that was later than the operator.
var halfSince = map[string]int64{"CumSum": 14, "IsInf": 20}

// floatSlots are inputs and outputs of operators of float16 that are float32 all the same.
type floatSlots struct{ inputs, outputs []int }

var mixed = map[string]map[string]floatSlots{
	"": {"Resize": {inputs: []int{2}}, "LayerNormalization": {outputs: []int{1, 2}}, "SimplifiedLayerNormalization": {outputs: []int{1}},
		"Upsample": {inputs: []int{1}}},
	onnx.Contrib: {"GroupNorm": {inputs: []int{1, 2}}, "SkipGroupNorm": {inputs: []int{1, 2}}, "SkipLayerNormalization": {outputs: []int{1, 2}},
		"SkipSimplifiedLayerNormalization": {outputs: []int{1, 2}}, "GroupQueryAttention": {inputs: []int{12, 13}}, "PagedAttention": {inputs: []int{14, 15}},
		"GatedDeltaNet": {inputs: []int{4, 5, 6, 7, 8}, outputs: []int{1, 2}}, "LinearAttentionGate": {inputs: []int{1, 2}}},
}

// slotsOf are the inputs and outputs of a node that are float32 whatever the others are.
func slotsOf(n *onnxpb.NodeProto, opset int64) floatSlots {
	if n.OpType == "Resize" && onnx.Domain(n.Domain) == "" && opset <= 10 {
		return floatSlots{inputs: []int{1}}
	}
	return mixed[onnx.Domain(n.Domain)][n.OpType]
}

// indifferent are operators that take an input of either type and make the same of it.
var indifferent = []string{"Cast", "Shape", "Size"}

// control are the operators whose graphs are converted with them.
var control = []string{"If", "Loop", "Scan"}

// knownDomains are those whose operators' types are known.
var knownDomains = []string{"", onnx.Contrib, "ai.onnx.ml"}

// staysSingle says why a node has no float16 form, or should have none, "" where it has one. types are those that were asked for, nil for all.
func staysSingle(n *onnxpb.NodeProto, opset int64, types map[string]bool) string {
	domain := onnx.Domain(n.Domain)
	switch {
	case !slices.Contains(knownDomains, domain):
		return fmt.Sprintf("it is of domain %s, of whose operators nothing is known", domain)
	case n.OpType == "Constant" && onnx.Attr(n, "sparse_value") != nil:
		return "its numbers are sparse"
	case domain == "ai.onnx.ml", slices.Contains(floatOnly[domain], n.OpType):
		return "its operator takes no float16"
	case domain == "" && opset < halfSince[n.OpType]:
		return fmt.Sprintf("its operator takes no float16 before opset %d", halfSince[n.OpType])
	case len(onnx.AttrGraphs(n)) > 0 && (domain != "" || !slices.Contains(control, n.OpType)):
		return "it holds a graph whose values it prescribes the types of"
	case types != nil && !types[n.OpType]:
		return "its type is not among those asked for"
	case types == nil && domain == "" && slices.Contains(coarse, n.OpType):
		return "its results are too coarse in float16; name its type in --op-types to convert it all the same"
	case types == nil && domain == "" && slices.Contains(uncasted, n.OpType):
		return "the CPU provider has no float16 form of it; name its type in --op-types to convert it all the same"
	}
	return ""
}
