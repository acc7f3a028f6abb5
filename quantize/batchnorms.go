package quantize

import (
	"math"
	"slices"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// mostLoss is how much more rounding error, as power, BatchNormalization may bring into a weight that has one scale for all its channels; with
// more it is not folded. A quarter, 1 dB, leaves ultraface-version-RFB-320 nearer to the original than without any folding, and faster.
const mostLoss = 1.25

// holdNorms keeps the runtime from folding each BatchNormalization that would make the channels of a convolution so unequal that one scale
// serves them badly, and reports whether there are any. The runtime folds no weight that a caller may replace; so those are inputs until release.
func holdNorms(m *onnx.Model, o Options) (some bool, release func(folded *onnx.Model), err error) {
	held := map[string]bool{}
	if most, loses := o.loses(); loses {
		x := newIndex(m)
		for _, n := range m.Proto.Graph.Node {
			loss, err := x.foldLoss(n)
			if err != nil {
				return false, nil, err
			}
			if !(loss > most) || held[n.Input[1]] {
				continue
			}
			held[n.Input[1]] = true
			dims := []backend.Dim{{Size: x.weight[n.Input[1]].Dims[0]}}
			m.Proto.Graph.Input = append(m.Proto.Graph.Input, &onnxpb.ValueInfoProto{Name: n.Input[1], Type: typeProto(backend.ValueInfo{DType: tensor.Float32, Dims: dims})})
		}
	}
	return len(held) > 0, func(folded *onnx.Model) {
		g := folded.Proto.Graph
		g.Input = slices.DeleteFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return held[v.Name] })
	}, nil
}

// loses is the loss above which BatchNormalization is not folded, false where all of it is: one scale serves all channels of a convolution by
// tensor, and where its input is quantized while the model runs. There what follows is computed in float anyway, so that nothing need be
// lost beyond rounding.
func (o *Options) loses() (most float64, some bool) {
	switch o.Scheme {
	case SchemeInt8Static:
		return mostLoss, !o.PerChannel
	case SchemeInt8Dynamic:
		return 1.001, slices.Contains(o.OpTypes, "Conv") || slices.Contains(o.OpTypes, AllTypes)
	}
	return 0, false
}

// foldLoss is the power of the rounding error behind a BatchNormalization if it is folded into the convolution before it, in units of that if
// it is not; 0 for what is not folded. A channel's rounding error is the weight's step, times what the channel is multiplied by behind it.
func (x *index) foldLoss(n *onnxpb.NodeProto) (float64, error) {
	if n.OpType != "BatchNormalization" || onnx.Domain(n.Domain) != "" || len(n.Input) < 5 {
		return 0, nil
	}
	conv := x.producer(n.Input[0])
	if conv == nil || conv.OpType != "Conv" || x.uses[n.Input[0]] != 1 {
		return 0, nil
	}
	w, scale, variance := x.floatConstant(input(conv, 1)), x.floatConstant(n.Input[1]), x.floatConstant(n.Input[4])
	if w == nil || scale == nil || variance == nil || len(w.Dims) < 3 || len(scale.Dims) != 1 || scale.Dims[0] != w.Dims[0] || scale.Dims[0] != variance.Dims[0] {
		return 0, nil
	}
	gains, err := x.model.Float32s(scale)
	if err != nil {
		return 0, err
	}
	spread, err := x.model.Float32s(variance)
	if err != nil {
		return 0, err
	}
	raw, done, err := x.model.View(w)
	if err != nil {
		return 0, err
	}
	defer done()
	lows, highs, _ := channelSpans(floatsIn(raw), w.Dims, 0)
	var widest, widestFolded, power float64
	for i, gain := range gains {
		reach := float64(max(-lows[i], highs[i]))
		factor := math.Abs(float64(gain)) / math.Sqrt(float64(spread[i])+float64(attribute(n, "epsilon", 1e-5)))
		widest, widestFolded, power = max(widest, reach), max(widestFolded, reach*factor), power+factor*factor
	}
	return float64(len(gains)) * widestFolded * widestFolded / (widest * widest * power), nil
}

// producer is the node of the main graph that makes a value, nil where none does.
func (x *index) producer(name string) *onnxpb.NodeProto {
	for _, n := range x.model.Proto.Graph.Node {
		if slices.Contains(n.Output, name) {
			return n
		}
	}
	return nil
}
