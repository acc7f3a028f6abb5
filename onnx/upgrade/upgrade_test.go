//go:build cgo && linux

package upgrade

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/tensor"
)

// definitions reads which versions brought and redefined each operator.
func definitions(t *testing.T) map[string][]int64 {
	t.Helper()
	b, err := os.ReadFile("testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string][]int64
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestStepsAreThoseOfTheSchemas holds the tables against the history of ONNX's schemas: each step is said once, and none is made up.
func TestStepsAreThoseOfTheSchemas(t *testing.T) {
	said := map[step]int{}
	for s := range rules {
		said[s]++
	}
	for _, row := range unchanged {
		for name := range strings.FieldsSeq(row.operators) {
			for _, v := range row.at {
				said[step{name, v}]++
			}
		}
	}
	for name, versions := range definitions(t) {
		if !known[name] {
			t.Errorf("operator %s is in no table", name)
		}
		for _, v := range versions[1:] {
			if v > Oldest && said[step{name, v}] != 1 {
				t.Errorf("%s at %d is said %d times", name, v, said[step{name, v}])
			}
			delete(said, step{name, v})
		}
	}
	for s := range said {
		t.Errorf("%s at %d: no such step", s.operator, s.to)
	}
}

// TestOutputsStayEqual converts every network of cases to each version that one of its operators changes at, and runs it before and after.
func TestOutputsStayEqual(t *testing.T) {
	taken := map[step]bool{}
	for _, c := range cases {
		n := parse(t, c.from, c.values, c.nodes)
		want, err := n.outputs(t, n.save(t))
		if err != nil {
			t.Errorf("%d: %s | %s: before: %v", c.from, c.values, c.nodes, err)
			continue
		}
		for _, target := range steps(t, n, c.from, taken) {
			path, err := n.converted(t, target)
			if err != nil {
				t.Errorf("%d: %s: to %d: %v", c.from, c.nodes, target, err)
				continue
			}
			got, err := n.outputs(t, path)
			if err != nil {
				t.Errorf("%d: %s: at %d: %v", c.from, c.nodes, target, err)
				continue
			}
			for i := range want {
				anotherKernel := target >= 19 && strings.HasPrefix(c.nodes, "AveragePool")
				if err := equal(want[i], got[i], !anotherKernel); err != nil {
					t.Errorf("%d: %s: at %d: output %d: %v", c.from, c.nodes, target, i, err)
				}
			}
		}
	}
	for name, versions := range definitions(t) {
		for _, v := range versions[1:] {
			if s := (step{name, v}); v > Oldest && !taken[s] && !elsewhere[name] {
				t.Errorf("no case takes %s to %d", name, v)
			}
		}
	}
}

// elsewhere are operators that have tests of their own, or that this runtime has no way to compare.
var elsewhere = map[string]bool{
	"Constant": true, "If": true, "Loop": true, "Scan": true, // TestGraphsWithinNodes
	"GroupNormalization": true,                             // refused
	"OptionalGetElement": true, "OptionalHasElement": true, // of values that are no tensors
}

// steps lists the versions above from at which an operator of the network changes, and notes the steps that lie below.
func steps(t *testing.T, n network, from int64, taken map[step]bool) []int64 {
	t.Helper()
	var out []int64
	history := definitions(t)
	for _, node := range n.model.Graph.Node {
		for _, v := range history[node.OpType] {
			if v > from {
				taken[step{node.OpType, v}] = true
				out = append(out, v)
			}
		}
		switch node.OpType { // what they become has a history too
		case "Upsample":
			out = append(out, 10, 11, 13, 18, 19)
		case "Scatter":
			out = append(out, 11, 13, 16, 18)
		}
	}
	slices.Sort(out)
	return slices.Compact(append(out, Newest))
}

// equal wants the same shapes and bits, or numbers within a millionth of the largest where a kernel adds in another order.
func equal(want, got tensor.Value, bits bool) error {
	a, b := want.Tensor, got.Tensor
	if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) {
		return fmt.Errorf("%s %v, and %s %v before", b.DType, b.Shape, a.DType, a.Shape)
	}
	if slices.Equal(a.Data, b.Data) {
		return nil
	}
	if bits || a.DType != tensor.Float32 {
		return fmt.Errorf("%v, and %v before", b.Data, a.Data)
	}
	x, y := numbers(a), numbers(b)
	largest := max(slices.Max(x), -slices.Min(x))
	for i := range x {
		if !(math.Abs(float64(x[i]-y[i])) <= 1e-6*float64(largest)) {
			return fmt.Errorf("element %d is %v, and %v before", i, y[i], x[i])
		}
	}
	return nil
}

func numbers(t *tensor.Tensor) []float32 {
	out := make([]float32, t.Len())
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return out
}
