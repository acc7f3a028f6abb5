package quantize

import (
	"fmt"
	"slices"
	"sync/atomic"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// parts are what a constant becomes.
type parts struct {
	kind   tensor.DType
	scales []float32 // one, or one for each channel
	zeros  []int32
	at     written
	output string // of its DequantizeLinear
}

// constantType is the 8-bit type of a constant.
func (s *selection) constantType(c constant) tensor.DType {
	if o := s.override[c.name]; o != nil && o.Type != 0 {
		return o.Type
	}
	switch {
	case !c.weight:
		return s.options.Activation
	case s.options.Weight != 0:
		return s.options.Weight
	}
	return tensor.Int8
}

// constantSymmetric reports whether a constant's integers are spread around that of 0: with channels always, because the 8-bit operators take
// one zero point for all of them.
func (s *selection) constantSymmetric(c constant) bool {
	if o := s.override[c.name]; o != nil && o.Symmetric != nil {
		return *o.Symmetric
	}
	if c.weight {
		return c.axis >= 0 || s.constantType(c) == tensor.Int8
	}
	return c.axis >= 0 || s.options.Symmetric
}

// floats views a constant's values until release.
func (r *rewriter) floats(t *onnxpb.TensorProto) (values []float32, release func(), err error) {
	if tensor.DType(t.DataType) != tensor.Float32 {
		return nil, nil, fmt.Errorf("tensor %s is %s, not float32", t.Name, tensor.DType(t.DataType))
	}
	raw, release, err := r.model.View(t)
	return floatsIn(raw), release, err
}

// checkConstants names the first of the weights and biases to be quantized that is not finite.
func (s *selection) checkConstants() error {
	names := make([]string, 0, len(s.constants)+len(s.biases))
	for _, c := range s.constants {
		names = append(names, c.name)
	}
	for _, b := range s.biases {
		names = append(names, b.name)
	}
	for _, name := range names {
		values, err := s.model.Float32s(s.weight[name])
		if err != nil {
			return err
		}
		if _, _, finite := spanAll(values); !finite {
			return s.notFinite(name)
		}
	}
	return nil
}

func (x *index) notFinite(weight string) error {
	return fmt.Errorf("weight %s holds NaN or infinite values; it cannot be quantized: mend the model", called(x.model.Proto.Graph, weight))
}

// scale computes a constant's scales and zero points.
func (r *rewriter) scale(c constant) error {
	t := r.weight[c.name]
	values, release, err := r.floats(t)
	if err != nil {
		return err
	}
	defer release()
	p := &parts{kind: r.constantType(c)}
	r.parts[c] = p
	lows, highs, finite := channelSpans(values, t.Dims, c.axis)
	if !finite {
		return r.notFinite(c.name)
	}
	o := r.override[c.name]
	if fixed, ok := o.params(); ok {
		p.scales, p.zeros = []float32{fixed.Scale}, []int32{fixed.Zero}
		if err := fits(fixed, p.kind); err != nil {
			return fmt.Errorf("weight %s: %w", c.name, err)
		}
		return nil
	}
	symmetric := r.constantSymmetric(c)
	integers := rangeOf(p.kind, symmetric, r.options.ReduceRange)
	for i := range lows {
		low, high := lows[i], highs[i]
		if o != nil && o.Range != nil {
			low, high = o.Range[0], o.Range[1]
		}
		q, err := paramsFor(low, high, integers, symmetric)
		if err != nil {
			return fmt.Errorf("weight %s: %w", c.name, err)
		}
		p.scales, p.zeros = append(p.scales, q.Scale), append(p.zeros, q.Zero)
	}
	return nil
}

// channelSpans gives the extremes of each channel along an axis, of all values where it is negative, widened to contain 0, and whether all
// values are finite.
func channelSpans(values []float32, dims []int64, axis int) (lows, highs []float32, finite bool) {
	if axis < 0 {
		low, high, finite := spanAll(values)
		return []float32{low}, []float32{high}, finite
	}
	outer, count, inner := split(dims, axis)
	lows, highs = make([]float32, count), make([]float32, count)
	if inner == 1 {
		return lows, highs, columnSpans(values, lows, highs)
	}
	rowLows, rowHighs := make([]float32, outer*count), make([]float32, outer*count)
	var odd atomic.Bool
	parallel(outer*count, rowGrain(inner), func(from, to int) {
		if !rowSpans(values[from*inner:to*inner], inner, rowLows[from:to], rowHighs[from:to]) {
			odd.Store(true)
		}
	})
	for i := range rowLows {
		c := i % count
		lows[c], highs[c] = min(lows[c], rowLows[i]), max(highs[c], rowHighs[i])
	}
	return lows, highs, !odd.Load()
}

// split gives how many values lie before an axis, along it and behind it.
func split(dims []int64, axis int) (outer, count, inner int) {
	outer, inner = 1, 1
	for i, d := range dims {
		switch {
		case i < axis:
			outer *= int(d)
		case i > axis:
			inner *= int(d)
		}
	}
	return outer, int(dims[axis]), inner
}

// plainFirst orders constants so that the copy which the reference would make takes the plain names.
func (r *rewriter) plainFirst() []constant {
	var first, rest []constant
	for _, c := range r.constants {
		if r.plain[c.name] == c {
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	return slices.Concat(first, rest)
}

// writeConstant adds a constant's integers, scales and zero points and their DequantizeLinear.
func (r *rewriter) writeConstant(c constant) error {
	t, p := r.weight[c.name], r.parts[c]
	dims := []int64{}
	if c.axis >= 0 {
		dims = []int64{int64(len(p.scales))}
	}
	source, quantized := "", ""
	if r.options.PairWeights {
		source = c.name
		quantized = r.unique(c.name + "_QuantizeLinear_Output")
	} else {
		values, release, err := r.floats(t)
		if err != nil {
			return err
		}
		defer release()
		quantized = r.add(c.name+"_quantized", p.kind, t.Dims, quantizeChannels(values, t.Dims, c.axis, p))
	}
	zeros := make([]byte, len(p.zeros))
	for i, z := range p.zeros {
		zeros[i] = byte(z)
	}
	p.at.scale = r.add(c.name+"_scale", tensor.Float32, dims, floatBytes(p.scales))
	p.at.zero = r.add(c.name+"_zero_point", p.kind, dims, zeros)
	p.output = r.unique(c.name + "_DequantizeLinear_Output")
	if source != "" {
		r.front = append(r.front, r.convert("QuantizeLinear", c.name+"_QuantizeLinear", source, p.at, quantized, c.axis))
	}
	r.front = append(r.front, r.convert("DequantizeLinear", c.name+"_DequantizeLinear", quantized, p.at, p.output, c.axis))
	return nil
}

// quantizeChannels gives the integers of a constant, each channel with its parameters.
func quantizeChannels(values []float32, dims []int64, axis int, p *parts) []byte {
	q := make([]byte, len(values))
	if axis < 0 {
		quantizeAll(q, values, Params{p.scales[0], p.zeros[0]}, p.kind)
		return q
	}
	outer, count, inner := split(dims, axis)
	if inner == 1 {
		quantizeColumns(q, values, p)
		return q
	}
	for o := range outer { // rows of one matrix after another, because their parameters begin anew
		at := o * count * inner
		parallel(count, rowGrain(inner), func(from, to int) {
			quantizeRows(q[at+from*inner:at+to*inner], values[at+from*inner:at+to*inner], inner, p.scales[from:to], p.zeros[from:to], p.kind)
		})
	}
	return q
}
