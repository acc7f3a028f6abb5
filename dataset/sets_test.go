package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx/onnxpb"
	"assay/results"
	"assay/tensor"
)

func tensorProto(t testing.TB, shape []int64, values ...float32) []byte {
	t.Helper()
	b, err := proto.Marshal(&onnxpb.TensorProto{DataType: int32(tensor.Float32), Dims: shape, FloatData: values})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sequenceProto(tensors ...[]byte) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 1)
	for _, t := range tensors {
		b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), t)
	}
	return b
}

// writeSets makes test_data_set_0, _1 and so on, each with the given files.
func writeSets(t testing.TB, sets ...map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for i, files := range sets {
		set := filepath.Join(dir, "test_data_set_"+string(rune('0'+i)))
		if err := os.Mkdir(set, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(set, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestSets(t *testing.T) {
	inputs := append(infos(t, "x float32 n,2"), backend.ValueInfo{Name: "seq", Kind: tensor.KindSequence, DType: tensor.Float32}, backend.ValueInfo{Name: "opt", Kind: tensor.KindOptional})
	dir := writeSets(t,
		map[string][]byte{"input_0.pb": tensorProto(t, []int64{1, 2}, 1, 2), "input_1.pb": sequenceProto(tensorProto(t, []int64{1}, 5), tensorProto(t, nil, 6)), "input_2.pb": sequenceProto()},
		map[string][]byte{"input_0.pb": tensorProto(t, []int64{1, 2}, 3, 4), "input_1.pb": sequenceProto(), "input_2.pb": sequenceProto(tensorProto(t, []int64{1}, 7))})
	feeds, described, err := Feeds(inputs, results.Input{Data: dir}, 1, 1, noHint)
	if err != nil {
		t.Fatal(err)
	}
	if len(feeds) != 2 || asFloats(t, feeds[1][0])[1] != 4 || len(feeds[0][1].Items) != 2 || asFloats(t, feeds[0][1].Items[1])[0] != 6 {
		t.Errorf("%+v", feeds)
	}
	if feeds[0][2].Kind != tensor.KindOptional || asFloats(t, feeds[1][2])[0] != 7 {
		t.Errorf("optionals: %+v %+v", feeds[0][2], feeds[1][2])
	}
	if want := "2 test data sets of " + filepath.Base(dir); described["x"] != want {
		t.Errorf("%s, want %s", described["x"], want)
	}
	feeds, _, err = Feeds(inputs[:1], results.Input{Data: filepath.Join(dir, "test_data_set_1")}, 1, 1, noHint)
	if err != nil || len(feeds) != 1 || asFloats(t, feeds[0][0])[0] != 3 {
		t.Errorf("one set by itself: %v, %v", feeds, err)
	}
}

// TestSetsOfTheirOwnSizes: an open dimension may differ from set to set, not within one.
func TestSetsOfTheirOwnSizes(t *testing.T) {
	inputs := infos(t, "x float32 n,seq", "y float32 n,seq")
	one, two := tensorProto(t, []int64{1, 2}, 1, 2), tensorProto(t, []int64{1, 3}, 1, 2, 3)
	feeds, _, err := Feeds(inputs, results.Input{Data: writeSets(t, map[string][]byte{"input_0.pb": one, "input_1.pb": one}, map[string][]byte{"input_0.pb": two, "input_1.pb": two})}, 1, 1, noHint)
	if err != nil || len(feeds) != 2 || feeds[1][1].Tensor.Shape[1] != 3 {
		t.Errorf("%v, %v", feeds, err)
	}
	_, _, err = Feeds(inputs, results.Input{Data: writeSets(t, map[string][]byte{"input_0.pb": one, "input_1.pb": one}, map[string][]byte{"input_0.pb": one, "input_1.pb": two})}, 1, 1, noHint)
	if want := "test_data_set_1 input_1.pb: [1 3] makes dimension seq of input y 3, and test_data_set_1 input_0.pb makes it 2"; err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}

func TestSetMistakes(t *testing.T) {
	x := infos(t, "x float32 n,2")
	external, err := proto.Marshal(&onnxpb.TensorProto{DataType: 1, DataLocation: onnxpb.TensorProto_EXTERNAL})
	if err != nil {
		t.Fatal(err)
	}
	ints, err := proto.Marshal(&onnxpb.TensorProto{DataType: int32(tensor.Int64), Dims: []int64{1, 2}, Int64Data: []int64{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file  []byte
		batch int
		want  string
	}{
		"batch":     {tensorProto(t, []int64{1, 2}, 1, 2), 4, "test_data_set_0 input_0.pb: [1 2] has 1 examples in axis 0 of input x, and the batch is 4"},
		"size":      {tensorProto(t, []int64{1, 3}, 1, 2, 3), 1, "test_data_set_0 input_0.pb: [1 3] does not fit input x"},
		"cut short": {tensorProto(t, []int64{1, 2}, 1, 2)[:6], 1, "input x: read "},
		"too few":   {tensorProto(t, []int64{1, 2}, 1), 1, "4 bytes for float32 [1 2], which takes 8"},
		"type":      {ints, 1, "test_data_set_0 input_0.pb is int64[1,2], and input x is float32[n 2]"},
		"external":  {external, 1, "external data is not supported here"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Feeds(x, results.Input{Data: writeSets(t, map[string][]byte{"input_0.pb": c.file})}, c.batch, 1, noHint)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %s", err, c.want)
			}
		})
	}
	dir := writeSets(t, map[string][]byte{"output_0.pb": nil})
	if _, _, err := Feeds(x, results.Input{Data: dir}, 1, 1, noHint); err == nil || !strings.Contains(err.Error(), "has no input_0.pb") {
		t.Errorf("err = %v", err)
	}
}
