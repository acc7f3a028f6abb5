package dataset

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"assay/backend"
	"assay/onnx"
	"assay/results"
	"assay/tensor"
)

// MemoryLimit is the most bytes that the inputs of one request may take.
const MemoryLimit = 4 << 30

// Of generated inputs that many different requests are made, as long as they take no more than generatedBytes together; of data at most
// maxFeeds requests.
const (
	generatedFeeds = 8
	generatedBytes = 64 << 20
	differentBytes = 512 << 20 // where more different ones are asked for
	maxFeeds       = 1024
)

// Hint says what a model's graph shows of the values that an input may hold.
type Hint = func(input string) onnx.Hint

// Feeds makes the inputs of requests: each feed holds a value for every input, in the order of inputs. Values named in in.Values come
// first, then arrays of in.Data, and inputs that neither gives are generated from the model's own types and names. Without data there are
// a few different feeds; from data as many as its examples make. described says of every input how its values were made.
//
// In arrays of an input's rank axis 0 counts examples where it is the batch axis, and rows are put together to the batch; arrays of one
// rank more hold whole feeds. The batch axis is the symbolic dimension that leads the first input having one, wherever it occurs.
// Every error is the user's to mend, and names the input.
func Feeds(inputs []backend.ValueInfo, in results.Input, batch int, seed uint64, hint Hint) (feeds [][]tensor.Value, described map[string]string, err error) {
	return feedsWithin(MemoryLimit, inputs, in, batch, seed, hint)
}

func feedsWithin(limit int64, inputs []backend.ValueInfo, in results.Input, batch int, seed uint64, hint Hint) ([][]tensor.Value, map[string]string, error) {
	s, err := newShapes(inputs, in, batch)
	if err != nil {
		return nil, nil, err
	}
	m := &maker{shapes: s, in: in, seed: seed, hint: hint, limit: limit, given: maps.Clone(s.sizes)}
	columns, err := m.columns()
	if err != nil {
		return nil, nil, err
	}
	count, err := m.count(columns)
	if err != nil {
		return nil, nil, err
	}
	feeds := make([][]tensor.Value, count)
	described := map[string]string{}
	for i := range feeds {
		for k, c := range columns {
			value, err := c.at(i)
			if err != nil {
				return nil, nil, err
			}
			feeds[i] = append(feeds[i], value)
			described[inputs[k].Name] = c.how
		}
	}
	return feeds, described, nil
}

// maker makes the columns of a table of feeds: one column an input.
type maker struct {
	*shapes
	in    results.Input
	seed  uint64
	hint  Hint
	limit int64
	given map[string]int64 // sizes of symbols before any data were read
	sets  []*shapes        // of the second test data set and on
	// forget, where not nil, gives back the memory of what was looked at of arrays that are not in memory.
	forget func()
}

// column is one input's values. count is how many feeds it holds, 0 where it serves any number.
type column struct {
	count int
	bytes int64 // of one feed
	how   string
	at    func(feed int) (tensor.Value, error)
}

// columns looks at files first, because they show how large open dimensions are; then come constants and generated values.
func (m *maker) columns() ([]*column, error) {
	for _, name := range slices.Sorted(maps.Keys(m.in.Values)) {
		if _, err := inputNamed(m.inputs, name); err != nil {
			return nil, fmt.Errorf("input value: %w", err)
		}
	}
	given, err := m.fromFiles()
	if err != nil {
		return nil, err
	}
	columns := make([]*column, len(m.inputs))
	for i, v := range m.inputs {
		if columns[i] = given[v.Name]; columns[i] != nil {
			continue
		}
		if text, ok := m.in.Values[v.Name]; ok {
			columns[i], err = m.constant(v, text)
		} else {
			columns[i], err = m.generated(v)
		}
		if err != nil {
			return nil, err
		}
	}
	return columns, m.checkMemory(columns)
}

// fromFiles makes the columns that .npy values and the data give.
func (m *maker) fromFiles() (map[string]*column, error) {
	given := map[string]*column{}
	var data *source
	if m.in.Data != "" {
		var err error
		if data, err = openSource(m.in.Data); err != nil {
			return nil, err
		}
		defer data.Close()
	}
	for i, v := range m.inputs {
		var err error
		text, named := m.in.Values[v.Name]
		switch {
		case named && filepath.Ext(text) == ".npy":
			given[v.Name], err = m.fromNPY(v, text)
		case named || data == nil:
			continue
		case data.sets != nil:
			given[v.Name], err = m.fromSets(v, i, data)
		default:
			given[v.Name], err = m.fromArrays(v, data)
		}
		if err != nil {
			return nil, err
		}
	}
	return given, nil
}

func (m *maker) fromNPY(v backend.ValueInfo, path string) (*column, error) {
	t, err := tensor.ReadNPY(path)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", v.Name, err)
	}
	return m.fromTensor(v, t, filepath.Base(path))
}

func (m *maker) fromArrays(v backend.ValueInfo, data *source) (*column, error) {
	name, err := arrayFor(v, m.inputs, m.in.Arrays, data)
	if err != nil && followsFromName(v) {
		return nil, nil // a mask or a sample rate need not stand beside the data
	}
	if err != nil {
		return nil, err
	}
	t, err := data.read(name)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", v.Name, err)
	}
	return m.fromTensor(v, t, fmt.Sprintf("array %s of %s", name, data.name))
}

// fromSets takes input number i of every test_data_set folder: each is a whole feed.
func (m *maker) fromSets(v backend.ValueInfo, i int, data *source) (*column, error) {
	c := &column{count: len(data.sets), how: fmt.Sprintf("%s of %s", plural(len(data.sets), "test data set"), data.name)}
	values := make([]tensor.Value, len(data.sets))
	for k := range data.sets {
		value, err := data.readSet(k, i, v)
		if err != nil {
			return nil, err
		}
		by := fmt.Sprintf("%s input_%d.pb", data.sets[k].name, i)
		if value.Kind == tensor.KindTensor && value.Tensor != nil && v.Kind == tensor.KindTensor {
			if _, _, err := convertFor(v, value.Tensor, by); err != nil {
				return nil, err
			}
			if err := m.checkTensor(v, value.Tensor, by); err != nil {
				return nil, err
			}
			if err := m.ofSet(k).bind(v, value.Tensor.Shape, by); err != nil {
				return nil, err
			}
			c.bytes = max(c.bytes, int64(len(value.Tensor.Data)))
		}
		values[k] = value
	}
	c.at = func(feed int) (tensor.Value, error) { return values[feed], nil }
	return c, nil
}

// ofSet is what test data set k shows of open dimensions: each set has its own, and what is generated beside them follows the first.
func (m *maker) ofSet(k int) *shapes {
	if k == 0 {
		return m.shapes
	}
	for len(m.sets) < k {
		s := *m.shapes
		s.sizes, s.by = maps.Clone(m.given), maps.Clone(m.by)
		m.sets = append(m.sets, &s)
	}
	return m.sets[k-1]
}

// fromTensor makes a column of an array: of rows that are put together to the batch, of whole feeds, or of one value for every request.
func (m *maker) fromTensor(v backend.ValueInfo, t *tensor.Tensor, from string) (*column, error) {
	if v.Kind != tensor.KindTensor {
		return nil, fmt.Errorf("input %s takes no array; give it as a test_data_set folder", v.Name)
	}
	t, converted, err := convertFor(v, t, from)
	if err != nil {
		return nil, err
	}
	if err := m.checkTensor(v, t, from); err != nil {
		return nil, err
	}
	p, err := m.plan(v, t, from)
	if err != nil {
		return nil, err
	}
	c := &column{how: "from " + from + converted, bytes: p.bytes}
	switch p.kind {
	case oneValue:
		c.how += ", the same in every request"
		c.at = func(int) (tensor.Value, error) { return tensor.Of(t), nil }
	case wholeFeeds:
		c.count = p.count
		c.how += ", " + plural(p.count, "whole feed")
		c.at = func(feed int) (tensor.Value, error) { return p.whole(t, feed) }
	case rows:
		c.count = max(1, p.count/int(m.batch))
		c.how += ", " + plural(p.count, "example")
		c.at = func(feed int) (tensor.Value, error) { return p.rows(t, feed*int(m.batch), int(m.batch)) }
	}
	return c, nil
}

// generated makes a column of values that the model's own types and names suggest.
func (m *maker) generated(v backend.ValueInfo) (*column, error) {
	switch v.Kind {
	case tensor.KindOptional:
		return &column{how: "empty", at: func(int) (tensor.Value, error) { return tensor.Value{Kind: tensor.KindOptional}, nil }}, nil
	case tensor.KindTensor:
	default:
		return nil, fmt.Errorf("input %s is a sequence or a map, which cannot be generated; give it with --data as a test_data_set folder", v.Name)
	}
	if m.unshaped(v) {
		return nil, fmt.Errorf("input %s has no shape in the model, so its values cannot be made up: give data or a shape for it", v.Name)
	}
	shape := m.shape(v)
	size, err := memoryFor(v, shape)
	if err != nil {
		return nil, err
	}
	c := &column{bytes: size}
	c.how = fmt.Sprintf("generated, %s", shapeText(v.DType, shape))
	c.at = func(feed int) (tensor.Value, error) {
		t, kind, err := generate(v, m.shapes, shape, m.seed, feed, m.hint)
		c.how = fmt.Sprintf("generated: %s %s, seed %d", shapeText(v.DType, shape), kind, m.seed)
		return tensor.Of(t), err
	}
	return c, nil
}

// constant makes a column of one number, word or truth value in every element.
func (m *maker) constant(v backend.ValueInfo, text string) (*column, error) {
	if v.Kind != tensor.KindTensor {
		return nil, fmt.Errorf("input %s is no tensor and takes no single value", v.Name)
	}
	if m.unshaped(v) {
		return nil, fmt.Errorf("input %s has no shape in the model: give that, or an .npy file", v.Name)
	}
	shape := m.shape(v)
	size, err := memoryFor(v, shape)
	if err != nil {
		return nil, err
	}
	var once *tensor.Tensor
	return &column{bytes: size, how: fmt.Sprintf("the value %s, %s", text, shapeText(v.DType, shape)), at: func(int) (tensor.Value, error) {
		if once == nil {
			t, err := filled(v, shape, text)
			if err == nil {
				err = m.checkTensor(v, t, "the value "+text)
			}
			if err != nil {
				return tensor.Value{}, err
			}
			once = t
		}
		return tensor.Of(once), nil
	}}, nil
}

// memoryFor is what a tensor takes: of a string only its header, because generated ones share their text.
func memoryFor(v backend.ValueInfo, shape []int64) (int64, error) {
	size, err := tensor.ByteSize(v.DType, shape)
	if err == nil && v.DType == tensor.String {
		size, err = tensor.ByteSize(tensor.Complex128, shape) // as wide as a header
	}
	if err != nil {
		return 0, fmt.Errorf("input %s: %w; make its dimensions smaller", v.Name, err)
	}
	return size, nil
}

// forgetEach is after how many elements of an array what was looked at is given back.
const forgetEach = 1 << 20

// checkTensor refuses integers outside the vocabulary that the model shows.
func (m *maker) checkTensor(v backend.ValueInfo, t *tensor.Tensor, from string) error {
	vocabulary := m.hint(v.Name).Rows
	if vocabulary == 0 || !t.DType.IsInt() {
		return nil
	}
	for i := range t.Len() {
		if i%forgetEach == 0 && m.forget != nil {
			m.forget()
		}
		if id, ok := intAt(t, i); ok && (id < 0 || id >= vocabulary) {
			return fmt.Errorf("%s: element %d is %d, and input %s takes 0 to %d, the rows of the model's table", from, i, id, v.Name, vocabulary-1)
		}
	}
	return nil
}

// checkMemory refuses requests past the limit and names the input that takes most.
func (m *maker) checkMemory(columns []*column) error {
	var total int64
	largest := 0
	for i, c := range columns {
		if c.bytes > m.limit-total {
			largest, total = i, m.limit+1
			break
		}
		total += c.bytes
		if c.bytes > columns[largest].bytes {
			largest = i
		}
	}
	if total <= m.limit {
		return nil
	}
	v := m.inputs[largest]
	return fmt.Errorf("input %s would take %s (%s), and the inputs of one request may take %s; make the batch or its dimensions smaller",
		v.Name, bytesText(columns[largest].bytes), shapeText(v.DType, m.shape(v)), bytesText(m.limit))
}

// count is how many feeds the columns make together.
func (m *maker) count(columns []*column) (int, error) {
	first := -1
	var total int64
	for i, c := range columns {
		total += c.bytes
		if c.count == 0 {
			continue
		}
		if first >= 0 && c.count != columns[first].count {
			return 0, fmt.Errorf("inputs have different counts of examples: %s %s, and %s %s; every array needs the same",
				m.inputs[first].Name, columns[first].how, m.inputs[i].Name, c.how)
		}
		if first < 0 {
			first = i
		}
	}
	if first >= 0 && columns[first].count > maxFeeds {
		for _, c := range columns {
			if c.count > 0 {
				c.how += fmt.Sprintf(", of which the first %d make requests", maxFeeds*int(m.batch))
			}
		}
		return maxFeeds, nil
	}
	if first >= 0 {
		return columns[first].count, nil
	}
	if n := int64(m.in.Different); n > 0 {
		return int(max(1, min(n, maxFeeds, differentBytes/max(1, total)))), nil
	}
	return int(max(1, min(generatedFeeds, generatedBytes/max(1, total)))), nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func shapeText(d tensor.DType, shape []int64) string {
	return d.String() + strings.ReplaceAll(fmt.Sprint(shape), " ", ",")
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}
