package quantize

import (
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

const (
	// givenProducts and madeUpProducts are about how many multiplications the original may take on the examples that outputs are compared on: of
	// given ones a quarter of a second or so. What is made up says little, and more of it little more.
	givenProducts, madeUpProducts = 2.5e9, 0.32e9
	// fewCompared is on how many given examples outputs are compared at least, where there are so many, and manyCompared at most; mostMadeUp at most
	// of made-up ones.
	fewCompared, manyCompared, mostMadeUp = 8, 256, 8
	// unknownSize is what a dimension counts for that depends on the input, but for the first, which is the batch.
	unknownSize = 64
	// elementProducts is how many multiplications of products take the time of one element that is written.
	elementProducts = 8
)

// comparedExamples is on how many examples outputs are compared. It depends on the prepared model alone: equal requests compare equally much, however
// busy the machine is.
func comparedExamples(m *onnx.Model, given bool) int {
	if given {
		return int(min(max(givenProducts/effort(m), fewCompared), manyCompared))
	}
	return int(min(max(madeUpProducts/effort(m), 1), mostMadeUp))
}

// effort estimates how many multiplications one run of a model on an example takes, by the shapes that its main graph says.
func effort(m *onnx.Model) float64 {
	g := m.Proto.Graph
	e := estimate{weights: map[string]*onnxpb.TensorProto{}, dims: map[string][]int64{}}
	for _, t := range g.Initializer {
		e.weights[t.Name] = t
	}
	for _, v := range slices.Concat(g.Input, g.Output, g.ValueInfo) {
		if shape := v.GetType().GetTensorType().GetShape(); shape != nil {
			e.dims[v.Name] = sizes(shape)
		}
	}
	total := 1.0
	for _, n := range g.Node {
		total += e.node(n)
	}
	return total
}

// estimate holds what a graph says of its values.
type estimate struct {
	weights map[string]*onnxpb.TensorProto
	dims    map[string][]int64
}

// sizes are a shape's, those that are not known as they count.
func sizes(shape *onnxpb.TensorShapeProto) (out []int64) {
	for i, d := range shape.Dim {
		size := d.GetDimValue()
		switch {
		case size <= 0 && i == 0:
			size = 1
		case size <= 0:
			size = unknownSize
		}
		out = append(out, size)
	}
	return out
}

// node estimates one node's part.
func (e *estimate) node(n *onnxpb.NodeProto) (total float64) {
	for _, name := range n.Output {
		if dims := e.dims[name]; dims != nil {
			total += elementProducts * product(dims)
		}
	}
	for _, name := range n.Input {
		if w := e.weights[name]; w != nil && len(w.Dims) > 1 {
			total += product(w.Dims) * e.uses(n, len(w.Dims))
		}
	}
	for _, sub := range onnx.AttrGraphs(n) {
		for _, w := range sub.Initializer {
			total += product(w.Dims) * unknownSize
		}
	}
	return total
}

// uses is how many times a node multiplies each element of a weight of a rank, 0 where it multiplies none.
func (e *estimate) uses(n *onnxpb.NodeProto, rank int) float64 {
	switch n.OpType {
	case "Conv", "ConvTranspose":
		at := n.Output[0]
		if n.OpType == "ConvTranspose" {
			at = n.Input[0]
		}
		dims := e.dims[at]
		if len(dims) != rank {
			dims = slices.Repeat([]int64{unknownSize}, rank)
		}
		return product(dims[2:])
	case "MatMul", "Gemm", "Attention":
		if dims := e.dims[n.Output[0]]; len(dims) > 0 {
			return product(dims[:len(dims)-1])
		}
		return unknownSize
	case "LSTM", "GRU", "RNN":
		if dims := e.dims[n.Input[0]]; len(dims) > 0 {
			return float64(dims[0])
		}
		return unknownSize
	}
	return 0
}

func product(dims []int64) float64 {
	all := 1.0
	for _, d := range dims {
		all *= float64(d)
	}
	return all
}
