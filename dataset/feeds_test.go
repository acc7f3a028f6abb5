package dataset

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/backend"
	"assay/onnx"
	"assay/results"
	"assay/tensor"
)

// info writes an input as models do: "name float32 batch,3,?,224"; a scalar has no dimensions.
func info(t testing.TB, text string) backend.ValueInfo {
	t.Helper()
	parts := strings.Fields(text)
	d, err := tensor.ParseDType(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	v := backend.ValueInfo{Name: parts[0], DType: d, Dims: []backend.Dim{}}
	if len(parts) < 3 {
		return v
	}
	for _, dim := range strings.Split(parts[2], ",") {
		size, ok := parseInt(dim)
		switch {
		case ok:
			v.Dims = append(v.Dims, backend.Dim{Size: size})
		case dim == "?":
			v.Dims = append(v.Dims, backend.Dim{Size: -1})
		default:
			v.Dims = append(v.Dims, backend.Dim{Size: -1, Symbol: dim})
		}
	}
	return v
}

func parseInt(s string) (n int64, ok bool) {
	for _, r := range s {
		if r < '0' || r > '9' {
			return 0, false
		}
		n = 10*n + int64(r-'0')
	}
	return n, true
}

func infos(t testing.TB, texts ...string) []backend.ValueInfo {
	var inputs []backend.ValueInfo
	for _, text := range texts {
		inputs = append(inputs, info(t, text))
	}
	return inputs
}

func noHint(string) onnx.Hint { return onnx.Hint{} }

// floats makes an array of consecutive numbers from 0.
func floats(t testing.TB, shape ...int64) *tensor.Tensor { return numbers(t, tensor.Float32, shape...) }

func numbers(t testing.TB, d tensor.DType, shape ...int64) *tensor.Tensor {
	t.Helper()
	a, err := tensor.New(d, shape...)
	if err != nil {
		t.Fatal(err)
	}
	put, err := putter(d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Len() {
		put(a.Data, i, float64(i))
	}
	return a
}

// asFloats reads a tensor of floats or integers.
func asFloats(t testing.TB, v tensor.Value) []float64 {
	t.Helper()
	var out []float64
	for i := range v.Tensor.Len() {
		if read, ok := floatReader(v.Tensor.DType); ok {
			out = append(out, float64(read(v.Tensor.Data, i)))
			continue
		}
		n, ok := intAt(v.Tensor, i)
		if !ok {
			t.Fatalf("cannot read %s", v.Tensor.DType)
		}
		out = append(out, float64(n))
	}
	return out
}

func writeNPZ(t testing.TB, arrays map[string]*tensor.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data.npz")
	var names []string
	for name := range arrays {
		names = append(names, name)
	}
	if err := tensor.WriteNPZ(path, names, arrays); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeNPY(t testing.TB, path string, a *tensor.Tensor) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := tensor.EncodeNPY(f, a); err != nil {
		t.Fatal(err)
	}
}

// TestGeneratedShapes: open dimensions get sizes that fit together, by their names and places.
func TestGeneratedShapes(t *testing.T) {
	for _, c := range []struct {
		name   string
		inputs []string
		in     results.Input
		batch  int
		want   []string
	}{
		{"fixed image", []string{"x float32 1,3,224,224"}, results.Input{}, 1, []string{"[1 3 224 224]"}},
		{"no batch at all", []string{"a float32 3,4", "b float32 4,3"}, results.Input{}, 1, []string{"[3 4]", "[4 3]"}},
		{"a batch exported fixed", []string{"x float32 8,4", "scale float32 1"}, results.Input{}, 8, []string{"[8 4]", "[1]"}},
		{"one open axis", []string{"x float32 ?,4"}, results.Input{}, 8, []string{"[8 4]"}},
		{"transformer", []string{"input_ids int64 batch,tokens", "attention_mask int64 batch,tokens", "token_type_ids int64 batch,tokens"}, results.Input{}, 2,
			[]string{"[2 16]", "[2 16]", "[2 16]"}},
		{"decoder with an empty past", []string{"input_ids int32 batch_size,seq_len", "attention_mask int32 batch_size,total_seq_len", "past_0 float16 2,batch_size,4,past_seq_len,8"},
			results.Input{}, 3, []string{"[3 16]", "[3 16]", "[2 3 4 0 8]"}},
		{"decoder with a past", []string{"input_ids int32 batch_size,seq_len", "attention_mask int32 batch_size,total_seq_len", "past_0 float16 2,batch_size,4,past_seq_len,8"},
			results.Input{Dims: map[string]int64{"past_seq_len": 5, "seq_len": 1}}, 1, []string{"[1 1]", "[1 6]", "[2 1 4 5 8]"}},
		{"sum in a name", []string{"input_ids int64 batch_size,sequence_length", "attention_mask int64 batch_size,past_sequence_length+1", "past float32 batch_size,2,past_sequence_length,4"},
			results.Input{Dims: map[string]int64{"past_sequence_length": 7}}, 1, []string{"[1 16]", "[1 8]", "[1 2 7 4]"}},
		{"encoder and decoder", []string{"input_ids int64 batch,target_tokens", "encoder_attention_mask float32 batch,source_tokens", "encoder_hidden_states float32 batch,source_tokens,8"},
			results.Input{}, 1, []string{"[1 16]", "[1 16]", "[1 16 8]"}},
		{"streaming audio", []string{"input float32 ?,?", "state float32 2,?,128", "sr int64"}, results.Input{}, 4, []string{"[4 512]", "[2 4 128]", "[]"}},
		{"streaming audio with names", []string{"input float32 batch,sequence", "sr int64", "state float32 2,batch,128"}, results.Input{}, 1, []string{"[1 512]", "[]", "[2 1 128]"}},
		{"open image", []string{"images float32 N,3,height,width"}, results.Input{}, 2, []string{"[2 3 224 224]"}},
		{"open image without names", []string{"images float32 ?,3,?,?"}, results.Input{}, 1, []string{"[1 3 224 224]"}},
		{"wholly open image", []string{"images float32 ?,?,?,?"}, results.Input{}, 1, []string{"[1 3 224 224]"}},
		{"channels last", []string{"images uint8 n,?,?,3"}, results.Input{}, 1, []string{"[1 224 224 3]"}},
		{"whole shape", []string{"images float32 n,3,h,w", "masks float32 n,1,h,w"}, results.Input{Shapes: map[string][]int64{"images": {2, 3, 32, 48}}}, 2,
			[]string{"[2 3 32 48]", "[2 1 32 48]"}},
		{"unknown name", []string{"x float32 n,foo"}, results.Input{}, 1, []string{"[1 1]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			feeds, _, err := Feeds(infos(t, c.inputs...), c.in, c.batch, 1, noHint)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range feeds[0] {
				got = append(got, strings.ReplaceAll(strings.TrimPrefix(shapeText(v.Tensor.DType, v.Tensor.Shape), v.Tensor.DType.String()), ",", " "))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestGeneratedValues: values are such as the input's type and name suggest.
func TestGeneratedValues(t *testing.T) {
	within := func(lo, hi float64) func([]float64) bool {
		return func(xs []float64) bool {
			for _, x := range xs {
				if !(x >= lo && x <= hi) {
					return false
				}
			}
			return len(xs) > 0
		}
	}
	all := func(x float64) func([]float64) bool { return within(x, x) }
	hint := func(name string) onnx.Hint { return map[string]onnx.Hint{"input_ids": {Rows: 100}}[name] }
	inputs := infos(t, "input_ids int64 b,seq", "attention_mask int32 b,seq", "encoder_mask float16 b,seq", "position_ids int64 b,seq", "token_type_ids int64 b,seq",
		"labels int32 b", "image float32 b,3,8,8", "pixels uint8 b,8,8,3", "features float64 b,50", "sr int64", "input_lengths int32 b", "seqlens_k int32 b",
		"total_sequence_length int32 1", "past_sequence_length int32", "use_cache_branch bool 1", "temperature float32", "score_threshold float32", "hidden bfloat16 b,200")
	feeds, described, err := Feeds(inputs, results.Input{}, 2, 1, hint)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]func([]float64) bool{
		"input_ids": within(0, 99), "attention_mask": all(1), "encoder_mask": all(1), "token_type_ids": all(0), "labels": within(0, 1),
		"image": within(0, 1), "pixels": within(0, 255), "sr": all(16000), "input_lengths": all(16), "seqlens_k": all(15),
		"total_sequence_length": all(16), "past_sequence_length": all(0), "use_cache_branch": all(0), "temperature": all(1), "score_threshold": all(0.5),
		"hidden": within(-6, 6),
		"position_ids": func(xs []float64) bool {
			for i, x := range xs {
				if x != float64(i%16) {
					return false
				}
			}
			return true
		},
	}
	for i, v := range inputs {
		check, ok := want[v.Name]
		if !ok {
			continue
		}
		if got := asFloats(t, feeds[0][i]); !check(got) {
			t.Errorf("%s: %v (%s)", v.Name, got, described[v.Name])
		}
	}
	if got := described["input_ids"]; got != "generated: int64[2,16] uniform in 0..99, seed 1" {
		t.Errorf("described: %s", got)
	}
	var sum, squares float64
	features := feeds[0][8].Tensor
	for i := range features.Len() {
		x := math.Float64frombits(binary.LittleEndian.Uint64(features.Data[8*i:]))
		sum, squares = sum+x, squares+x*x
	}
	if n := float64(features.Len()); math.Abs(sum/n) > 0.5 || math.Abs(squares/n-1) > 0.5 {
		t.Errorf("features: mean %v, mean square %v", sum/n, squares/n)
	}
}

// TestSeeds: one seed always gives the same feeds, another gives others, and feeds differ from each other.
func TestSeeds(t *testing.T) {
	make := func(seed uint64) [][]tensor.Value {
		feeds, _, err := Feeds(infos(t, "x float32 n,20", "y float32 n,20"), results.Input{}, 2, seed, noHint)
		if err != nil {
			t.Fatal(err)
		}
		return feeds
	}
	one, again, other := make(1), make(1), make(2)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Error(diff)
	}
	if len(one) != generatedFeeds {
		t.Errorf("%d feeds", len(one))
	}
	for name, pair := range map[string][2]tensor.Value{"seeds": {one[0][0], other[0][0]}, "feeds": {one[0][0], one[1][0]}, "inputs": {one[0][0], one[0][1]}} {
		if cmp.Equal(pair[0], pair[1]) {
			t.Errorf("two %s give the same values", name)
		}
	}
}

// TestRows: rows are put together to the batch, in order, and begin anew where there are too few.
func TestRows(t *testing.T) {
	x := floats(t, 7, 2)
	ids := numbers(t, tensor.Int64, 7)
	path := writeNPZ(t, map[string]*tensor.Tensor{"x": x, "n": ids, "y": numbers(t, tensor.Int64, 7)})
	inputs := infos(t, "x float32 batch,2", "n int64 batch")
	for _, c := range []struct {
		batch int
		want  [][]float64 // of input n
	}{
		{1, [][]float64{{0}, {1}, {2}, {3}, {4}, {5}, {6}}},
		{3, [][]float64{{0, 1, 2}, {3, 4, 5}}},
		{9, [][]float64{{0, 1, 2, 3, 4, 5, 6, 0, 1}}},
	} {
		feeds, described, err := Feeds(inputs, results.Input{Data: path}, c.batch, 1, noHint)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]float64
		for _, f := range feeds {
			got = append(got, asFloats(t, f[1]))
			for i, id := range asFloats(t, f[1]) {
				if x := asFloats(t, f[0]); x[2*i] != 2*id || x[2*i+1] != 2*id+1 {
					t.Errorf("batch %d: rows of x and n do not belong together: %v, %v", c.batch, x, id)
				}
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("batch %d: %s", c.batch, diff)
		}
		if described["x"] != "from array x of data.npz, 7 examples" {
			t.Error(described["x"])
		}
	}
}

// TestWholeFeeds: arrays of one rank more hold complete inputs, and inputs whose batch axis is not the first take only those.
func TestWholeFeeds(t *testing.T) {
	inputs := infos(t, "x float32 batch,2", "state float32 3,batch,4")
	path := writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 6, 2), "state": floats(t, 3, 3, 2, 4)})
	feeds, _, err := Feeds(inputs, results.Input{Data: path}, 2, 1, noHint)
	if err != nil {
		t.Fatal(err)
	}
	if len(feeds) != 3 || asFloats(t, feeds[2][0])[0] != 8 || asFloats(t, feeds[2][1])[0] != 48 {
		t.Errorf("feeds: %d, %v %v", len(feeds), asFloats(t, feeds[2][0]), asFloats(t, feeds[2][1])[0])
	}
	path = writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 6, 2), "state": floats(t, 3, 1, 4)})
	feeds, described, err := Feeds(inputs, results.Input{Data: path}, 1, 1, noHint)
	if err != nil || len(feeds) != 6 || described["state"] != "from array state of data.npz, the same in every request" {
		t.Errorf("one state for every request: %d feeds, %v, %v", len(feeds), described, err)
	}
}

// TestManyExamples: what is not used is said.
func TestManyExamples(t *testing.T) {
	path := writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 4000, 1)})
	feeds, described, err := Feeds(infos(t, "x float32 n,1"), results.Input{Data: path}, 2, 1, noHint)
	if err != nil || len(feeds) != 1024 || described["x"] != "from array x of data.npz, 4000 examples, of which the first 2048 make requests" {
		t.Errorf("%d feeds, %v, %v", len(feeds), described, err)
	}
}

// TestSources: values come from flags first, then from data, then from the model's own names.
func TestSources(t *testing.T) {
	inputs := infos(t, "x float32 n,2", "k int64", "attention_mask int64 n,3")
	dir := t.TempDir()
	writeNPY(t, filepath.Join(dir, "x.npy"), floats(t, 4, 2))
	writeNPY(t, filepath.Join(dir, "k.npy"), numbers(t, tensor.Int64))
	for _, c := range []struct {
		in   results.Input
		want map[string]string
	}{
		{results.Input{Data: dir}, map[string]string{"x": "from array x of " + filepath.Base(dir) + ", 4 examples", "k": "from array k of " + filepath.Base(dir) + ", the same in every request",
			"attention_mask": "generated: int64[2,3] ones, seed 1"}},
		{results.Input{Data: dir, Values: map[string]string{"k": "5"}}, map[string]string{"x": "from array x of " + filepath.Base(dir) + ", 4 examples", "k": "the value 5, int64[]",
			"attention_mask": "generated: int64[2,3] ones, seed 1"}},
		{results.Input{Values: map[string]string{"x": filepath.Join(dir, "x.npy"), "attention_mask": "0"}}, map[string]string{"x": "from x.npy, 4 examples",
			"k": "generated: int64[] uniform in 0..1, seed 1", "attention_mask": "the value 0, int64[2,3]"}},
	} {
		_, described, err := Feeds(inputs, c.in, 2, 1, noHint)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, described); diff != "" {
			t.Error(diff)
		}
	}
}

// TestFloatWidths: variants of one model share their data though they differ in the width of floats.
func TestFloatWidths(t *testing.T) {
	path := writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 4, 2)})
	feeds, described, err := Feeds(infos(t, "x float16 n,2"), results.Input{Data: path}, 1, 1, noHint)
	if err != nil || feeds[3][0].Tensor.DType != tensor.Float16 || asFloats(t, feeds[3][0])[1] != 7 {
		t.Errorf("%v, %v", feeds, err)
	}
	if !strings.Contains(described["x"], "converted from float32 to float16") {
		t.Error(described["x"])
	}
}

// TestOneInputTakesTheOnlyArrayThatFits: labels and columns beside it do not confuse.
func TestOneInputTakesTheOnlyArrayThatFits(t *testing.T) {
	path := writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 4, 1, 8, 8), "y": numbers(t, tensor.Int64, 4), "stroke": floats(t, 4)})
	_, described, err := Feeds(infos(t, "image float32 n,1,8,8"), results.Input{Data: path}, 1, 1, noHint)
	if err != nil || described["image"] != "from array x of data.npz, 4 examples" {
		t.Errorf("%v, %v", described, err)
	}
}

func TestFeedMistakes(t *testing.T) {
	dir := t.TempDir()
	writeNPY(t, filepath.Join(dir, "long.npy"), floats(t, 5, 2))
	file := func(arrays map[string]*tensor.Tensor) results.Input { return results.Input{Data: writeNPZ(t, arrays)} }
	hint := func(name string) onnx.Hint { return map[string]onnx.Hint{"ids": {Rows: 10}}[name] }
	for name, c := range map[string]struct {
		inputs []string
		in     results.Input
		batch  int
		want   string
	}{
		"fixed batch":           {[]string{"x float32 1,3,8,8"}, results.Input{}, 4, "input x is fixed at [1 3 8 8] and cannot take a batch of 4"},
		"fixed batch elsewhere": {[]string{"a float32 3,4", "b float32 4,3"}, results.Input{}, 3, "input b is fixed at [4 3] and cannot take a batch of 3"},
		"no such dimension":     {[]string{"x float32 n,seq"}, results.Input{Dims: map[string]int64{"sec": 3}}, 1, "dimension sec: the model has no dimension of that name; it has n, seq"},
		"batch by dimension":    {[]string{"x float32 n,seq"}, results.Input{Dims: map[string]int64{"n": 3}}, 1, "dimension n is the batch axis and is 1; set the batch to 3 in its place"},
		"no such input to shape": {[]string{"x float32 n,seq"}, results.Input{Shapes: map[string][]int64{"y": {1}}}, 1,
			"shape: the model has no input y; it has x"},
		"rank of a shape":    {[]string{"x float32 n,3"}, results.Input{Shapes: map[string][]int64{"x": {1}}}, 1, "the shape given for x: [1] has 1 dimensions, and input x is float32[n 3]"},
		"size in a shape":    {[]string{"x float32 n,3"}, results.Input{Shapes: map[string][]int64{"x": {1, 4}}}, 1, "the shape given for x: [1 4] does not fit input x, which is float32[n 3]"},
		"batch in a shape":   {[]string{"x float32 n,3"}, results.Input{Shapes: map[string][]int64{"x": {2, 3}}}, 1, "[2 3] has 2 examples in axis 0 of input x, and the batch is 1; make them equal"},
		"no such input":      {[]string{"x float32 n,3"}, results.Input{Values: map[string]string{"y": "1"}}, 1, "input value: the model has no input y; it has x"},
		"no such file":       {[]string{"x float32 n,3"}, results.Input{Data: filepath.Join(dir, "nowhere.npz")}, 1, "nowhere.npz: no such file"},
		"no such value file": {[]string{"x float32 n,3"}, results.Input{Values: map[string]string{"x": filepath.Join(dir, "nowhere.npy")}}, 1, "input x: "},
		"empty folder":       {[]string{"x float32 n,3"}, results.Input{Data: t.TempDir()}, 1, "holds neither .npy files nor test_data_set_* folders"},
		"no data file":       {[]string{"x float32 n,3"}, results.Input{Data: filepath.Join(dir, "long.npy")}, 1, "is neither an .npz file nor a folder"},
		"no value":           {[]string{"x float32 n,3"}, results.Input{Values: map[string]string{"x": "many"}}, 1, `input x: "many" is no value of type float32, and no .npy file`},
		"no whole value":     {[]string{"x int8 n,3"}, results.Input{Values: map[string]string{"x": "300"}}, 1, `input x: "300" is no value of type int8, and no .npy file`},
		"value outside":      {[]string{"ids int64 n,3"}, results.Input{Values: map[string]string{"ids": "10"}}, 1, "the value 10: element 0 is 10, and input ids takes 0 to 9"},
		"array outside":      {[]string{"ids int64 n,3"}, file(map[string]*tensor.Tensor{"ids": numbers(t, tensor.Int64, 4, 3)}), 1, "array ids of data.npz: element 10 is 10, and input ids takes 0 to 9"},
		"array name": {[]string{"x float32 n,3", "z float32 n,3"}, file(map[string]*tensor.Tensor{"x": floats(t, 4, 3)}), 1,
			"input z: data.npz has no array of that name; it has x, and the model takes x, z"},
		"array type":             {[]string{"x float32 n,3"}, file(map[string]*tensor.Tensor{"x": numbers(t, tensor.Int64, 4, 3)}), 1, `array x of data.npz is int64[4,3], and input x is float32[n 3]; save the array with that type, such as a.astype("float32")`},
		"array rank":             {[]string{"x float32 n,3"}, file(map[string]*tensor.Tensor{"x": floats(t, 4)}), 1, "array x of data.npz is float32[4], and input x is float32[n 3]: give an array of 2 dimensions, one example a row, or of 3, one whole feed an element"},
		"array size":             {[]string{"x float32 n,3"}, file(map[string]*tensor.Tensor{"x": floats(t, 4, 5)}), 1, "array x of data.npz: [1 5] does not fit input x, which is float32[n 3]"},
		"rows for a fixed batch": {[]string{"x float32 8,5"}, file(map[string]*tensor.Tensor{"x": floats(t, 16, 5)}), 1, "array x of data.npz: [16 5] does not fit input x, which is float32[8 5]; to put rows together set the batch to 8"},
		"empty array":            {[]string{"x float32 n,3"}, file(map[string]*tensor.Tensor{"x": floats(t, 0, 3)}), 1, "array x of data.npz has no examples"},
		"counts": {[]string{"x float32 n,3", "z float32 n,2"}, results.Input{Data: writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 4, 3)}), Values: map[string]string{"z": filepath.Join(dir, "long.npy")}}, 1,
			"inputs have different counts of examples: x from array x of data.npz, 4 examples, and z from long.npy, 5 examples"},
		"one symbol of two sizes": {[]string{"ids int64 n,seq", "attention_mask int64 n,seq"}, file(map[string]*tensor.Tensor{"ids": numbers(t, tensor.Int64, 1, 8), "attention_mask": numbers(t, tensor.Int64, 1, 7)}), 1,
			"array attention_mask of data.npz: [1 7] makes dimension seq of input attention_mask 7, and array ids of data.npz makes it 8"},
		"batch of whole feeds":  {[]string{"x float32 n,3"}, file(map[string]*tensor.Tensor{"x": floats(t, 4, 2, 3)}), 1, "[2 3] has 2 examples in axis 0 of input x, and the batch is 1"},
		"absurd":                {[]string{"x float32 n,h", "y float32 n,w"}, results.Input{Dims: map[string]int64{"h": 1 << 40}}, 1, "input x would take 4096.0 GiB (float32[1,1099511627776]), and the inputs of one request may take 4.0 GiB"},
		"more than arithmetic":  {[]string{"x float32 n,h,w"}, results.Input{Dims: map[string]int64{"h": 1 << 40, "w": 1 << 40}}, 1, "input x: shape [1 1099511627776 1099511627776] has more elements"},
		"absurd batch":          {[]string{"x float32 n,1048576"}, results.Input{}, 1 << 20, "input x would take"},
		"absurd words":          {[]string{"x string n,h"}, results.Input{Dims: map[string]int64{"h": 1 << 40}}, 1, "input x would take 16384.0 GiB"},
		"type without a number": {[]string{"x complex64 n"}, results.Input{}, 1, "input x: values of type complex64 cannot be generated; give it with --input or --data"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Feeds(infos(t, c.inputs...), c.in, c.batch, 1, hint)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestGeneratedKinds(t *testing.T) {
	inputs := []backend.ValueInfo{{Name: "o", Kind: tensor.KindOptional}, {Name: "s", DType: tensor.String, Dims: []backend.Dim{{Size: 2}}}}
	feeds, _, err := Feeds(inputs, results.Input{}, 1, 1, noHint)
	if err != nil || feeds[0][0].Kind != tensor.KindOptional || feeds[0][1].Tensor.Strings[1] != "text" {
		t.Errorf("%v, %v", feeds, err)
	}
	if _, _, err := Feeds([]backend.ValueInfo{{Name: "q", Kind: tensor.KindSequence}}, results.Input{}, 1, 1, noHint); err == nil || !strings.Contains(err.Error(), "input q is a sequence or a map") {
		t.Errorf("err = %v", err)
	}
}

// FuzzFeeds: whatever a model says of its inputs, feeds fit it or an error says why not.
func FuzzFeeds(f *testing.F) {
	f.Add("input_ids", "batch", "seq", int64(-1), uint8(tensor.Int64), "total_seq_len", int64(3), 2)
	f.Add("x", "", "", int64(-1), uint8(tensor.Float32), "", int64(0), 1)
	f.Add("image", "n", "h+w", int64(3), uint8(tensor.Float16), "n", int64(-1), 7)
	f.Add("past_len", "a+b", "a + 1+(b)", int64(8), uint8(tensor.Bool), "past", int64(2), 3)
	f.Fuzz(func(t *testing.T, name, lead, other string, size int64, dtype uint8, symbol string, given int64, batch int) {
		if batch < 1 || batch > 1<<20 || size < -1 {
			return
		}
		open := func(symbol string) backend.Dim { return backend.Dim{Size: -1, Symbol: symbol} }
		inputs := []backend.ValueInfo{
			{Name: name, DType: tensor.DType(dtype), Dims: []backend.Dim{open(lead), open(other), {Size: size}}},
			{Name: name + "2", DType: tensor.Int32, Dims: []backend.Dim{{Size: size}, open(lead), open(symbol)}},
			{Name: other, DType: tensor.Float32, Dims: []backend.Dim{open(lead), {Size: size}, open(other), open(symbol)}},
			{Name: symbol, DType: tensor.Int64, Dims: []backend.Dim{}},
		}
		in := results.Input{}
		if given > 0 {
			in.Dims = map[string]int64{symbol: given}
		}
		feeds, _, err := feedsWithin(1<<16, inputs, in, batch, 1, noHint)
		if err != nil {
			return
		}
		for _, feed := range feeds {
			for i, v := range feed {
				n, err := tensor.ByteSize(v.Tensor.DType, v.Tensor.Shape)
				if err != nil || v.Tensor.DType != tensor.String && int64(len(v.Tensor.Data)) != n || len(v.Tensor.Shape) != len(inputs[i].Dims) {
					t.Fatalf("input %d: %v with %d bytes, %v", i, v.Tensor.Shape, len(v.Tensor.Data), err)
				}
				for k, d := range inputs[i].Dims {
					if d.Size >= 0 && d.Size != v.Tensor.Shape[k] {
						t.Fatalf("input %d: %v for %s", i, v.Tensor.Shape, dimsText(inputs[i].Dims))
					}
				}
			}
		}
	})
}

// TestFeedsFollowUses: an input whose values decide whether the model runs at all holds some that its operator takes.
func TestFeedsFollowUses(t *testing.T) {
	hints := map[string]onnx.Hint{"shape": {Use: onnx.UseShape}, "k": {Use: onnx.UseOnes}, "sizes": {Use: onnx.UseSizes, Like: "x"}, "index": {Use: onnx.UseZeros},
		"ends": {Use: onnx.UseEnds}, "axes": {Use: onnx.UseAxes}, "rate": {Use: onnx.UseHalf}, "least": {Use: onnx.UseBounds}}
	inputs := infos(t, "x float32 n,3", "shape int64 3", "k int64 1", "sizes int64 2", "index int64 n,2", "ends int64 2", "axes int64 2", "rate float32", "least float32")
	feeds, described, err := Feeds(inputs, results.Input{}, 2, 1, func(name string) onnx.Hint { return hints[name] })
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]float64{nil, {-1, 1, 1}, {1}, {2, 3}, {0, 0, 0, 0}, {math.MaxInt32, math.MaxInt32}, {0, 1}, {0.5}, {-1}} {
		if got := asFloats(t, feeds[0][i]); want != nil && !cmp.Equal(got, want) {
			t.Errorf("%s holds %v, want %v", inputs[i].Name, got, want)
		}
	}
	if want := "generated: int64[3] a shape, -1 and ones, seed 1"; described["shape"] != want {
		t.Errorf("%s, want %s", described["shape"], want)
	}
}

// TestBatchAxisThatLeadsNoInput: a dimension called batch is the batch axis where none leads an input.
func TestBatchAxisThatLeadsNoInput(t *testing.T) {
	inputs := infos(t, "x float32 7,batch,8")
	feeds, _, err := Feeds(inputs, results.Input{}, 4, 1, noHint)
	if err != nil || feeds[0][0].Tensor.Shape[1] != 4 {
		t.Fatalf("%v, %v", feeds, err)
	}
	_, _, err = Feeds(inputs, results.Input{Data: writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 7, 12, 8)})}, 1, 1, noHint)
	if want := "has 12 examples in axis 1 of input x, and the batch is 1"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("err = %v, want %s", err, want)
	}
	feeds, _, err = Feeds(inputs, results.Input{Data: writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 5, 7, 2, 8)})}, 2, 1, noHint)
	if err != nil || len(feeds) != 5 {
		t.Errorf("%d whole feeds, %v", len(feeds), err)
	}
}
