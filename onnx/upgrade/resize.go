package upgrade

import (
	"encoding/binary"
	"errors"
	"math"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

func scalesToInput(c *converter, n *onnxpb.NodeProto) error {
	a := take(n, "scales")
	if a == nil {
		return errors.New("it has no attribute scales")
	}
	setInput(n, 1, c.add(n, "scales", float32s(a.Floats...)))
	return nil
}

func toResize(c *converter, n *onnxpb.NodeProto) error {
	n.OpType = "Resize"
	c.upsamples[n] = true
	return nil
}

// sayCoordinates: version 10 divides a place by the scale; from 11 that is one way of several, and not the default.
func sayCoordinates(c *converter, n *onnxpb.NodeProto) error {
	if len(n.Input) != 2 {
		return errors.New("it has no scales")
	}
	onnx.SetAttrString(n, "coordinate_transformation_mode", "asymmetric")
	if onnx.AttrString(n, "mode", "nearest") == "nearest" {
		round, err := c.rounding(n)
		if err != nil {
			return err
		}
		onnx.SetAttrString(n, "nearest_mode", round)
	}
	n.Input = []string{n.Input[0], c.add(n, "roi", float32s()), n.Input[1]}
	return nil
}

// rounding says how the runtime's version 10 comes from a place between two elements to one of them: upwards in dimensions that shrink,
// downwards in those that grow (onnxruntime core/providers/cpu/tensor/upsamplebase.h). Version 11 rounds all dimensions alike.
func (c *converter) rounding(n *onnxpb.NodeProto) (string, error) {
	if c.upsamples[n] {
		return "floor", nil
	}
	scales, err := c.floats(n.Input[1])
	if err != nil {
		return "", err
	}
	grows, shrinks := false, false
	for _, s := range scales {
		grows = grows || s > 1
		shrinks = shrinks || s < 1 && float32(math.Round(1/float64(s))) != 1/s // a whole step needs no rounding
	}
	switch {
	case grows && shrinks:
		return "", errors.New("it grows in one dimension and shrinks in another, which round differently")
	case shrinks:
		return "ceil", nil
	}
	return "floor", nil
}

// floats reads a constant.
func (c *converter) floats(name string) ([]float32, error) {
	t := c.constant(name)
	if t == nil || tensor.DType(t.DataType) != tensor.Float32 {
		return nil, errors.New("its scales " + name + " are no constant, and how it rounds depends on them")
	}
	v, err := c.m.Tensor(t)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(v.Data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.Data[4*i:]))
	}
	return out, nil
}

// withoutEmptyInputs: roi and scales had to be there, empty where they say nothing, and may be left out from version 13, which has one mode
// less.
func withoutEmptyInputs(c *converter, n *onnxpb.NodeProto) error {
	if onnx.AttrString(n, "coordinate_transformation_mode", "half_pixel") == "tf_half_pixel_for_nn" {
		return errors.New("its coordinate_transformation_mode tf_half_pixel_for_nn is there no more")
	}
	for i := 1; i < len(n.Input); i++ {
		if t := c.constant(n.Input[i]); t != nil && len(t.Dims) == 1 && t.Dims[0] == 0 {
			n.Input[i] = ""
		}
	}
	return nil
}
