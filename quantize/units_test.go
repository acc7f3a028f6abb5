//go:build cgo && linux

package quantize

import (
	"reflect"
	"slices"
	"testing"

	"assay/onnx"
)

// gated is a convolution with SiLU, one with a bias and a Relu of their own nodes, one whose result is read twice, and a last Gemm.
func gated() *network {
	return newNetwork(17).input("x", 1, 3, 4, 4).weight("w1", 4, 3, 1, 1).weight("w2", 4, 4, 1, 1).weight("b2", 4, 1, 1).weight("w3", 4, 4, 1, 1).
		weight("w4", 64, 5).
		node("Conv x w1 > c1").node("Sigmoid c1 > g").node("Mul c1 g > a1").
		node("Conv a1 w2 > c2").node("Add b2 c2 > s2").node("Relu s2 > r2").
		node("Conv r2 w3 > c3").node("Relu c3 > r3").node("Add c3 r3 > s3").
		node("Flatten s3 > f").node("Gemm f w4 > y").output("y", 1, 5)
}

func TestUnitsAreWhatIsFused(t *testing.T) {
	m, err := onnx.Open(gated().save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	units := Units(m)
	var got [][]string
	for _, u := range units {
		got = append(got, u.Nodes)
	}
	want := [][]string{{"Conv_c1", "Sigmoid_g", "Mul_a1"}, {"Conv_c2", "Add_s2", "Relu_r2"}, {"Conv_c3"}, {"Relu_r3"}, {"Add_s3"}, {"Flatten_f"}, {"Gemm_y"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("units %v, want %v", got, want)
	}
	biased := units[1]
	if biased.Name != "Conv_c2" || biased.Kind != "Conv" || biased.Parameters != 20 || biased.WeightBytes != 80 ||
		!slices.Equal(biased.Inputs, []string{"a1"}) || !slices.Equal(biased.Outputs, []string{"r2"}) {
		t.Errorf("%+v", biased)
	}
	if out := units[2].Outputs; !slices.Equal(out, []string{"c3"}) {
		t.Errorf("outputs %v", out)
	}
}

// An activation is not of the unit whose result the model gives, or a graph within a node reads, or other nodes read: it needs that result.
func TestUnitsEndWhereOthersRead(t *testing.T) {
	n := newNetwork(17).input("x", 2, 4).weight("w", 4, 4).node("MatMul x w > h").node("Relu h > y").output("y", 2, 4).output("h", 2, 4)
	m, err := onnx.Open(n.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if units := Units(m); len(units) != 2 || !slices.Equal(units[0].Outputs, []string{"h"}) || !slices.Equal(units[1].Outputs, []string{"y"}) {
		t.Errorf("%+v", units)
	}
}

// Names are unique even where the model's are not, or are missing.
func TestUnitsHaveNamesOfTheirOwn(t *testing.T) {
	n := newNetwork(17).input("x", 2, 4).weight("w", 4, 4).node("MatMul x w > h").node("MatMul h w > i").node("MatMul i w > y").output("y", 2, 4)
	n.model.Graph.Node[0].Name, n.model.Graph.Node[1].Name, n.model.Graph.Node[2].Name = "same", "same", ""
	m, err := onnx.Open(n.save(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var names []string
	for _, u := range Units(m) {
		names = append(names, u.Name)
	}
	if want := []string{"same", "same_1", "MatMul of y"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}
