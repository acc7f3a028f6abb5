package quantize

import (
	"encoding/binary"
	"fmt"
	"slices"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// A constant that is float16 in the result may hold NaN only where it is chosen, compared with or a limit, and infinities only where it is not
// multiplied.

// role is what is done with a value, as far as it matters whether it is finite.
type role int

const (
	roleChosen role = iota // it is a limit, a filler, a result: it may be NaN or infinite
	roleAdded              // infinite, it may be a mask; NaN it spoils everything
	roleWeight             // it spoils everything
)

// multiplying are the operators that multiply by constants, and the first input that they may be.
var multiplying = map[string]int{"Conv": 1, "ConvTranspose": 1, "FusedConv": 1, "Gemm": 0, "FusedGemm": 0, "MatMul": 0, "FusedMatMul": 0, "LSTM": 1, "GRU": 1, "RNN": 1,
	"BatchNormalization": 1, "InstanceNormalization": 1, "LayerNormalization": 1, "SimplifiedLayerNormalization": 1, "GroupNormalization": 1,
	"SkipLayerNormalization": 2, "PRelu": 1, "Einsum": 0, "Mul": 0}

// choosing are the operators that choose among values or compare them, and those whose graphs go on with a value.
var choosing = []string{"Where", "Clip", "Min", "Max", "Pad", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsNaN", "IsInf", "OneHot", "Scatter",
	"ScatterElements", "ScatterND", "ArgMax", "ArgMin", "TopK", "Shape", "Size", "ConstantOfShape", "If", "Loop", "Scan"}

// handing are the operators that hand the values of an input on.
var handing = []string{"Identity", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Expand", "Tile", "Concat", "Cast", "CastLike", "Dropout",
	"DepthToSpace", "SpaceToDepth"}

// roles are what is done with the values of each graph, by name, those that graphs within it read too.
type roles map[*onnxpb.GraphProto]map[string]role

func (r roles) note(name string, as role, scope []*onnxpb.GraphProto) {
	for _, g := range scope { // a name is of one value in all that a graph sees
		r[g][name] = max(r[g][name], as)
	}
}

// look notes what the nodes of a graph do with values, the last first, because what hands a value on does with it what its readers do.
func (r roles) look(g *onnxpb.GraphProto, around []*onnxpb.GraphProto) {
	scope := append(around[:len(around):len(around)], g)
	if r[g] == nil {
		r[g] = map[string]role{}
	}
	for _, n := range slices.Backward(g.Node) {
		for _, sub := range onnx.AttrGraphs(n) {
			r[sub] = map[string]role{}
			for i, o := range sub.Output {
				if n.OpType == "If" && i < len(n.Output) {
					r[sub][o.Name] = r[g][n.Output[i]]
				}
			}
			r.look(sub, scope)
		}
		for i, name := range n.Input {
			r.note(name, r.of(n, i, g), scope)
		}
	}
}

// of is what a node of a graph does with its input i.
func (r roles) of(n *onnxpb.NodeProto, i int, g *onnxpb.GraphProto) (as role) {
	first, multiplies := multiplying[n.OpType]
	switch {
	case slices.Contains(handing, n.OpType):
		for _, name := range n.Output {
			as = max(as, r[g][name])
		}
		return as
	case slices.Contains(choosing, n.OpType):
		return roleChosen
	case n.OpType == "Gemm" || n.OpType == "FusedGemm":
		if i == 2 { // which the runtime makes of an Add
			return roleAdded
		}
		return roleWeight
	case multiplies && i >= first, n.OpType == "Attention" && onnx.Domain(n.Domain) != "" && (i == 1 || i == 2):
		return roleWeight
	}
	return roleAdded
}

// wrong refuses a constant that is not finite, where it may not be so.
func (as role) wrong(name string, t halfTally) error {
	if as == roleWeight && t.noNum+t.infinite > 0 || as == roleAdded && t.noNum > 0 {
		return fmt.Errorf("weight %s holds %d NaN or infinite values; mend the model", name, t.noNum+t.infinite)
	}
	return nil
}

// checkHalves looks at the constants of a graph, and of those within, that were in half precision before.
func (r *halver) checkHalves(g *onnxpb.GraphProto) error {
	for _, t := range g.Initializer {
		if err := r.checkHalf(t, t.Name, r.roles[g][t.Name]); err != nil {
			return err
		}
	}
	for _, n := range g.Node {
		if t := onnx.AttrTensor(n, "value"); t != nil && n.OpType == "Constant" {
			if err := r.checkHalf(t, n.Output[0], r.roles[g][n.Output[0]]); err != nil {
				return err
			}
		}
		for _, sub := range onnx.AttrGraphs(n) {
			if err := r.checkHalves(sub); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *halver) checkHalf(t *onnxpb.TensorProto, name string, as role) error {
	exponent, known := map[tensor.DType]uint16{tensor.Float16: 0x7c00, tensor.BFloat16: 0x7f80}[tensor.DType(t.DataType)]
	if !known || as == roleChosen {
		return nil
	}
	raw, release, err := r.model.View(t)
	if err != nil {
		return err
	}
	defer release()
	var tally halfTally
	for i := 0; i+2 <= len(raw); i += 2 {
		switch bits := binary.LittleEndian.Uint16(raw[i:]) &^ (1 << 15); {
		case bits > exponent:
			tally.noNum++
		case bits == exponent:
			tally.infinite++
		}
	}
	return as.wrong(name, tally)
}
