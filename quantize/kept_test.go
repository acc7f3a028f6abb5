package quantize

import (
	"os"
	"reflect"
	"testing"

	"assay/tensor"
)

func TestKeptOutputsComeBack(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	k, err := newKept()
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	want := make([][]tensor.Value, 3)
	for _, i := range []int{1, 2, 0} {
		values := []tensor.Value{
			tensor.Of(&tensor.Tensor{DType: tensor.Float32, Shape: []int64{int64(i)}, Data: make([]byte, 4*i)}),
			{Kind: tensor.KindSequence},
			tensor.Of(&tensor.Tensor{DType: tensor.Uint8, Shape: []int64{1, 2}, Data: []byte{byte(i), 7}}),
			tensor.Of(&tensor.Tensor{DType: tensor.String, Shape: []int64{1}, Strings: []string{"a"}, Data: []byte{}}),
		}
		if err := k.put(i, values); err != nil {
			t.Fatal(err)
		}
		values[1] = tensor.Value{} // what is no tensor is not kept
		want[i] = values
	}
	for _, i := range []int{2, 0, 1} {
		if got, err := k.example(i); err != nil || !reflect.DeepEqual(got, want[i]) {
			t.Errorf("example %d: %v, want %v: %v", i, got, want[i], err)
		}
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("the file has a name: %v", left)
	}
}
