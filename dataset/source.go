package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"assay/backend"
	"assay/tensor"
)

// source is where --data takes values from: named arrays, or folders of ONNX test data.
type source struct {
	name  string
	names []string // of arrays, sorted; nil for sets
	sets  []testSet
	open  func(array string) (*tensor.Tensor, error)
	close func() error
}

// testSet is one test_data_set folder.
type testSet struct{ name, dir string }

// openSource opens an .npz file, a folder of .npy files, a folder of test_data_set_* folders, or one such folder.
func openSource(path string) (*source, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("data: %s: no such file", path)
	case err != nil:
		return nil, fmt.Errorf("data: %w", err)
	case info.IsDir():
		return openFolder(path)
	case filepath.Ext(path) == ".npz":
		return openNPZ(path)
	}
	return nil, fmt.Errorf("data: %s is neither an .npz file nor a folder of .npy files or of test_data_set_* folders", path)
}

func openNPZ(path string) (*source, error) { return openKept(path, nil) }

// openKept is openNPZ of arrays that are kept, where keep is not nil.
func openKept(path string, keep tensor.Keeper) (*source, error) {
	z, err := tensor.OpenNPZ(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return &source{name: filepath.Base(path), names: slices.Sorted(slices.Values(z.Names())), close: z.Close,
		open: func(array string) (*tensor.Tensor, error) { return z.ReadKept(array, keep) }}, nil
}

func openFolder(path string) (*source, error) {
	s := &source{name: filepath.Base(path), close: func() error { return nil }}
	if inputs, _ := filepath.Glob(filepath.Join(escapeGlob(path), "input_*.pb")); len(inputs) > 0 {
		s.sets = []testSet{{filepath.Base(path), path}}
		return s, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	for _, e := range entries {
		name, isArray := strings.CutSuffix(e.Name(), ".npy")
		switch {
		case e.IsDir() && strings.HasPrefix(e.Name(), "test_data_set_"):
			s.sets = append(s.sets, testSet{e.Name(), filepath.Join(path, e.Name())})
		case isArray && !e.IsDir():
			s.names = append(s.names, name)
		}
	}
	slices.SortFunc(s.sets, func(a, b testSet) int {
		return cmp.Or(cmp.Compare(setNumber(a), setNumber(b)), cmp.Compare(a.name, b.name))
	})
	if s.sets == nil && s.names == nil {
		return nil, fmt.Errorf("data: %s holds neither .npy files nor test_data_set_* folders", path)
	}
	s.open = func(array string) (*tensor.Tensor, error) { return tensor.ReadNPY(filepath.Join(path, array+".npy")) }
	return s, nil
}

var globSpecial = regexp.MustCompile(`[\\*?\[]`)

func escapeGlob(path string) string { return globSpecial.ReplaceAllString(path, `\$0`) }

// setNumber puts test_data_set_10 behind test_data_set_9.
func setNumber(s testSet) int {
	n, err := strconv.Atoi(strings.TrimPrefix(s.name, "test_data_set_"))
	if err != nil {
		return -1
	}
	return n
}

// Close gives the file back; tensors that were read stay whole.
func (s *source) Close() error { return s.close() }

func (s *source) read(array string) (*tensor.Tensor, error) {
	t, err := s.open(array)
	if err != nil {
		return nil, fmt.Errorf("read array %s of %s: %w", array, s.name, err)
	}
	return t, nil
}

// arrayFor names the array that holds an input: the one that the mapping gives, the one of equal name, or for a model of one input the
// only array that fits it in type and dimensions, or x beside y.
func arrayFor(v backend.ValueInfo, inputs []backend.ValueInfo, mapping map[string]string, data *source) (string, error) {
	for name := range mapping {
		if _, err := inputNamed(inputs, name); err != nil {
			return "", fmt.Errorf("inputs of %s: %w", data.name, err)
		}
	}
	if name, ok := mapping[v.Name]; ok {
		if !slices.Contains(data.names, name) {
			return "", fmt.Errorf("input %s: %s has no array %s; it has %s", v.Name, data.name, name, listed(data.names))
		}
		return name, nil
	}
	if slices.Contains(data.names, v.Name) {
		return v.Name, nil
	}
	if len(inputs) == 1 {
		fits, err := fitting(v, data)
		if err != nil {
			return "", err
		}
		switch {
		case len(fits) == 1:
			return fits[0], nil
		case slices.Contains(fits, usualExamples) && slices.Contains(data.names, usualLabels): // of labels that fit as well
			return usualExamples, nil
		}
	}
	return "", fmt.Errorf("input %s: %s has no array of that name; it has %s, and the model takes %s",
		v.Name, data.name, listed(data.names), listed(inputNames(inputs)))
}

// fitting lists the arrays whose type and sizes could be those of v, as rows or as whole feeds.
func fitting(v backend.ValueInfo, data *source) ([]string, error) {
	var fits []string
	for _, name := range data.names {
		t, err := data.read(name)
		if err != nil {
			return nil, err
		}
		_, floats := floatReader(t.DType)
		if t.DType != v.DType && !(floats && v.DType.IsFloat()) {
			continue
		}
		shape := t.Shape
		if len(shape) == len(v.Dims)+1 {
			shape = shape[1:]
		}
		if v.Dims != nil && len(shape) != len(v.Dims) {
			continue
		}
		agree := true
		for i, d := range v.Dims {
			agree = agree && (d.Size < 0 || i == 0 || d.Size == shape[i])
		}
		if agree {
			fits = append(fits, name)
		}
	}
	return fits, nil
}

func inputNames(inputs []backend.ValueInfo) []string {
	var names []string
	for _, v := range inputs {
		names = append(names, v.Name)
	}
	return names
}

// readSet reads input i, which is v, of test data set k.
func (s *source) readSet(k, i int, v backend.ValueInfo) (tensor.Value, error) {
	path := filepath.Join(s.sets[k].dir, fmt.Sprintf("input_%d.pb", i))
	value, err := tensor.ReadPB(path, v.Kind)
	if errors.Is(err, fs.ErrNotExist) {
		return tensor.Value{}, fmt.Errorf("input %s: %s has no input_%d.pb", v.Name, s.sets[k].dir, i)
	}
	if err != nil {
		return tensor.Value{}, fmt.Errorf("input %s: read %s: %w", v.Name, path, err)
	}
	return value, nil
}
