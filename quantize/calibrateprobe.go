package quantize

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// probe sees tensors in what a run takes and gives.
type probe interface {
	// see looks at tensor i. NaN and infinite values are an error.
	see(i int, feeds, outputs []tensor.Value) (extremesSeen, error)
}

// extremesSeen is one tensor in one example.
type extremesSeen struct {
	empty     bool // it has no elements, as the cache of a first token
	low, high float32
	values    []float32 // where they are fetched
}

var errBadValues = errors.New("holds NaN or infinite values; mend the data or the model, or leave this example out")

// figures are what is appended to the graph for each tensor. The runtime's ReduceMin and ReduceMax look past NaN (onnxruntime 1.30.0); the
// sum of magnitudes does not, and it cannot be NaN for another reason.
var figures = []string{"ReduceMin", "ReduceMax", "ReduceL1"}

// figureProbe reads the figures of tensors, which are all that its graph gives.
type figureProbe struct{}

// probeFigures gives the graph with the figures of each tensor as its outputs. The nodes of what is computed first come last: the runtime orders a
// graph by its ends, the last one first (onnxruntime 1.30.0), and so takes the figures of a tensor as soon as it is there, and forgets it. In the
// order of the graph it would hold all tensors to the end.
func probeFigures(g *onnxpb.GraphProto, tensors []string) (probe, *onnxpb.GraphProto) {
	out := &onnxpb.GraphProto{Name: g.Name, Initializer: g.Initializer, SparseInitializer: g.SparseInitializer, Input: g.Input, ValueInfo: g.ValueInfo}
	taken := valueNames(g)
	var takers []*onnxpb.NodeProto
	for _, name := range tensors {
		for _, op := range figures {
			result := unusedName(name+"_"+op, taken)
			takers = append(takers, &onnxpb.NodeProto{Name: result, OpType: op, Input: []string{name}, Output: []string{result},
				Attribute: []*onnxpb.AttributeProto{{Name: "keepdims", Type: onnxpb.AttributeProto_INT, I: 0}}})
			out.Output = append(out.Output, &onnxpb.ValueInfoProto{Name: result})
		}
	}
	slices.Reverse(takers)
	out.Node = slices.Concat(g.Node, takers)
	return figureProbe{}, out
}

func (figureProbe) see(i int, _, outputs []tensor.Value) (extremesSeen, error) {
	at := outputs[len(figures)*i:]
	low, err1 := scalar(at[0])
	high, err2 := scalar(at[1])
	sum, err3 := scalar(at[2])
	if err := errors.Join(err1, err2, err3); err != nil {
		return extremesSeen{}, err
	}
	if math.IsInf(float64(low), 1) && math.IsInf(float64(high), -1) {
		return extremesSeen{empty: true}, nil
	}
	if sum != sum || low-low != 0 || high-high != 0 {
		return extremesSeen{}, errBadValues
	}
	return extremesSeen{low: low, high: high}, nil
}

func scalar(v tensor.Value) (float32, error) {
	if v.Tensor == nil || v.Tensor.DType != tensor.Float32 || len(v.Tensor.Data) != 4 {
		return 0, errors.New("has extremes that are no float32 numbers")
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(v.Tensor.Data)), nil
}

// valueProbe takes tensors as they are, from the feeds where they are inputs.
type valueProbe struct {
	feed, output []int // by the order of tensors; -1 where it is not there
}

// probeValues gives the graph with the tensors themselves as its outputs.
func probeValues(g *onnxpb.GraphProto, tensors []string) (probe, *onnxpb.GraphProto) {
	out := &onnxpb.GraphProto{Name: g.Name, Initializer: g.Initializer, SparseInitializer: g.SparseInitializer, Input: g.Input, ValueInfo: g.ValueInfo, Node: g.Node}
	inputs := map[string]int{}
	weights := map[string]bool{}
	for _, t := range g.Initializer {
		weights[t.Name] = true
	}
	for _, v := range g.Input {
		if !weights[v.Name] {
			inputs[v.Name] = len(inputs)
		}
	}
	p := &valueProbe{}
	for _, name := range tensors {
		if i, ok := inputs[name]; ok {
			p.feed, p.output = append(p.feed, i), append(p.output, -1)
			continue
		}
		p.feed, p.output = append(p.feed, -1), append(p.output, len(out.Output))
		out.Output = append(out.Output, &onnxpb.ValueInfoProto{Name: name})
	}
	if len(out.Output) == 0 {
		out.Output = g.Output // a graph must give something
	}
	return p, out
}

func (p *valueProbe) see(i int, feeds, outputs []tensor.Value) (extremesSeen, error) {
	var v tensor.Value
	if at := p.feed[i]; at >= 0 {
		v = feeds[at]
	} else {
		v = outputs[p.output[i]]
	}
	if v.Tensor == nil || v.Tensor.DType != tensor.Float32 {
		return extremesSeen{}, errors.New("holds no float32 numbers")
	}
	values := floatsIn(v.Tensor.Data)
	if len(values) == 0 {
		return extremesSeen{empty: true}, nil
	}
	low, high, ok := bounds(values)
	if !ok {
		return extremesSeen{}, errBadValues
	}
	return extremesSeen{low: low, high: high, values: values}, nil
}

// bounds are the smallest and largest value, and whether all are finite.
func bounds(values []float32) (low, high float32, finite bool) {
	low, high = values[0], values[0]
	sum := float32(0) // of zeros, and NaN where a value is not finite
	for _, x := range values {
		low, high = min(low, x), max(high, x)
		sum += x - x
	}
	return low, high, sum == 0
}
