package quantize

import (
	"fmt"
	"io"
	"slices"

	"assay/onnx"
	"assay/tensor"
)

// weightForm is a way of quantizing a weight. Nodes that agree on it share the result.
type weightForm struct {
	name   string
	kind   tensor.DType
	axis   int  // of channels, in the weight as it stands; -1 for one scale over all
	turned bool // the last two dimensions are exchanged
	gates  bool // of an LSTM: [directions, 4*hidden, inputs], a scale a direction, or one a row
	table  bool // among activations: never reduced
}

// weightNames are the initializers that a weight becomes.
type weightNames struct{ quantized, scale, zero string }

// laid is how a form sees a weight of dimensions dims: channels along axis of view, and the dimensions of the result and of its scales.
func (f weightForm) laid(dims []int64, perChannel bool) (view []int64, axis int, out, scales []int64) {
	view, axis, out, scales = dims, f.axis, slices.Clone(dims), []int64{}
	rank := len(dims)
	switch {
	case f.gates && perChannel:
		view, scales = []int64{dims[0] * dims[1], dims[2]}, slices.Clone(dims[:2])
	case f.gates:
		scales = slices.Clone(dims[:1])
	case axis >= 0 && rank > 2:
		// A stack of matrices: MatMulInteger wants the parameters of columns once for each matrix.
		scales = append(slices.Clone(dims[:rank-2]), 1, dims[rank-1])
	case axis >= 0:
		scales = []int64{dims[axis]}
	}
	if f.turned {
		out[rank-2], out[rank-1] = out[rank-1], out[rank-2]
	}
	return view, axis, out, scales
}

// weigh computes a weight's parameters, and adds its integers, which are made when the file is written, so that no more than one weight is in
// memory at a time.
func (r *dynamicRewriter) weigh(f weightForm) (weightNames, error) {
	if names, ok := r.written[f]; ok {
		return names, nil
	}
	t := r.weight[f.name]
	view, axis, dims, scaleDims := f.laid(t.Dims, r.options.PerChannel)
	p, err := r.parameters(f, view, axis)
	if err != nil {
		return weightNames{}, err
	}
	names := weightNames{quantized: r.values.Value(f.name + "_quantized"), scale: r.values.Value(f.name + "_scale"), zero: r.values.Value(f.name + "_zero_point")}
	count, _ := tensor.Count(scaleDims)
	copies := int(count) / len(p.scales)
	zeros := make([]byte, len(p.zeros))
	for i, z := range p.zeros {
		zeros[i] = byte(z)
	}
	scale, zero := tensorOf(names.scale, tensor.Float32, scaleDims...), tensorOf(names.zero, f.kind, scaleDims...)
	scale.RawData, zero.RawData = floatBytes(slices.Repeat(p.scales, copies)), slices.Repeat(zeros, copies)
	integers := tensorOf(names.quantized, f.kind, dims...)
	source := r.model.CloneTensor(t)
	size, _ := tensor.Count(t.Dims)
	r.model.SetData(integers, onnx.Data{Size: size, Write: func(w io.Writer) error {
		values, release, err := r.model.View(source)
		if err != nil {
			return err
		}
		defer release()
		q := quantizeChannels(floatsIn(values), view, axis, p)
		if f.turned {
			q = turn(q, int(dims[len(dims)-1]), int(dims[len(dims)-2]))
		}
		_, err = w.Write(q)
		return err
	}})
	r.added = append(r.added, integers, scale, zero)
	r.replaced[f.name] = true
	r.written[f] = names
	return names, nil
}

// parameters computes scales and zero points as onnxruntime.quantization does: unsigned weights keep a zero point of their own.
func (r *dynamicRewriter) parameters(f weightForm, view []int64, axis int) (*parts, error) {
	raw, release, err := r.model.View(r.weight[f.name])
	if err != nil {
		return nil, err
	}
	defer release()
	lows, highs, finite := channelSpans(floatsIn(raw), view, axis)
	if !finite {
		return nil, r.notFinite(f.name)
	}
	p := &parts{kind: f.kind}
	symmetric := f.kind == tensor.Int8
	for i := range lows {
		q, err := paramsFor(lows[i], highs[i], rangeOf(f.kind, symmetric, r.options.ReduceRange && !f.table), symmetric)
		if err != nil {
			return nil, fmt.Errorf("weight %s: %w", f.name, err)
		}
		p.scales, p.zeros = append(p.scales, q.Scale), append(p.zeros, q.Zero)
	}
	return p, nil
}
