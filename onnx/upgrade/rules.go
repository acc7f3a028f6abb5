package upgrade

import (
	"errors"
	"fmt"
	"math"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// step is one operator's way to one version of the operator set from the version before.
type step struct {
	operator string
	to       int64
}

// rule rewrites a node for a step. It may put nodes around it and add constants. An error says what stands in the way.
type rule func(c *converter, n *onnxpb.NodeProto) error

// rules holds every step at which an operator takes its arguments in another form or would mean something else. The steps of operators in
// unchanged are those that need nothing.
var rules = map[step]rule{
	{"BatchNormalization", 9}:  withoutSpatial,
	{"BatchNormalization", 14}: withoutTraining,
	{"Clip", 11}:               boundsToInputs,
	{"DFT", 20}:                axisToInput,
	{"Dropout", 10}:            withoutMask,
	{"Dropout", 12}:            ratioToInput,
	{"GridSample", 20}:         renameModes,
	{"GroupNormalization", 21}: refuse("its scale and bias are one a group there and one a channel here"),
	{"Hardmax", 13}:            overOneAxis,
	{"LogSoftmax", 13}:         overOneAxis,
	{"Pad", 11}:                padsToInputs,
	{"ReduceL1", 18}:           axesToInput,
	{"ReduceL2", 18}:           axesToInput,
	{"ReduceLogSum", 18}:       axesToInput,
	{"ReduceLogSumExp", 18}:    axesToInput,
	{"ReduceMax", 18}:          axesToInput,
	{"ReduceMean", 18}:         axesToInput,
	{"ReduceMin", 18}:          axesToInput,
	{"ReduceProd", 18}:         axesToInput,
	{"ReduceSum", 13}:          axesToInput,
	{"ReduceSumSquare", 18}:    axesToInput,
	{"Resize", 11}:             sayCoordinates,
	{"Resize", 13}:             withoutEmptyInputs,
	{"RoiAlign", 16}:           sayHalfPixel,
	{"Scan", 9}:                refuse("its first dimension is a batch there"),
	{"Scatter", 11}:            toScatterElements,
	{"Slice", 10}:              bordersToInputs,
	{"Softmax", 13}:            overOneAxis,
	{"Split", 13}:              sizesToInput,
	{"Split", 18}:              sayOutputs,
	{"Squeeze", 13}:            axesToInput,
	{"TopK", 10}:               countToInput,
	{"Unsqueeze", 13}:          axesToInput,
	{"Upsample", 9}:            scalesToInput,
	{"Upsample", 10}:           toResize,
}

func refuse(why string) rule {
	return func(*converter, *onnxpb.NodeProto) error { return errors.New(why) }
}

// moveInts turns an attribute of integers into an input, where the node has it.
func (c *converter) moveInts(n *onnxpb.NodeProto, name string, at int) {
	if a := take(n, name); a != nil && len(a.Ints) > 0 {
		setInput(n, at, c.add(n, name, int64s(a.Ints...)))
	}
}

// axesToInput: no axes mean all of them, before and after.
func axesToInput(c *converter, n *onnxpb.NodeProto) error {
	c.moveInts(n, "axes", 1)
	return nil
}

func sizesToInput(c *converter, n *onnxpb.NodeProto) error {
	c.moveInts(n, "split", 1)
	return nil
}

// sayOutputs: a Split without sizes must say from version 18 that it means equal parts.
func sayOutputs(_ *converter, n *onnxpb.NodeProto) error {
	if !hasInput(n, 1) {
		onnx.SetAttrInt(n, "num_outputs", int64(len(n.Output)))
	}
	return nil
}

func bordersToInputs(c *converter, n *onnxpb.NodeProto) error {
	c.moveInts(n, "starts", 1)
	c.moveInts(n, "ends", 2)
	c.moveInts(n, "axes", 3)
	return nil
}

func countToInput(c *converter, n *onnxpb.NodeProto) error {
	k := take(n, "k")
	if k == nil {
		return errors.New("it has no attribute k")
	}
	setInput(n, 1, c.add(n, "k", int64s(k.I)))
	return nil
}

// axisToInput: the default was axis 1 and became the last but one.
func axisToInput(c *converter, n *onnxpb.NodeProto) error {
	t := int64s(onnx.AttrInt(n, "axis", 1))
	onnx.RemoveAttr(n, "axis")
	t.Dims = nil
	setInput(n, 2, c.add(n, "axis", t))
	return nil
}

// boundsToInputs: the defaults are the largest numbers of float32, which bind nothing.
func boundsToInputs(c *converter, n *onnxpb.NodeProto) error {
	for i, name := range []string{"min", "max"} {
		a := take(n, name)
		if a == nil || math.Abs(float64(a.F)) >= math.MaxFloat32 && math.Signbit(float64(a.F)) == (name == "min") {
			continue
		}
		bound, err := c.number(n, a.F)
		if err != nil {
			return err
		}
		setInput(n, i+1, c.add(n, name, bound))
	}
	return nil
}

// number is a scalar of the type that the node's first input and output share.
func (c *converter) number(n *onnxpb.NodeProto, v float32) (*onnxpb.TensorProto, error) {
	d, err := c.floatType(n.Input[0], n.Output[0])
	if err != nil {
		return nil, err
	}
	t, ok := scalar(d, v)
	if !ok {
		return nil, fmt.Errorf("its type is %s", d)
	}
	return t, nil
}

func padsToInputs(c *converter, n *onnxpb.NodeProto) error {
	pads, value := take(n, "pads"), take(n, "value")
	if pads == nil {
		return errors.New("it has no attribute pads")
	}
	setInput(n, 1, c.add(n, "pads", int64s(pads.Ints...)))
	if value == nil || value.F == 0 || onnx.AttrString(n, "mode", "constant") != "constant" {
		return nil
	}
	t, err := c.number(n, value.F)
	if err != nil {
		return err
	}
	setInput(n, 2, c.add(n, "value", t))
	return nil
}

func withoutSpatial(_ *converter, n *onnxpb.NodeProto) error {
	if onnx.AttrInt(n, "spatial", 1) == 0 {
		return errors.New("it normalizes each element by statistics of its own (spatial 0)")
	}
	onnx.RemoveAttr(n, "spatial")
	return nil
}

// withoutTraining: the further outputs were statistics of training.
func withoutTraining(c *converter, n *onnxpb.NodeProto) error { return c.keepOutputs(n, 1) }

// withoutMask: the mask was of the data's type and became bool. Nothing is dropped outside training, so none needs it.
func withoutMask(c *converter, n *onnxpb.NodeProto) error { return c.keepOutputs(n, 1) }

// ratioToInput: the mask of a node that drops nothing was all false in the runtime and became all true. The ratio, which matters in
// training only, is always float32 in the runtime's older form, and may be in the newer.
func ratioToInput(c *converter, n *onnxpb.NodeProto) error {
	if a := take(n, "ratio"); a != nil {
		t, _ := scalar(tensor.Float32, a.F)
		setInput(n, 1, c.add(n, "ratio", t))
	}
	return c.keepOutputs(n, 1)
}

func renameModes(_ *converter, n *onnxpb.NodeProto) error {
	switch onnx.AttrString(n, "mode", "bilinear") {
	case "bilinear":
		onnx.SetAttrString(n, "mode", "linear")
	case "bicubic":
		onnx.SetAttrString(n, "mode", "cubic")
	}
	return nil
}

func sayHalfPixel(_ *converter, n *onnxpb.NodeProto) error {
	onnx.SetAttrString(n, "coordinate_transformation_mode", "output_half_pixel")
	return nil
}

func toScatterElements(_ *converter, n *onnxpb.NodeProto) error {
	n.OpType = "ScatterElements"
	return nil
}
