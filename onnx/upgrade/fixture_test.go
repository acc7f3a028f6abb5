//go:build cgo && linux

package upgrade

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/backend/ort"
	library "assay/backend/ort/install"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

var openRuntime = sync.OnceValues(func() (backend.Backend, error) {
	dir, err := library.DefaultDir()
	if err != nil {
		return nil, err
	}
	lib, err := library.Find(dir, "cpu")
	if err != nil {
		return nil, err
	}
	return ort.Open(ort.Config{Library: lib.Path, SHA256: lib.SHA256})
})

// network is a model and what it is fed.
type network struct {
	model *onnxpb.ModelProto
	feeds []tensor.Value
}

var (
	valueText     = regexp.MustCompile(`^(\w+)(?::(\w+))?\[([\d,]*)\](?:=(.*))?$`)
	attributeText = regexp.MustCompile(`^(\w+)=(\[?)(.*?)\]?$`)
)

// parse makes a network of two lines: its values, "x[2,3] i:int64[2]=0,1 W[3,4]", of which those in capitals are weights and those without
// numbers are drawn from a fixed seed; and its nodes, "Gemm x W > y alpha=0.5 transB=1; Relu y > z", of which the last gives the outputs.
func parse(t testing.TB, opset int64, values, nodes string) network {
	t.Helper()
	g := &onnxpb.GraphProto{Name: "g"}
	n := network{model: &onnxpb.ModelProto{IrVersion: 4, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: opset}}, Graph: g}}
	rng := rand.New(rand.NewPCG(1, 2))
	for word := range strings.FieldsSeq(values) {
		name, v := parseValue(t, rng, word)
		if name == strings.ToUpper(name) {
			g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: name, DataType: int32(v.DType), Dims: v.Shape, RawData: v.Data})
			continue
		}
		shape := &onnxpb.TensorShapeProto{}
		for _, d := range v.Shape {
			shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
		}
		g.Input = append(g.Input, &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
			TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(v.DType), Shape: shape}}}})
		n.feeds = append(n.feeds, tensor.Of(v))
	}
	for part := range strings.SplitSeq(nodes, ";") {
		g.Node = append(g.Node, parseNode(t, part))
		g.Node[len(g.Node)-1].Name += strconv.Itoa(len(g.Node))
	}
	for _, name := range g.Node[len(g.Node)-1].Output {
		if name != "" {
			g.Output = append(g.Output, &onnxpb.ValueInfoProto{Name: name})
		}
	}
	return n
}

func parseValue(t testing.TB, rng *rand.Rand, word string) (string, *tensor.Tensor) {
	t.Helper()
	m := valueText.FindStringSubmatch(word)
	if m == nil {
		t.Fatalf("value %q", word)
	}
	dtype := tensor.Float32
	if m[2] != "" {
		var err error
		if dtype, err = tensor.ParseDType(m[2]); err != nil {
			t.Fatal(err)
		}
	}
	v, err := tensor.New(dtype, integers(t, m[3])...)
	if err != nil {
		t.Fatal(err)
	}
	given := strings.Split(m[4], ",")
	for i := range v.Len() {
		x := rng.NormFloat64()
		if m[4] != "" {
			if x, err = strconv.ParseFloat(given[i%int64(len(given))], 64); err != nil {
				t.Fatal(err)
			}
		}
		put(v, i, x)
	}
	return m[1], v
}

func put(v *tensor.Tensor, i int64, x float64) {
	le := binary.LittleEndian
	switch v.DType {
	case tensor.Float32:
		le.PutUint32(v.Data[4*i:], math.Float32bits(float32(x)))
	case tensor.Float64:
		le.PutUint64(v.Data[8*i:], math.Float64bits(x))
	case tensor.Float16:
		le.PutUint16(v.Data[2*i:], half(float32(x)))
	case tensor.Int64:
		le.PutUint64(v.Data[8*i:], uint64(int64(x)))
	case tensor.Int32:
		le.PutUint32(v.Data[4*i:], uint32(int32(x)))
	default:
		v.Data[i] = byte(int(x))
	}
}

func integers(t testing.TB, text string) []int64 {
	t.Helper()
	var out []int64
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		v, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// parseNode reads an operator; "_" is an input or output that is left out.
func parseNode(t testing.TB, part string) *onnxpb.NodeProto {
	t.Helper()
	n := &onnxpb.NodeProto{}
	list := &n.Input
	for i, word := range strings.Fields(part) {
		m := attributeText.FindStringSubmatch(word)
		switch {
		case i == 0:
			n.OpType = word
		case word == ">":
			list = &n.Output
		case m != nil:
			n.Attribute = append(n.Attribute, parseAttribute(t, m[1], m[3], m[2] != ""))
		default:
			*list = append(*list, strings.Trim(word, "_"))
		}
	}
	n.Name = "the " + n.OpType
	return n
}

// parseAttribute tells integers, floats (with a point) and text apart.
func parseAttribute(t testing.TB, name, value string, many bool) *onnxpb.AttributeProto {
	t.Helper()
	a := &onnxpb.AttributeProto{Name: name}
	parts := strings.Split(value, ",")
	if _, err := strconv.ParseFloat(parts[0], 64); err != nil {
		a.Type, a.S = onnxpb.AttributeProto_STRING, []byte(value)
		if many {
			a.Type, a.S = onnxpb.AttributeProto_STRINGS, nil
			for _, p := range parts {
				a.Strings = append(a.Strings, []byte(p))
			}
		}
		return a
	}
	for _, p := range parts {
		f, err := strconv.ParseFloat(p, 32)
		if err != nil {
			t.Fatal(err)
		}
		a.Floats, a.Ints = append(a.Floats, float32(f)), append(a.Ints, int64(f))
	}
	real := strings.Contains(value, ".")
	switch {
	case real && many:
		a.Type, a.Ints = onnxpb.AttributeProto_FLOATS, nil
	case many:
		a.Type, a.Floats = onnxpb.AttributeProto_INTS, nil
	case real:
		a.Type, a.F, a.Floats, a.Ints = onnxpb.AttributeProto_FLOAT, a.Floats[0], nil, nil
	default:
		a.Type, a.I, a.Floats, a.Ints = onnxpb.AttributeProto_INT, a.Ints[0], nil, nil
	}
	return a
}

// save writes the network's model.
func (n network) save(t testing.TB) string {
	t.Helper()
	b, err := proto.Marshal(n.model)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// converted brings the model to another version and gives its file.
func (n network) converted(t testing.TB, target int64) (string, error) {
	t.Helper()
	m, err := onnx.Open(n.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := To(m, target); err != nil {
		return "", err
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "converted.onnx")
	return path, m.Save(path)
}

// outputs runs a model as it is, without optimisation.
func (n network) outputs(t testing.TB, path string) ([]tensor.Value, error) {
	t.Helper()
	be, err := openRuntime()
	if err != nil {
		t.Fatal(err)
	}
	s, err := be.Open(t.Context(), path, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "disable"})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Run(t.Context(), n.feeds)
}
