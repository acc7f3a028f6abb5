package quantize

import (
	"fmt"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// ClampedTensor is a weight with values that float16 does not hold, which are the nearest now that it does.
type ClampedTensor struct {
	Tensor   string `json:"tensor"`
	Largest  int64  `json:"to_largest"`            // elements beyond +-65504
	Smallest int64  `json:"to_smallest,omitempty"` // elements between 0 and 6e-8
}

// role is what a weight that is not finite does to its operator.
type role int

const (
	roleConstant role = iota // it may be meant so: a border, a mask
	roleAdded                // infinite, it may be a mask; NaN it spoils everything
	roleWeight               // it spoils everything
)

// weighing are the operators whose constants are weights, and the first input that is one.
var weighing = map[string]int{"Conv": 1, "ConvTranspose": 1, "FusedConv": 1, "Gemm": 0, "FusedGemm": 0, "MatMul": 0, "FusedMatMul": 0, "LSTM": 1, "GRU": 1, "RNN": 1,
	"Attention": 1, "BatchNormalization": 1, "InstanceNormalization": 1, "LayerNormalization": 1, "SimplifiedLayerNormalization": 1, "GroupNormalization": 1,
	"SkipLayerNormalization": 2, "PRelu": 1, "Einsum": 0, "Gather": 0}

// mayMask are those of weighing whose constants may be or hold masks. A Gemm's bias is among them: the runtime makes it of an Add.
var mayMask = map[string]int{"Gather": 0, "Gemm": 2, "FusedGemm": 2}

// noteRole notes what input i of a node makes of a weight, nil for none.
func (r *halver) noteRole(n *onnxpb.NodeProto, i int, t *onnxpb.TensorProto) {
	first, known := weighing[n.OpType]
	if t == nil || !known || i < first || n.OpType == "Attention" && (onnx.Domain(n.Domain) == "" || i > 2) {
		return
	}
	as := roleWeight
	if from, may := mayMask[n.OpType]; may && i >= from {
		as = roleAdded
	}
	r.roles[t] = max(r.roles[t], as)
}

// wrong refuses a weight that is not finite.
func (as role) wrong(name string, t halfTally) error {
	if as == roleWeight && t.noNum+t.infinite > 0 || as == roleAdded && t.noNum > 0 {
		return fmt.Errorf("weight %s holds %d NaN or infinite values; mend the model", name, t.noNum+t.infinite)
	}
	return nil
}

// written says which weights were clamped.
func (h *half) written(res *Result) {
	res.Clamped = h.clamped
	if text := clampedText(h.clamped); text != "" {
		res.warn("%s", text)
	}
}

// clampedText names the first of the weights that lost large values, "" where there are none.
func clampedText(clamped []ClampedTensor) string {
	var names []string
	var elements int64
	for _, c := range clamped {
		if c.Largest > 0 {
			names, elements = append(names, fmt.Sprintf("%s: %d", c.Tensor, c.Largest)), elements+c.Largest
		}
	}
	if elements == 0 {
		return ""
	}
	return fmt.Sprintf("weights beyond the range of float16 became +-65504 (%d; %s); --exclude keeps the nodes that read them float32", elements, someOf(names))
}
