package dataset

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"assay/results"
	"assay/tensor"
)

func digits(t testing.TB) results.Dataset {
	t.Helper()
	return results.Dataset{Name: "digits", Inputs: map[string]string{"image": "x"}, Label: "y", Slices: []string{"stroke"},
		Path: writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 5, 2), "y": numbers(t, tensor.Uint8, 5), "stroke": numbers(t, tensor.Int64, 5)})}
}

func TestOpen(t *testing.T) {
	d, err := Open(digits(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{0, 1, 2, 3, 4}, d.Labels()); diff != "" || d.Len() != 5 {
		t.Errorf("labels of %d: %s", d.Len(), diff)
	}
	columns, err := d.Slices()
	if diff := cmp.Diff(map[string][]string{"stroke": {"0", "1", "2", "3", "4"}}, columns); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	batch, err := d.Batch(3, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{6, 7, 8, 9, 0, 1}, asFloats(t, tensor.Of(batch["image"]))); diff != "" || len(batch) != 1 {
		t.Error(diff)
	}
	one, err := d.Example(2)
	if err != nil || !cmp.Equal(one["image"].Shape, []int64{1, 2}) {
		t.Errorf("%v, %v", one, err)
	}
}

func TestOpenWithoutMapping(t *testing.T) {
	spec := digits(t)
	spec.Inputs = nil
	d, err := Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := d.Batch(0, 1)
	if err != nil || len(batch) != 1 || batch["x"] == nil {
		t.Errorf("labels and slice columns are no inputs: %v, %v", batch, err)
	}
}

func TestReader(t *testing.T) {
	d, err := Open(digits(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		inputs []string
		step   int
		want   [][]float64
	}{
		{[]string{"image float32 n,2"}, 2, [][]float64{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 0, 1}}},
		{[]string{"image float16 4,2"}, 1, [][]float64{{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 0, 1, 2, 3, 4, 5}}},
		{[]string{"image float32 2"}, 8, [][]float64{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}}},
		{[]string{"attention_mask int64 n,seq", "image float32 n,seq"}, 4, [][]float64{{1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}}},
	} {
		r, err := d.Reader(infos(t, c.inputs...), c.step, noHint)
		if err != nil {
			t.Errorf("%v: %v", c.inputs, err)
			continue
		}
		var got [][]float64
		for lo := 0; lo < d.Len(); lo += r.Step {
			feed, err := r.Feed(lo)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, asFloats(t, feed[0]))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: %s", c.inputs, diff)
		}
	}
	if _, err := d.Reader(infos(t, "image float32 n,3"), 1, noHint); err == nil || !strings.Contains(err.Error(), "does not fit input image") {
		t.Errorf("err = %v", err)
	}
	if _, err := d.Reader(infos(t, "picture float32 n,3"), 1, noHint); err == nil || !strings.Contains(err.Error(), "the model has no input image; it has picture") {
		t.Errorf("err = %v", err)
	}
}

func TestOpenMistakes(t *testing.T) {
	y := numbers(t, tensor.Int64, 4)
	words := &tensor.Tensor{DType: tensor.String, Shape: []int64{4}, Strings: []string{"a", "b", "c", "d"}}
	for name, c := range map[string]struct {
		arrays map[string]*tensor.Tensor
		change func(*results.Dataset)
		want   string
	}{
		"no labels":        {map[string]*tensor.Tensor{"x": floats(t, 4, 2)}, nil, "data set d: data.npz has no array y for its labels; it has x"},
		"label type":       {map[string]*tensor.Tensor{"x": floats(t, 4, 2), "y": words}, nil, "array y of data.npz: labels of type string; want integers"},
		"label shape":      {map[string]*tensor.Tensor{"x": floats(t, 4, 2), "y": numbers(t, tensor.Int64, 4, 3)}, nil, "array y of data.npz: labels of shape [4 3]; want one for each example"},
		"other length":     {map[string]*tensor.Tensor{"x": floats(t, 5, 2), "y": y}, nil, "arrays of data.npz have different counts of examples: x has 5 and y has 4; axis 0 of each counts them"},
		"single value":     {map[string]*tensor.Tensor{"x": floats(t), "y": y}, nil, "array x of data.npz is a single value"},
		"no examples":      {map[string]*tensor.Tensor{"x": floats(t, 0, 2), "y": numbers(t, tensor.Int64, 0)}, nil, "data.npz has no examples"},
		"no arrays":        {map[string]*tensor.Tensor{}, func(d *results.Dataset) { d.Label = "" }, "data.npz has no arrays"},
		"no such input":    {map[string]*tensor.Tensor{"x": floats(t, 4, 2), "y": y}, func(d *results.Dataset) { d.Inputs = map[string]string{"image": "z"} }, "data.npz has no array z for its input image; it has x, y"},
		"no such slices":   {map[string]*tensor.Tensor{"x": floats(t, 4, 2), "y": y}, func(d *results.Dataset) { d.Slices = []string{"s"} }, "data.npz has no array s for its slices"},
		"no file":          {map[string]*tensor.Tensor{"x": floats(t, 4, 2), "y": y}, func(d *results.Dataset) { d.Path = "nowhere.npz" }, "nowhere.npz"},
		"another content":  {map[string]*tensor.Tensor{"x": floats(t, 4, 2), "y": y}, func(d *results.Dataset) { d.SHA256 = "00" }, "has changed: its hash is"},
		"hash of the same": {map[string]*tensor.Tensor{"x": floats(t, 4, 2), "y": y}, func(d *results.Dataset) { d.SHA256, _ = Hash(d.Path) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			spec := results.Dataset{Name: "d", Label: "y", Path: writeNPZ(t, c.arrays)}
			if c.change != nil {
				c.change(&spec)
			}
			_, err := Open(spec)
			if err == nil && c.want == "" {
				return
			}
			if err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v\nwant %s", err, c.want)
			}
		})
	}
}

// The hash is of the content alone, as sha256sum prints it.
func TestHash(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a.npz": "content", "b.npz": "content", "c.npz": "contents"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Hash(path); err != nil || got != fmt.Sprintf("%x", sha256.Sum256([]byte(content))) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// An input of unknown shape takes what an element of its array is, and so does an input beside it that takes rows, one of them.
func TestReaderOfUnknownShapes(t *testing.T) {
	const examples = 5
	inputs := infos(t, "x float32 ", "y float32 n,2", "z float32 3,2")
	inputs[0].Dims = nil
	d, err := Open(results.Dataset{Name: "data", Path: writeNPZ(t, map[string]*tensor.Tensor{
		"x": floats(t, examples, 4, 2), "y": floats(t, examples, 2), "z": floats(t, examples, 3, 2)})})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range [][]int64{{4, 2}, {1, 2}, {3, 2}} {
		r, err := d.Reader(inputs[:n+1], 64, noHint)
		if err != nil {
			t.Fatal(err)
		}
		feed, err := r.Feed(examples - 1)
		if err != nil || !slices.Equal(feed[n].Tensor.Shape, want) || r.Step != 1 {
			t.Errorf("%s: %v, want %v: %v", inputs[n].Name, feed[n].Tensor.Shape, want, err)
		}
	}
	if _, _, err := Feeds(inputs[:1], results.Input{}, 1, 1, noHint); err == nil || !strings.Contains(err.Error(), "input x has no shape in the model, so its values cannot be made up") {
		t.Errorf("err = %v", err)
	}
	feeds, _, err := Feeds(inputs[:1], results.Input{Shapes: map[string][]int64{"x": {3, 1}}}, 1, 1, noHint)
	if err != nil || !slices.Equal(feeds[0][0].Tensor.Shape, []int64{3, 1}) {
		t.Errorf("with a shape: %v", err)
	}
}

// An input whose batch goes by another name than what leads the input beside it takes rows beside whole inputs.
func TestReaderOfRowsBesideSequences(t *testing.T) {
	d, err := Open(results.Dataset{Name: "data", Path: writeNPZ(t, map[string]*tensor.Tensor{"x": floats(t, 5, 3, 1, 2), "y": floats(t, 5, 2)})})
	if err != nil {
		t.Fatal(err)
	}
	for _, inputs := range [][]string{{"x float32 T,N,2", "y float32 N,2"}, {"x float32 time,batch,2", "y float32 batch,2"}, {"y float32 batch,2", "x float32 3,batch,2"}} {
		r, err := d.Reader(infos(t, inputs...), 64, noHint)
		if err != nil {
			t.Errorf("%v: %v", inputs, err)
			continue
		}
		feed, err := r.Feed(4)
		at := slices.IndexFunc(inputs, func(s string) bool { return strings.HasPrefix(s, "y") })
		if err != nil || !slices.Equal(feed[at].Tensor.Shape, []int64{1, 2}) {
			t.Errorf("%v: %v, %v", inputs, feed, err)
		}
	}
}

// Where time leads, examples are whole inputs along a new first axis; a model whose names do not tell takes them as well.
func TestReaderOfSequences(t *testing.T) {
	open := func(arrays map[string]*tensor.Tensor) *Dataset {
		d, err := Open(results.Dataset{Name: "sequences", Path: writeNPZ(t, arrays)})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const examples, time, width = 5, 3, 2
	whole := map[string]*tensor.Tensor{"x": floats(t, examples, time, 1, width), "state": floats(t, examples, 1, 1, 4)}
	for _, inputs := range [][]string{
		{"x float32 time,batch,2", "state float32 1,batch,4"}, {"x float32 3,batch,2", "state float32 1,batch,4"}, {"x float32 T,N,2", "state float32 1,N,4"},
	} {
		r, err := open(whole).Reader(infos(t, inputs...), 1, noHint)
		if err != nil {
			t.Errorf("%v: %v", inputs, err)
			continue
		}
		feed, err := r.Feed(examples - 1)
		if err != nil {
			t.Fatal(err)
		}
		if x, state := feed[0].Tensor.Shape, feed[1].Tensor.Shape; !slices.Equal(x, []int64{time, 1, width}) || !slices.Equal(state, []int64{1, 1, 4}) || r.Step != 1 {
			t.Errorf("%v: feeds of %v and %v, step %d", inputs, x, state, r.Step)
		}
	}
	for _, c := range []struct {
		arrays map[string]*tensor.Tensor
		inputs []string
		want   string
	}{
		{map[string]*tensor.Tensor{"x": floats(t, examples, time, 1, width), "y": floats(t, examples, width)}, []string{"x float32 ?,?,2", "y float32 ?,2"},
			"give those of input y as whole inputs along a new first axis, too, such as np.expand_dims(a, 1)"},
		{map[string]*tensor.Tensor{"x": floats(t, examples, 5, 2)}, []string{"x float32 6,2"},
			"[5 2] does not fit input x, which is float32[6 2]; give whole inputs along a new first axis, or for every input rows along axis 0, which are taken 6 at a time"},
		{map[string]*tensor.Tensor{"x": floats(t, 6, 6, 2), "y": floats(t, 6, 2)}, []string{"x float32 6,2", "y float32 6,2"},
			"array y of data.npz is float32[6,2], one whole input y[6 2], not one an example; give each example as a whole input along a new first axis, such as np.stack([a, b]) of arrays like it"},
		{map[string]*tensor.Tensor{"x": floats(t, time, examples, width)}, []string{"x float32 time,batch,2"},
			"array x of data.npz is float32[3,5,2], and examples of input x[time batch 2] are along its axis 1: give each of them as one whole input along a new first axis, such as np.expand_dims(np.moveaxis(a, 1, 0), 2)"},
		{map[string]*tensor.Tensor{"x": floats(t, examples, time, 1, width), "y": floats(t, examples, width)}, []string{"x float32 T,N,2", "y float32 T,2"},
			"array y of data.npz holds one example a row, and another array whole inputs of 3: give those of input y as whole inputs along a new first axis, too, such as np.repeat(np.expand_dims(a, 1), 3, 1)"},
	} {
		if _, err := open(c.arrays).Reader(infos(t, c.inputs...), 1, noHint); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: err = %v", c.inputs, err)
		}
	}
}
