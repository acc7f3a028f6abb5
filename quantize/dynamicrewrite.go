package quantize

import (
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// dynamicRewriter puts integer operators into a graph. Names follow onnxruntime.quantization's quantize_dynamic.
type dynamicRewriter struct {
	*dynamicInt8
	values   *onnx.Names
	written  map[weightForm]weightNames
	live     map[string]weightNames // activations that are quantized
	nodes    []*onnxpb.NodeProto
	added    []*onnxpb.TensorProto
	replaced map[string]bool // weights that nodes read no more
}

func (d *dynamicInt8) rewrite(res *Result) error {
	d.model.NameNodes()
	r := &dynamicRewriter{dynamicInt8: d, values: d.model.Names(), written: map[weightForm]weightNames{}, live: map[string]weightNames{}, replaced: map[string]bool{}}
	g := d.model.Proto.Graph
	convolutions := 0
	for _, n := range g.Node {
		p := d.plans[n]
		if p == nil {
			r.nodes = append(r.nodes, n)
			continue
		}
		if n.OpType == "Conv" {
			convolutions++
		}
		if err := r.node(n, p); err != nil {
			return err
		}
	}
	g.Node = r.nodes
	g.Initializer = append(g.Initializer, r.added...)
	dropUnread(d.model, r.replaced)
	d.model.SetMetadata("onnx.infer", "onnxruntime.quant") // the runtime's own mark of a quantized model
	if convolutions > 0 {
		res.warn("%d convolutions are quantized while the model runs: measured without VNNI, whole models of them took 6 to 19 times as long as in float; int8-static is the scheme for convolutions", convolutions)
	}
	return nil
}

// node replaces one node.
func (r *dynamicRewriter) node(n *onnxpb.NodeProto, p *dynamicNode) error {
	var weights []weightNames
	for _, f := range p.weights {
		w, err := r.weigh(f)
		if err != nil {
			return err
		}
		weights = append(weights, w)
	}
	switch n.OpType {
	case "Gather":
		r.gather(n, weights[0])
	case "LSTM":
		r.recurrent(n, weights[0], weights[1])
	case "Attention":
		r.attention(n, weights[0])
	default:
		r.product(n, weights[0])
	}
	return nil
}

// add adds a node behind those so far.
func (r *dynamicRewriter) add(op, name string, inputs, outputs []string) *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{OpType: op, Name: r.values.Node(name), Input: inputs, Output: outputs}
	r.nodes = append(r.nodes, n)
	return n
}

// activation quantizes a value where the first node wants it so.
func (r *dynamicRewriter) activation(name string) weightNames {
	if a, ok := r.live[name]; ok {
		return a
	}
	a := weightNames{quantized: r.values.Value(name + "_quantized"), scale: r.values.Value(name + "_scale"), zero: r.values.Value(name + "_zero_point")}
	r.add("DynamicQuantizeLinear", name+"_QuantizeLinear", []string{name}, []string{a.quantized, a.scale, a.zero})
	r.live[name] = a
	return a
}

// product makes a MatMul, Gemm or Conv one of integers, whose result is scaled and gets its bias in float.
func (r *dynamicRewriter) product(n *onnxpb.NodeProto, w weightNames) {
	a := r.activation(n.Input[0])
	name, made, bias := n.Name, n.Output[0], input(n, 2)
	op := "MatMulInteger"
	switch {
	case n.OpType == "Conv":
		op = "ConvInteger"
		if bias != "" {
			made = r.values.Value(made + "quant_scaled_output")
		}
	case n.OpType == "Gemm":
		name += "_MatMul"
		if bias != "" {
			made = r.values.Value(made + "_MatMul")
		}
	}
	whole, float := r.values.Value(made+"_output_quantized"), r.values.Value(made+"_output_quantized_cast_output")
	integer := r.add(op, name+"_quant", []string{a.quantized, w.quantized, a.zero, w.zero}, []string{whole})
	if n.OpType == "Conv" {
		integer.Attribute = n.Attribute
	}
	onnx.SetAttrInt(r.add("Cast", whole+"_cast", []string{whole}, []string{float}), "to", int64(tensor.Float32))
	scale := r.values.Value(name + "_quant_scales_mul:0")
	r.add("Mul", name+"_quant_scales_mul", []string{a.scale, w.scale}, []string{scale})
	r.add("Mul", name+"_quant_output_scale_mul", []string{float, scale}, []string{made})
	if bias == "" {
		return
	}
	if n.OpType == "Conv" {
		bias = r.channelBias(n)
	}
	r.add("Add", n.Name+"_Add", []string{made, bias}, []string{n.Output[0]})
}

// channelBias gives the bias of a convolution the dimensions of one value a channel.
func (r *dynamicRewriter) channelBias(n *onnxpb.NodeProto) string {
	shape := slices.Repeat([]int64{1}, len(r.weight[n.Input[1]].Dims))
	shape[1] = -1
	t := tensorOf(r.values.Value(n.Output[0]+"_bias_reshape_shape"), tensor.Int64, int64(len(shape)))
	t.Int64Data = shape
	r.added = append(r.added, t)
	out := r.values.Value(n.Output[0] + "_bias_reshape_output")
	r.add("Reshape", n.Name+"_bias_reshape", []string{n.Input[2], t.Name}, []string{out})
	return out
}

// recurrent makes an LSTM the runtime's own one with 8-bit weights.
func (r *dynamicRewriter) recurrent(n *onnxpb.NodeProto, w, recurrence weightNames) {
	inputs := append(slices.Clone(n.Input), "", "", "", "", "")[:8]
	inputs[1], inputs[2] = w.quantized, recurrence.quantized
	made := r.add("DynamicQuantizeLSTM", n.Name+"_quant", append(inputs, w.scale, w.zero, recurrence.scale, recurrence.zero), n.Output)
	made.Domain, made.Attribute = onnx.Contrib, n.Attribute
	onnx.RemoveAttr(made, "layout")
	r.model.ImportDomain(onnx.Contrib, 1)
}

// attention makes an Attention one of integers.
func (r *dynamicRewriter) attention(n *onnxpb.NodeProto, w weightNames) {
	a := r.activation(n.Input[0])
	made := r.add("QAttention", n.Name+"_quant", []string{a.quantized, w.quantized, n.Input[2], a.scale, w.scale, input(n, 3), a.zero, w.zero, input(n, 4)}, n.Output)
	made.Domain, made.Attribute = onnx.Contrib, n.Attribute
	onnx.RemoveAttr(made, "qkv_hidden_sizes")
	onnx.RemoveAttr(made, "rotary_embedding_dim")
}

// gather looks up integers. A product takes them as they are; for whoever else reads them they are made floats again.
func (r *dynamicRewriter) gather(n *onnxpb.NodeProto, table weightNames) {
	out := n.Output[0]
	a := weightNames{quantized: r.values.Value(out + "_quantized"), scale: table.scale, zero: table.zero}
	n.Input[0], n.Output[0] = table.quantized, a.quantized
	r.nodes = append(r.nodes, n)
	r.live[out] = a
	if r.readAsFloat(out) {
		r.add("DequantizeLinear", out+"_DequantizeLinear", []string{a.quantized, a.scale, a.zero}, []string{out})
	}
}

// readAsFloat says whether anything but the activation of a product reads a value.
func (r *dynamicRewriter) readAsFloat(name string) bool {
	if r.output[name] || r.within[name] {
		return true
	}
	for _, n := range r.model.Proto.Graph.Node {
		p := r.plans[n]
		for i, in := range n.Input {
			if in == name && (p == nil || p.activation != name || i > 0) {
				return true
			}
		}
	}
	return false
}
