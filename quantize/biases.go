package quantize

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// readBias reads what a node adds to its product. It is nil where it has no integer form: where each row has one value, and each column a scale.
func (r *rewriter) readBias(b bias) ([]float32, error) {
	t := r.weight[b.name]
	if len(t.Dims) > 2 || byRow(t) && len(r.weightScales(b)) > 1 && t.Dims[1] == 1 {
		return nil, nil
	}
	values, err := r.model.Float32s(t)
	if err != nil {
		return nil, err
	}
	if _, _, finite := spanAll(values); !finite {
		return nil, fmt.Errorf("bias %s holds NaN or infinite values; it cannot be quantized", called(r.model.Proto.Graph, t.Name))
	}
	if beta := attribute(b.node, "beta", 1); b.node.OpType == "Gemm" && beta != 1 {
		values = slices.Clone(values)
		for i := range values {
			values[i] *= beta
		}
	}
	return values, nil
}

// byRow reports whether a bias differs from row to row.
func byRow(t *onnxpb.TensorProto) bool { return len(t.Dims) == 2 && t.Dims[0] != 1 }

// weightScales are the scales of what a bias's node multiplies by, as many as there are channels. It is nil where the scales are not those of
// the bias's channels.
func (r *rewriter) weightScales(b bias) []float32 {
	c, constant := r.takes[slot{b.node, 1}]
	if !constant {
		if s, ok := r.scaleOf(b.node, 1); ok {
			return []float32{s}
		}
		return nil
	}
	if c.axis >= 0 && c.axis != r.outputAxis(b.node) {
		return nil
	}
	return r.parts[c].scales
}

// outputAxis is the axis of a weight along which the channels of the output lie.
func (r *rewriter) outputAxis(n *onnxpb.NodeProto) int {
	if n.OpType == "Conv" || n.OpType == "Gemm" && attributeInt(n, "transB", 0) != 0 {
		return 0
	}
	return 1
}

// guardBiases widens the scales of weights where a bias would overflow. As in the reference it looks at the scale of an input's own range
// where that is known, even where the input shares another's, which is wider.
func (r *rewriter) guardBiases() error {
	for _, b := range r.biases {
		values, err := r.readBias(b)
		if err != nil {
			return fmt.Errorf("%s: %w", nodeName(b.node), err)
		}
		c, constant := r.takes[slot{b.node, 1}]
		in, known := r.params[input(b.node, 0)]
		if !known {
			in.Scale, known = r.scaleOf(b.node, 0)
		}
		if !constant || !known || r.weightScales(b) == nil || values == nil {
			continue
		}
		p := r.parts[c]
		if p.kind != tensor.Int8 || slices.ContainsFunc(p.zeros, func(z int32) bool { return z != 0 }) {
			continue
		}
		if c.axis < 0 {
			low, high := extremes(values)
			p.scales[0] = guardScale(p.scales[0], in.Scale, max(-low, high, 0))
			continue
		}
		for i := range max(len(values), len(p.scales)) {
			at := i % len(p.scales)
			p.scales[at] = guardChannel(p.scales[at], in.Scale, values[i%len(values)])
		}
	}
	return nil
}

// writeBiases makes biases int32, scaled by the product of their inputs' and their weights' scales.
func (r *rewriter) writeBiases() error {
	seen := map[string]bool{}
	for _, b := range r.biases {
		values, err := r.readBias(b)
		if err != nil {
			return err
		}
		in, known := r.scaleOf(b.node, 0)
		scales := r.weightScales(b)
		if values == nil || !known || scales == nil {
			continue
		}
		if r.parts[r.takes[slot{b.node, 1}]] != nil && r.takes[slot{b.node, 1}].axis >= 0 && !byRow(r.weight[b.name]) {
			if values, scales = perChannel(values, scales); scales == nil {
				return fmt.Errorf("%s: its bias %s has %d values for %d channels", nodeName(b.node), b.name, len(values), len(r.weightScales(b)))
			}
		}
		products := make([]float32, len(scales))
		for i, s := range scales {
			products[i] = in * s
		}
		r.writeBias(b, values, products, seen[b.name])
		seen[b.name] = true
	}
	return nil
}

// perChannel repeats the one value of a bias for every channel, or the scales for every group of channels. It gives no scales where neither
// fits.
func perChannel(values, scales []float32) ([]float32, []float32) {
	switch {
	case len(values) == 1:
		return slices.Repeat(values, len(scales)), scales
	case len(values)%len(scales) == 0:
		return values, slices.Repeat(scales, len(values)/len(scales))
	}
	return values, nil
}

// writeBias adds a bias's integers and their DequantizeLinear and lets its node read that.
func (r *rewriter) writeBias(b bias, values, scales []float32, again bool) {
	t := r.weight[b.name]
	name, output := b.name, b.name
	switch {
	case again:
		name = r.copyName(b.name)
		output = name
	case !r.onlyBias(b.name):
		name = b.name + "_bias" // the plain names are those of the operand, where the reference quantizes that
		output = r.unique(name + "_DequantizeLinear_Output")
	default:
		r.dropInitializer(b.name)
	}
	dims, scaleDims, axis := t.Dims, []int64{}, -1
	switch {
	case len(scales) > 1 && byRow(t):
		scaleDims, axis = []int64{int64(len(scales))}, 1
	case len(scales) > 1:
		dims, scaleDims, axis = []int64{int64(len(values))}, []int64{int64(len(scales))}, 0
	}
	q := make([]byte, 4*len(values))
	biasInto(q, values, scales)
	quantized := r.add(name+"_quantized", tensor.Int32, dims, q)
	at := written{r.add(quantized+"_scale", tensor.Float32, scaleDims, floatBytes(scales)),
		r.add(quantized+"_zero_point", tensor.Int32, scaleDims, make([]byte, 4*len(scales)))}
	r.front = append(r.front, r.convert("DequantizeLinear", name+"_DequantizeLinear", quantized, at, output, axis))
	b.node.Input[2] = output
	if b.node.OpType == "Gemm" {
		setAttribute(b.node, "beta", 1)
	}
}

// onlyBias reports whether nothing but biases read a constant.
func (r *rewriter) onlyBias(name string) bool {
	biases := 0
	for _, b := range r.biases {
		if b.name == name {
			biases++
		}
	}
	return r.uses[name] == biases && !r.within[name]
}

// copyName names a further copy of a bias as the reference does: by the number behind the largest that follows its name in another's.
func (r *rewriter) copyName(name string) string {
	number := 0
	for known := range r.names {
		if digits, ok := strings.CutPrefix(known, name); ok {
			if v, err := strconv.Atoi(digits); err == nil {
				number = max(number, v+1)
			}
		}
	}
	return r.unique(name + strconv.Itoa(number))
}

// biasInto writes the int32 integers of a bias, whose scale is the product of the input's and the weight's: one, or one for each channel, of
// which the values are one row or more.
func biasInto(out []byte, values []float32, scales []float32) {
	for i, x := range values {
		binary.LittleEndian.PutUint32(out[4*i:], uint32(biasInteger(x, scales[i%len(scales)])))
	}
}
