package onnx

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Each rule was tried on onnxruntime 1.30.0: what is refused here does not load there, and what is taken loads.
func TestCheckOfQuantizationByOpset(t *testing.T) {
	type change func(m *onnxpb.ModelProto)
	opset := func(v int64) change { return func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = v } }
	zero := func(d tensor.DType) change {
		return func(m *onnxpb.ModelProto) {
			z := m.Graph.Initializer[1]
			z.DataType, z.RawData = int32(d), make([]byte, (d.Bits()+7)/8)
		}
	}
	scale := func(d tensor.DType) change {
		return func(m *onnxpb.ModelProto) {
			s := m.Graph.Initializer[0]
			s.DataType, s.RawData = int32(d), make([]byte, d.Bits()/8)
		}
	}
	attr := func(name string) change {
		return func(m *onnxpb.ModelProto) { SetAttrInt(m.Graph.Node[0], name, 1) }
	}
	contrib := func(m *onnxpb.ModelProto) {
		for _, n := range []int{0, 2} {
			m.Graph.Node[n].Domain = Contrib
		}
	}
	node := func(op string) change {
		return func(m *onnxpb.ModelProto) { m.Graph.Node = append(m.Graph.Node, nodesOf(op+" x > extra")...) }
	}
	for name, c := range map[string]struct {
		changes []change
		want    string
	}{
		"8-bit at 13":                 {nil, ""},
		"8-bit at 12":                 {[]change{opset(12)}, ""},
		"MaxPool at 11":               {[]change{opset(11)}, "MaxPool p reads uint8, which needs opset 12, and the model imports 11"},
		"MaxPool at 11 behind int8":   {[]change{opset(11), zero(tensor.Int8), contrib}, "MaxPool p reads int8"},
		"at 9":                        {[]change{opset(9)}, "QuantizeLinear q needs opset 10"},
		"DynamicQuantizeLinear at 10": {[]change{opset(10), node("DynamicQuantizeLinear")}, "DynamicQuantizeLinear extra needs opset 11"},
		"MatMulInteger at 9":          {[]change{opset(9), node("MatMulInteger")}, "MatMulInteger extra needs opset 10"},
		"axis at 12":                  {[]change{opset(12), attr("axis")}, "QuantizeLinear q has attribute axis, which needs opset 13"},
		"axis at 13":                  {[]change{attr("axis")}, ""},
		"contrib axis at 12":          {[]change{opset(12), contrib, attr("axis")}, ""},
		"block_size at 19":            {[]change{opset(19), attr("block_size")}, "attribute block_size, which needs opset 21"},
		"block_size at 21":            {[]change{opset(21), attr("block_size")}, ""},
		"contrib block_size":          {[]change{opset(21), contrib, attr("block_size")}, "attribute block_size, which the operator of com.microsoft has not"},
		"int4 at 13":                  {[]change{zero(tensor.Int4)}, "QuantizeLinear q takes z of int4, which needs opset 21"},
		"int4 at 21":                  {[]change{opset(21), zero(tensor.Int4)}, ""},
		"contrib int4 at 13":          {[]change{zero(tensor.Int4), contrib}, ""},
		"int16 at 19":                 {[]change{opset(19), zero(tensor.Int16)}, "takes z of int16, which needs opset 21"},
		"float8 at 18":                {[]change{opset(18), zero(tensor.Float8E4M3FN)}, "takes z of float8e4m3fn, which needs opset 19"},
		"float8 at 19":                {[]change{opset(19), zero(tensor.Float8E4M3FN)}, ""},
		"float4 at 21":                {[]change{opset(21), zero(tensor.Float4E2M1)}, "needs opset 23"},
		"int2 at 24":                  {[]change{opset(24), zero(tensor.Int2)}, "needs opset 25"},
		"half scale at 18":            {[]change{opset(18), scale(tensor.Float16)}, "takes s of float16, which needs opset 19"},
		"half scale at 19":            {[]change{opset(19), scale(tensor.Float16)}, ""},
		"a weight by no input at IR 3": {[]change{func(m *onnxpb.ModelProto) {
			m.IrVersion = 3
			m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{Name: "u", DataType: int32(tensor.Int8), RawData: []byte{1}})
		}}, "initializer u is no input and nothing reads it, which needs IR version 4, and the model has 3"},
		"read weights at IR 3": {[]change{func(m *onnxpb.ModelProto) { m.IrVersion = 3 }}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := quantized()
			for _, f := range c.changes {
				f(m)
			}
			err := New(m).Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckOfAttributes(t *testing.T) {
	kind := func(name string, v onnxpb.AttributeProto_AttributeType) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: v}
	}
	both := kind("axis", onnxpb.AttributeProto_INT)
	both.F = 2
	wrong := kind("axis", onnxpb.AttributeProto_FLOAT)
	wrong.I = 1
	untyped := kind("axis", onnxpb.AttributeProto_UNDEFINED)
	untyped.I = 1
	ref := &onnxpb.AttributeProto{Name: "axis", RefAttrName: "outer"}
	refBoth := proto.Clone(ref).(*onnxpb.AttributeProto)
	refBoth.I = 3
	for name, c := range map[string]struct {
		attributes []*onnxpb.AttributeProto
		want       string
	}{
		"a zero":       {[]*onnxpb.AttributeProto{kind("axis", onnxpb.AttributeProto_INT)}, ""},
		"an empty one": {[]*onnxpb.AttributeProto{kind("axes", onnxpb.AttributeProto_INTS)}, ""},
		"no type":      {[]*onnxpb.AttributeProto{untyped}, "MatMul that makes Y has attribute axis without a type"},
		"wrong type":   {[]*onnxpb.AttributeProto{wrong}, "attribute axis of type FLOAT with a value of type [INT]"},
		"two values":   {[]*onnxpb.AttributeProto{both}, "attribute axis of type INT with a value of type [FLOAT]"},
		"no name":      {[]*onnxpb.AttributeProto{kind("", onnxpb.AttributeProto_INT)}, "an attribute without a name"},
		"twice":        {[]*onnxpb.AttributeProto{kind("axis", onnxpb.AttributeProto_INT), kind("axis", onnxpb.AttributeProto_INT)}, "attribute axis twice"},
		"no tensor":    {[]*onnxpb.AttributeProto{kind("value", onnxpb.AttributeProto_TENSOR)}, "attribute value of type TENSOR without a value"},
		"a reference":  {[]*onnxpb.AttributeProto{ref}, ""},
		"and a value":  {[]*onnxpb.AttributeProto{refBoth}, "attribute axis, which is that of its function and has a value too"},
	} {
		m := small()
		m.Graph.Node[1].Attribute = c.attributes
		err := New(m).Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Elements below a byte are packed, and the last byte may be part filled.
func TestCheckOfPackedLengths(t *testing.T) {
	for _, c := range []struct {
		d     tensor.DType
		dims  []int64
		bytes int
		ok    bool
	}{
		{tensor.Uint4, []int64{3}, 2, true}, {tensor.Uint4, []int64{3}, 1, false}, {tensor.Int4, []int64{3, 3}, 5, true}, {tensor.Int4, []int64{3, 3}, 6, false},
		{tensor.Uint2, []int64{5}, 2, true}, {tensor.Int2, []int64{5}, 1, false}, {tensor.Int2, []int64{4}, 1, true}, {tensor.Int4, []int64{0}, 0, true},
	} {
		for _, typed := range []bool{false, true} {
			x := &onnxpb.TensorProto{Name: "x", DataType: int32(c.d), Dims: c.dims, RawData: make([]byte, c.bytes)}
			if typed {
				x.RawData, x.Int32Data = nil, make([]int32, c.bytes)
			}
			m := small()
			m.Graph.Initializer = append(m.Graph.Initializer, x)
			if err := New(m).Check(); (err == nil) != c.ok {
				t.Errorf("%d bytes for %s %v, typed %v: %v", c.bytes, c.d, c.dims, typed, err)
			}
		}
	}
}

func TestRequiredIR(t *testing.T) {
	m := New(quantized())
	if got := m.RequiredIR(); got != 4 {
		t.Errorf("%d for weights that are no inputs", got)
	}
	m.Proto.Graph.Input = append(m.Proto.Graph.Input, &onnxpb.ValueInfoProto{Name: "s"}, &onnxpb.ValueInfoProto{Name: "z"})
	if got := m.RequiredIR(); got != 3 {
		t.Errorf("%d for weights that are inputs", got)
	}
	for d, want := range map[tensor.DType]int64{tensor.Float8E5M2: 9, tensor.Int4: 10, tensor.Float4E2M1: 11, tensor.Float8E8M0: 12, tensor.Uint2: 13, tensor.Int16: 3} {
		m.Proto.Graph.Initializer[1].DataType = int32(d)
		if got := m.RequiredIR(); got != want {
			t.Errorf("%d for %s, want %d", got, d, want)
		}
	}
}
