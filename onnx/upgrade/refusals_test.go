//go:build cgo && linux

package upgrade

import (
	"slices"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// TestWhatHasNoRuleIsRefused wants the operator, the node, the step and the reason.
func TestWhatHasNoRuleIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		from          int64
		values, nodes string
		target        int64
		want          string
	}{
		"too old":          {6, "x[2,3]", "Relu x > y", 13, "its opset is 6, and conversion begins at opset 7"},
		"too new":          {13, "x[2,3]", "Relu x > y", 22, "opset 22 is newer than the newest"},
		"experimental":     {8, "x[1,3,2,2]", "ImageScaler x > y scale=2.0", 13, "no rule for ImageScaler from opset 8 to 9 (node the ImageScaler1); export the model with opset 13 or newer"},
		"Scan":             {8, "x[1,3]", "Scan x > y", 13, "no rule for Scan from opset 8 to 9 (node the Scan1): its first dimension is a batch there; export"},
		"statistics":       {8, "x[2,3] S[3] B[3] M[3] V[3]=1", "BatchNormalization x S B M V > y spatial=0", 13, "spatial 0"},
		"training":         {9, "x[2,3] S[3] B[3] M[3] V[3]=1", "BatchNormalization x S B M V > y m", 14, "its output m is read"},
		"mask":             {9, "x[2,3]", "Dropout x > y mask", 13, "no rule for Dropout from opset 9 to 10 (node the Dropout1): its output mask is read"},
		"mask of bool":     {10, "x[2,3]", "Dropout x > y mask", 13, "from opset 11 to 12"},
		"unknown scales":   {10, "x[1,1,4,4] s[4]=1,1,2,2", "Resize x s > y", 13, "its scales s are no constant"},
		"mixed scales":     {10, "x[1,1,8,4] S[4]=1,1,0.6,2", "Resize x S > y", 13, "it grows in one dimension and shrinks in another"},
		"half pixel of tf": {11, "x[1,1,8,4] R[0] S[4]=1,1,2,2", "Resize x R S > y coordinate_transformation_mode=tf_half_pixel_for_nn", 13, "tf_half_pixel_for_nn"},
		"group":            {18, "x[1,4,2,2] S[2] B[2]", "GroupNormalization x S B > y num_groups=2", 21, "one a group there"},
		"unknown type":     {7, "x[2,3] h:float16[1]", "Cast h > d to=1; Relu x > r; Clip r > y min=0.5", 13, "the type of r is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, c.from, c.values, c.nodes).converted(t, c.target)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestOldFunctionsAreRefused(t *testing.T) {
	n := parse(t, 9, "x[2,3]", "Relu x > y")
	n.model.Functions = []*onnxpb.FunctionProto{{Name: "f", Domain: "mine", OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 9}}}}
	if _, err := n.converted(t, 13); err == nil || !strings.Contains(err.Error(), "its function f is of opset 9") {
		t.Error(err)
	}
}

// TestOtherDomainsStay leaves operators of other domains, and models of those alone, as they are.
func TestOtherDomainsStay(t *testing.T) {
	n := parse(t, 9, "x[2,3]", "Clip x > y min=0.5")
	n.model.Graph.Node[0].Domain = "mine"
	for _, imports := range [][]*onnxpb.OperatorSetIdProto{{{Domain: "mine", Version: 9}}, {{Domain: "mine", Version: 9}, {Domain: "ai.onnx", Version: 9}}} {
		n.model.OpsetImport = imports
		m, err := onnx.Open(n.save(t))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := To(m, 13); err != nil {
			t.Fatal(err)
		}
		if node := m.Proto.Graph.Node[0]; len(node.Input) != 1 || len(node.Attribute) != 1 || m.Opset("mine") != 9 {
			t.Errorf("imports %v: %v", imports, m.Proto)
		}
		if v := m.Opset(""); v != 0 && v != 13 {
			t.Errorf("opset %d", v)
		}
	}
}

// TestIRVersionIsRaised: a model of IR version 3 lists its weights among the inputs because it must; from 4 that would leave them open to
// the caller. One of version 4 means it.
func TestIRVersionIsRaised(t *testing.T) {
	for version, want := range map[int64]int{3: 1, 4: 2} {
		n := parse(t, 7, "x[2,3] W[3,4]", "MatMul x W > y")
		n.model.IrVersion = version
		w := parse(t, 7, "w[3,4]", "Relu w > y").model.Graph.Input[0]
		w.Name = "W"
		n.model.Graph.Input = append(n.model.Graph.Input, w)
		m, err := onnx.Open(n.save(t))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := To(m, 13); err != nil {
			t.Fatal(err)
		}
		if m.Proto.IrVersion != 7 || len(m.Proto.Graph.Input) != want {
			t.Errorf("IR version %d becomes %d with %d inputs, want 7 and %d", version, m.Proto.IrVersion, len(m.Proto.Graph.Input), want)
		}
	}
}

// TestGraphsWithinNodes converts the branches of an If, with names that the outer graph and both branches share.
func TestGraphsWithinNodes(t *testing.T) {
	n := parse(t, 8, "x[2,3,4] c:bool[]=1", "Relu x > r; If c > y")
	branch := func(nodes string) *onnxpb.GraphProto {
		g := parse(t, 8, "", nodes).model.Graph
		for _, node := range g.Node {
			node.Name = ""
		}
		return g
	}
	n.model.Graph.Node[1].Attribute = []*onnxpb.AttributeProto{
		{Name: "then_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("Softmax r > s; Constant > k; Add s k > z")},
		{Name: "else_branch", Type: onnxpb.AttributeProto_GRAPH, G: branch("Unsqueeze r > s axes=[0]; Clip s > q max=0.5; Squeeze q > z axes=[0]")},
	}
	for _, a := range n.model.Graph.Node[1].Attribute {
		a.G.Output[0].Type = &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: 1}}}
		if k := a.G.Node[1]; k.OpType == "Constant" {
			k.Attribute = []*onnxpb.AttributeProto{{Name: "value", Type: onnxpb.AttributeProto_TENSOR, T: float32s(0.5)}}
		}
	}
	for _, branch := range []float64{1, 0} {
		put(n.feeds[1].Tensor, 0, branch)
		want, err := n.outputs(t, n.save(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range []int64{9, 10, 11, 12, 13, 14, 16, 18, 21} {
			path, err := n.converted(t, target)
			if err != nil {
				t.Fatal(err)
			}
			got, err := n.outputs(t, path)
			if err != nil {
				t.Fatalf("at %d: %v", target, err)
			}
			if err := equal(want[0], got[0], true); err != nil {
				t.Errorf("branch %v at %d: %v", branch, target, err)
			}
		}
	}
}

// TestBoundsTakeTheTypeOfTheData converts Clip and Pad of float16, which the runtime has no older kernels of.
func TestBoundsTakeTheTypeOfTheData(t *testing.T) {
	n := parse(t, 7, "x:float16[2,3]", "Clip x > c min=-100000.0 max=0.5; Pad c > y pads=[0,1,0,0] value=-2.5")
	c := n.model.Graph.Node[0].Output[0]
	typed := parse(t, 7, "c:float16[2,3]", "Relu c > y").model.Graph.Input[0]
	typed.Name = c
	n.model.Graph.ValueInfo = append(n.model.Graph.ValueInfo, typed)
	path, err := n.converted(t, 13)
	if err != nil {
		t.Fatal(err)
	}
	out, err := n.outputs(t, path)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := tensor.New(tensor.Float16, 2, 4)
	x := n.feeds[0].Tensor
	for row := range int64(2) {
		put(want, 4*row, -2.5)
		for k := range int64(3) {
			bits := uint16(x.Data[2*(3*row+k)]) | uint16(x.Data[2*(3*row+k)+1])<<8
			if bits < 0x8000 && bits > half(0.5) {
				bits = half(0.5)
			}
			want.Data[2*(4*row+k+1)], want.Data[2*(4*row+k+1)+1] = byte(bits), byte(bits>>8)
		}
	}
	if !slices.Equal(out[0].Tensor.Data, want.Data) {
		t.Errorf("%v, want %v", out[0].Tensor.Data, want.Data)
	}
}

func TestHalf(t *testing.T) {
	for v, want := range map[float32]uint16{0: 0, 1: 0x3c00, -2.5: 0xc100, 65504: 0x7bff, 1e9: 0x7bff, -1e9: 0xfbff, 0x1p-24: 1, 0x1p-25: 0, 0x1.8p-24: 2,
		0x1p-14: 0x400, 0x1.ff8p-15: 0x3ff, 0x1.fffp-15: 0x400, 1 + 0x1p-11: 0x3c00, 1 + 0x3p-11: 0x3c02, 2 - 0x1p-12: 0x4000, 0.1: 0x2e66} {
		if got := half(v); got != want {
			t.Errorf("half(%v) = %#x, want %#x", v, got, want)
		}
	}
}

// TestNamesStayUnique adds constants and nodes beside names that they would have had.
func TestNamesStayUnique(t *testing.T) {
	n := parse(t, 9, "x[2,3,4]", "Relu x > y_rows; Softmax y_rows > y; Unsqueeze y > z axes=[0]; Relu z > z_axes")
	n.model.Graph.Node[0].Name = "y_shape"
	path, err := n.converted(t, 13)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.outputs(t, path); err != nil {
		t.Error(err)
	}
}

// TestNamesOfBranchesAreTheirOwn: a constant of one branch says nothing of a value with its name in another.
func TestNamesOfBranchesAreTheirOwn(t *testing.T) {
	n := parse(t, 10, "x[1,1,4,4] c:bool[]=1", "If c > y")
	for i, values := range []string{"S[4]=1,1,2,2", "S[4]=1,1,0.6,0.6"} {
		g := parse(t, 10, values, "Resize x S > z mode=nearest").model.Graph
		n.model.Graph.Node[0].Attribute = append(n.model.Graph.Node[0].Attribute,
			&onnxpb.AttributeProto{Name: []string{"then_branch", "else_branch"}[i], Type: onnxpb.AttributeProto_GRAPH, G: g})
	}
	if _, err := n.converted(t, 13); err == nil || !strings.Contains(err.Error(), "its scales S are no constant") {
		t.Error(err)
	}
}
