package upgrade

import (
	"encoding/binary"
	"math"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// take removes an attribute and gives it, nil where the node has none.
func take(n *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	a := onnx.Attr(n, name)
	onnx.RemoveAttr(n, name)
	return a
}

// setInput puts a value at a place among the inputs; those between that are not there are left out.
func setInput(n *onnxpb.NodeProto, at int, name string) {
	for len(n.Input) <= at {
		n.Input = append(n.Input, "")
	}
	n.Input[at] = name
}

func hasInput(n *onnxpb.NodeProto, at int) bool { return at < len(n.Input) && n.Input[at] != "" }

// int64s is a constant of one dimension.
func int64s(values ...int64) *onnxpb.TensorProto {
	t := &onnxpb.TensorProto{DataType: int32(tensor.Int64), Dims: []int64{int64(len(values))}}
	for _, v := range values {
		t.RawData = binary.LittleEndian.AppendUint64(t.RawData, uint64(v))
	}
	return t
}

func float32s(values ...float32) *onnxpb.TensorProto {
	t := &onnxpb.TensorProto{DataType: int32(tensor.Float32), Dims: []int64{int64(len(values))}}
	for _, v := range values {
		t.RawData = binary.LittleEndian.AppendUint32(t.RawData, math.Float32bits(v))
	}
	return t
}

// scalar is a constant without dimensions, of one of the types that attributes of type float stand for.
func scalar(d tensor.DType, v float32) (t *onnxpb.TensorProto, ok bool) {
	t = &onnxpb.TensorProto{DataType: int32(d)}
	switch d {
	case tensor.Float32:
		t.RawData = binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))
	case tensor.Float64:
		t.RawData = binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(v)))
	case tensor.Float16:
		t.RawData = binary.LittleEndian.AppendUint16(nil, half(v))
	default:
		return nil, false
	}
	return t, true
}

// half rounds to the nearest float16, halves to even; what is beyond the largest becomes that.
func half(v float32) uint16 {
	sign := uint16(math.Float32bits(v) >> 16 & 0x8000)
	size := math.Abs(float64(v))
	switch {
	case v != v:
		return 0x7e00
	case size >= 65504:
		return sign | 0x7bff
	case size < 0x1p-14: // counted in steps of the smallest number
		return sign | uint16(math.RoundToEven(size*0x1p24))
	}
	fraction, exponent := math.Frexp(size) // size = fraction * 2^exponent, fraction from 0.5
	return sign | uint16(int(math.RoundToEven(fraction*0x1p11))-1024+(exponent+14)<<10)
}
