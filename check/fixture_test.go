package check

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/cases anew")

// onnxModel writes a model of one node on vectors of two floats: y = op(x, x).
func onnxModel(op string, opset int) []byte {
	vector := func(name string) []byte { // ValueInfoProto: float32[2]
		shape := message(1, message(1, 2))
		return message(1, name, 2, message(1, message(1, 1, 2, shape)))
	}
	node := message(1, "x", 1, "x", 2, "y", 4, op)
	graph := message(1, node, 2, "g", 11, vector("x"), 12, vector("y"))
	return message(1, 8, 7, graph, 8, message(1, "", 2, opset))
}

// TestFixtures: the cases that the scripts of the command run are what is written here.
func TestFixtures(t *testing.T) {
	input := pbTensor(vector(1, 2))
	for name, data := range map[string][]byte{
		"good/double/model.onnx":                      onnxModel("Add", 13),
		"good/double/test_data_set_0/input_0.pb":      input,
		"good/double/test_data_set_0/output_0.pb":     pbTensor(vector(2, 4)),
		"good/future/model.onnx":                      onnxModel("Add", 99),
		"good/future/test_data_set_0/input_0.pb":      input,
		"good/future/test_data_set_0/output_0.pb":     pbTensor(vector(2, 4)),
		"bad/differs/model.onnx":                      onnxModel("Add", 13),
		"bad/differs/test_data_set_0/input_0.pb":      input,
		"bad/differs/test_data_set_0/output_0.pb":     pbTensor(vector(2, 5)),
		"bad/not_a_model/model.onnx":                  []byte("not a model"),
		"bad/not_a_model/test_data_set_0/input_0.pb":  input,
		"bad/not_a_model/test_data_set_0/output_0.pb": input,
		"square.onnx": onnxModel("Mul", 13),
	} {
		path := filepath.Join("testdata", "cases", filepath.FromSlash(name))
		if *update {
			write(t, path, data)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v; run `go test ./check -update`", err)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("%s is not what the test writes; run `go test ./check -update`", name)
		}
	}
}
