package quantize

import (
	"errors"
	"fmt"
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// dynamicTypes are the operator types whose weights dynamic quantization takes where no types are asked for: those that gain by it.
var dynamicTypes = []string{"MatMul", "Gemm", "Attention", "LSTM"}

// furtherDynamicTypes have to be asked for. Convolutions become slower, and the error of a table enters before every layer.
var furtherDynamicTypes = []string{"Conv", "Gather"}

// dynamicInt8 makes constant weights 8-bit integers and lets the model quantize what they are multiplied with while it runs, each tensor by
// its own extremes. It needs no data.
type dynamicInt8 struct {
	*index
	options Options
	filter  *filter
	types   map[string]bool
	plans   map[*onnxpb.NodeProto]*dynamicNode
	left    map[*onnxpb.NodeProto]string
}

// dynamicNode is a node that will compute on integers.
type dynamicNode struct {
	activation string // what is quantized while the model runs, "" for none
	weights    []weightForm
}

func newDynamic(m *onnx.Model, o Options) (*dynamicInt8, error) {
	if o.Weight != tensor.Uint8 && o.Weight != tensor.Int8 && o.Weight != 0 {
		return nil, fmt.Errorf("weights of type %s are not there for dynamic quantization; it has int8 and uint8", o.Weight)
	}
	f, err := o.filter()
	if err != nil {
		return nil, err
	}
	d := &dynamicInt8{options: o, filter: f, plans: map[*onnxpb.NodeProto]*dynamicNode{}, left: map[*onnxpb.NodeProto]string{}}
	if d.types, err = dynamicChoice(o.OpTypes); err != nil {
		return nil, err
	}
	liftConstants(m)
	d.index = newIndex(m)
	for _, n := range m.Proto.Graph.Node {
		f.look(n)
		p, why := d.plan(n)
		if p != nil {
			why = f.refuses(n, true)
		}
		if why != "" {
			d.left[n] = why
		} else {
			d.plans[n] = p
		}
	}
	return d, f.unused()
}

// dynamicChoice checks the operator types that were asked for.
func dynamicChoice(asked []string) (map[string]bool, error) {
	all := slices.Concat(dynamicTypes, furtherDynamicTypes)
	types := map[string]bool{}
	if len(asked) == 0 {
		asked = dynamicTypes
	}
	var errs []error
	for _, name := range asked {
		switch {
		case name == AllTypes && len(asked) > 1:
			errs = append(errs, fmt.Errorf("--op-types: %s stands for every type; name no others beside it", AllTypes))
		case name == AllTypes:
			asked = all
			for _, t := range all {
				types[t] = true
			}
		case slices.Contains(all, name):
			types[name] = true
		default:
			errs = append(errs, fmt.Errorf("--op-types: %s has no form that is quantized while it runs%s; want some of %v", name, hint(name, all), all))
		}
	}
	return types, errors.Join(errs...)
}

// plan says how a node will be quantized, or why not.
func (d *dynamicInt8) plan(n *onnxpb.NodeProto) (*dynamicNode, string) {
	domain := onnx.Domain(n.Domain)
	switch kind := n.OpType; {
	case domain == "" && kind == "Conv" && !d.types[kind]:
		return nil, "a convolution is slower on integers that are made while it runs; ask for it with --op-types, or use " + SchemeInt8Static
	case domain == "" && kind == "Gather" && !d.types[kind] && d.floatConstant(input(n, 0)) != nil:
		return nil, fmt.Sprintf("its table of %d bytes is quantized where --op-types names Gather: its error enters before every layer",
			byteSize(d.floatConstant(n.Input[0])))
	case domain == "" && slices.Contains([]string{"MatMul", "Gemm", "LSTM"}, kind) && !d.types[kind],
		domain == onnx.Contrib && kind == "Attention" && !d.types[kind]:
		return nil, "its type is not among those asked for"
	case domain == "" && kind == "MatMul":
		return d.planMatMul(n)
	case domain == "" && kind == "Gemm":
		return d.planGemm(n)
	case domain == "" && kind == "Conv":
		return d.planned(n, 1, weightForm{axis: -1}, 2)
	case domain == "" && kind == "LSTM":
		return d.planLSTM(n)
	case domain == "" && kind == "Gather" && d.types[kind]:
		return d.planTable(n)
	case domain == onnx.Contrib && kind == "Attention":
		return d.planAttention(n)
	}
	return nil, "its operator is not one that is quantized"
}

// planned plans a node with one weight, of the rank given at least.
func (d *dynamicInt8) planned(n *onnxpb.NodeProto, at int, form weightForm, rank int) (*dynamicNode, string) {
	why := d.unfit(n, at, rank)
	switch {
	case why != "":
		return nil, why
	case input(n, 0) == "":
		return nil, "it has no input"
	case d.weight[n.Input[0]] != nil:
		return nil, "its input is a constant"
	}
	form.name, form.kind = n.Input[at], d.weightType()
	return &dynamicNode{activation: n.Input[0], weights: []weightForm{form}}, ""
}

// weightType is the integer type of weights.
func (d *dynamicInt8) weightType() tensor.DType {
	if d.options.Weight != 0 {
		return d.options.Weight
	}
	return tensor.Int8
}

// unfit says why an input is no weight that can be quantized, "" where it is.
func (d *dynamicInt8) unfit(n *onnxpb.NodeProto, at, rank int) string {
	t := d.weight[input(n, at)]
	switch {
	case t == nil:
		return "its weight is computed, not a constant"
	case tensor.DType(t.DataType) != tensor.Float32:
		return "its weight is " + tensor.DType(t.DataType).String()
	case len(t.Dims) == 1 && rank > 1:
		return "its weight is a vector"
	case len(t.Dims) < rank:
		return fmt.Sprintf("its weight has %d dimensions", len(t.Dims))
	}
	if size, err := tensor.Count(t.Dims); err != nil || size == 0 {
		return "its weight is empty"
	}
	return ""
}

// columns is the axis of scales for a weight whose outputs lie along its last dimension, -1 for one scale over all.
func (d *dynamicInt8) columns(n *onnxpb.NodeProto) int {
	t := d.weight[input(n, 1)]
	if t == nil || !d.options.PerChannel {
		return -1
	}
	return len(t.Dims) - 1
}

func (d *dynamicInt8) planMatMul(n *onnxpb.NodeProto) (*dynamicNode, string) {
	return d.planned(n, 1, weightForm{axis: d.columns(n)}, 2)
}

func (d *dynamicInt8) planGemm(n *onnxpb.NodeProto) (*dynamicNode, string) {
	switch {
	case onnx.AttrInt(n, "transA", 0) != 0:
		return nil, "its input is transposed"
	case onnx.AttrFloat(n, "alpha", 1) != 1 || onnx.AttrFloat(n, "beta", 1) != 1:
		return nil, "its alpha or beta is not 1"
	}
	form := weightForm{axis: d.columns(n)}
	if onnx.AttrInt(n, "transB", 0) != 0 {
		form.turned = true
		form.axis = min(form.axis, 0) // outputs lie along the first dimension
	}
	return d.planned(n, 1, form, 2)
}

// planLSTM plans com.microsoft's DynamicQuantizeLSTM, which quantizes its inputs itself.
func (d *dynamicInt8) planLSTM(n *onnxpb.NodeProto) (*dynamicNode, string) {
	if onnx.AttrInt(n, "layout", 0) != 0 {
		return nil, "its batch comes first, for which the runtime has no 8-bit form"
	}
	p := &dynamicNode{}
	for _, at := range []int{1, 2} {
		if why := d.unfit(n, at, 3); why != "" {
			return nil, why
		}
		p.weights = append(p.weights, weightForm{name: n.Input[at], kind: tensor.Int8, gates: true, axis: 0, turned: true})
	}
	return p, ""
}

// planAttention plans com.microsoft's QAttention, which has less to it than Attention.
func (d *dynamicInt8) planAttention(n *onnxpb.NodeProto) (*dynamicNode, string) {
	switch {
	case onnx.Attr(n, "qkv_hidden_sizes") != nil, onnx.AttrInt(n, "rotary_embedding_dim", 0) != 0:
		return nil, "its queries, keys and values differ in a way that the 8-bit form has not"
	case input(n, 2) == "", input(n, 5) != "", input(n, 6) != "":
		return nil, "it has no bias or one of attention, which the 8-bit form takes only the other way round"
	case onnx.AttrInt(n, "past_present_share_buffer", 0) != 0:
		return nil, "it shares the buffer of its past, for which the 8-bit form wants an input that is not there"
	}
	return d.planned(n, 1, weightForm{axis: d.columns(n)}, 2)
}

// planTable plans a table, of the type of activations: what is looked up in it may be multiplied without being quantized again.
func (d *dynamicInt8) planTable(n *onnxpb.NodeProto) (*dynamicNode, string) {
	if why := d.unfit(n, 0, 1); why != "" {
		return nil, why
	}
	return &dynamicNode{weights: []weightForm{{name: n.Input[0], kind: tensor.Uint8, axis: -1, table: true}}}, ""
}

func (d *dynamicInt8) counts() NodeCounts {
	g := d.model.Proto.Graph
	c := NodeCounts{Total: len(g.Node), LeftFloat: []NodeLeft{}}
	for _, n := range g.Node {
		if d.plans[n] != nil {
			c.Quantized++
		} else {
			c.LeftFloat = append(c.LeftFloat, NodeLeft{nodeName(n), d.left[n]})
		}
	}
	return c
}

func (d *dynamicInt8) nothing() string {
	if len(d.plans) > 0 {
		return ""
	}
	for _, n := range d.model.Proto.Graph.Node {
		if d.types[n.OpType] || n.OpType == "Conv" {
			return nodeName(n) + ": " + d.left[n]
		}
	}
	return "it has no MatMul, Gemm, Attention or LSTM with constant float32 weights"
}
