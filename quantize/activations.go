package quantize

import (
	"fmt"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// activationParams computes the parameters of every activation that has its own. Those that share another's need no range.
func (r *rewriter) activationParams() error {
	for _, name := range r.activations {
		p, known, err := r.ownParamsOf(name)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
		if _, shared := r.shares[name]; !known && !shared {
			return fmt.Errorf("no range is known of tensor %s: the ranges do not name it, or it is empty in every example", r.rangedBy(name))
		}
		if known {
			r.params[name] = p
		}
	}
	return nil
}

// ownParamsOf computes an activation's parameters from an override or its range, false where neither is known.
func (r *rewriter) ownParamsOf(name string) (Params, bool, error) {
	o := r.override[name]
	if p, ok := o.params(); ok {
		return p, true, fits(p, r.activationType(name))
	}
	seen, known := r.ranges[r.rangedBy(name)]
	if fixed, ok := r.fixed[name]; ok {
		seen, known = fixed, true
	}
	if o != nil && o.Range != nil {
		seen, known = *o.Range, true
	}
	if !known {
		return Params{}, false, nil
	}
	symmetric := r.symmetric(name)
	p, err := paramsFor(seen[0], seen[1], rangeOf(r.activationType(name), symmetric, false), symmetric)
	return p, true, err
}

// rangedBy is the tensor whose range is an activation's.
func (s *selection) rangedBy(name string) string {
	if cut, ok := s.follows[name]; ok {
		return cut
	}
	return name
}

// ranged are the tensors whose ranges decide parameters: not those that take another's, nor those whose range is known without data.
func (s *selection) ranged() (names []string) {
	taken := map[string]bool{}
	for _, name := range s.activations {
		o := s.override[name]
		_, shared := s.shares[name]
		_, fixed := s.fixed[name]
		if shared || fixed || o != nil && (o.Range != nil || o.Scale != nil) {
			continue
		}
		if by := s.rangedBy(name); !taken[by] {
			taken[by] = true
			names = append(names, by)
		}
	}
	return names
}

// root is the tensor whose parameters an activation takes.
func (r *rewriter) root(name string) string {
	if shared, ok := r.shares[name]; ok {
		return shared
	}
	return name
}

// scaleOf is the scale that a quantized tensor ends up with, false where it is not quantized or has one for each channel.
func (r *rewriter) scaleOf(n *onnxpb.NodeProto, i int) (float32, bool) {
	if c, ok := r.takes[slot{n, i}]; ok {
		return r.parts[c].scales[0], len(r.parts[c].scales) == 1
	}
	name := r.root(input(n, i))
	if p := r.sharedParts(name); p != nil {
		return p.scales[0], true
	}
	return r.params[name].Scale, r.marked[name]
}

// activation puts a pair behind a tensor; its consumers read the pair's output. A graph output keeps its name behind the pair.
func (r *rewriter) activation(name string) {
	at := r.writeParams(r.root(name))
	from, to := name, name
	if r.output[name] {
		from = r.unique(name + "_QuantizeLinear_Input")
		for _, n := range r.model.Proto.Graph.Node {
			for i, o := range n.Output {
				if o == name {
					n.Output[i] = from
				}
			}
		}
	} else {
		to = r.unique(name + "_DequantizeLinear_Output")
		r.replace[name] = to
	}
	middle := r.unique(name + "_QuantizeLinear_Output")
	r.after[from] = []*onnxpb.NodeProto{
		r.convert("QuantizeLinear", name+"_QuantizeLinear", from, at, middle, -1),
		r.convert("DequantizeLinear", name+"_DequantizeLinear", middle, at, to, -1),
	}
}

// writeParams adds a tensor's scale and zero point, once.
func (r *rewriter) writeParams(name string) written {
	if p := r.sharedParts(name); p != nil {
		return p.at
	}
	at, ok := r.written[name]
	if !ok {
		p := r.params[name]
		at.scale = r.add(name+"_scale", tensor.Float32, []int64{}, floatBytes([]float32{p.Scale}))
		at.zero = r.add(name+"_zero_point", r.activationType(name), []int64{}, []byte{byte(p.Zero)})
		r.written[name] = at
	}
	return at
}

// sharedParts are those of a constant whose parameters activations take, nil where the name is no such constant.
func (r *rewriter) sharedParts(name string) *parts {
	if p := r.parts[constant{name: name, axis: -1}]; p != nil {
		return p
	}
	return r.parts[constant{name: name, axis: -1, weight: true}]
}
