package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"assay/backend"
	"assay/internal/spool"
	"assay/results"
	"assay/results/quality"
	"assay/tensor"
)

// Dataset is labelled examples, in memory or on disk. It is safe for concurrent reading.
type Dataset struct {
	Name   string
	SHA256 string // of its file
	count  int
	file   string
	arrays map[string]*tensor.Tensor
	inputs map[string]string // model input -> array; nil for equal names
	label  string
	labels []int64
	slices []string
	spool  *spool.Spool // nil where the arrays are in memory
}

// OpenSpooled is Open of a data set whose arrays are kept in temporary files: a Reader's feeds take the memory of the latest. Close it.
func OpenSpooled(spec results.Dataset) (*Dataset, error) { return open(spec, &spool.Spool{}) }

// Close takes arrays on disk away, and with them the feeds.
func (d *Dataset) Close() error {
	if d.spool == nil {
		return nil
	}
	return d.spool.Close()
}

// Open reads a data set and holds it against its description: every array that it names must be there, with as many examples as the
// others, and labels must be whole numbers. Every error is the user's to mend.
func Open(spec results.Dataset) (*Dataset, error) { return open(spec, nil) }

func open(spec results.Dataset, on *spool.Spool) (_ *Dataset, err error) {
	d := &Dataset{Name: spec.Name, file: filepath.Base(spec.Path), arrays: map[string]*tensor.Tensor{}, inputs: spec.Inputs, label: spec.Label, slices: spec.Slices, spool: on}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("data set %s: %w", spec.Name, err), d.Close())
		}
	}()
	var keep tensor.Keeper
	if on != nil {
		keep = on.Keep
	}
	src, err := openKept(spec.Path, keep)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	hash := sync.OnceValues(func() (string, error) { return Hash(spec.Path) })
	go hash()
	defer hash() // whoever starts it waits for it
	for _, name := range src.names {
		if d.arrays[name], err = src.read(name); err != nil {
			return nil, err
		}
	}
	if err := d.check(src.names); err != nil {
		return nil, err
	}
	if d.SHA256, err = hash(); err != nil {
		return nil, err
	}
	if spec.SHA256 != "" && spec.SHA256 != d.SHA256 {
		return nil, fmt.Errorf("%s has changed: its hash is %s and was %s", spec.Path, d.SHA256, spec.SHA256)
	}
	return d, nil
}

// check looks for what the description names, and for equal counts of examples.
func (d *Dataset) check(names []string) error {
	need := func(role, array string) error {
		if _, ok := d.arrays[array]; !ok {
			return fmt.Errorf("%s has no array %s for its %s; it has %s", d.file, array, role, listed(names))
		}
		return nil
	}
	for _, input := range slices.Sorted(maps.Keys(d.inputs)) {
		if err := need("input "+input, d.inputs[input]); err != nil {
			return err
		}
	}
	if d.label != "" {
		if err := need("labels", d.label); err != nil {
			return err
		}
	}
	for _, column := range d.slices {
		if err := need("slices", column); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no arrays", d.file)
	}
	return d.checkCounts(names)
}

func (d *Dataset) checkCounts(names []string) error {
	first := names[0]
	for _, name := range names {
		t := d.arrays[name]
		if len(t.Shape) == 0 {
			return fmt.Errorf("array %s of %s is a single value; give one element an example", name, d.file)
		}
		if t.Shape[0] != d.arrays[first].Shape[0] {
			return fmt.Errorf("arrays of %s have different counts of examples: %s has %d and %s has %d; axis 0 of each counts them (where examples stand along axis k of an input, np.expand_dims(np.moveaxis(a, k, 0), k+1) makes whole inputs of them)", d.file, first, d.arrays[first].Shape[0], name, t.Shape[0])
		}
	}
	d.count = int(d.arrays[first].Shape[0])
	if d.count == 0 {
		return fmt.Errorf("%s has no examples", d.file)
	}
	if d.label == "" {
		return nil
	}
	var err error
	if d.labels, err = quality.Labels(d.arrays[d.label]); err != nil {
		return fmt.Errorf("array %s of %s: %w", d.label, d.file, err)
	}
	return nil
}

// Len is the number of examples.
func (d *Dataset) Len() int { return d.count }

// Labels returns one class an example; nil where the data set has none. It is not to be changed.
func (d *Dataset) Labels() []int64 { return d.labels }

// Slices returns for each slice column the group of every example, as text.
func (d *Dataset) Slices() (map[string][]string, error) {
	columns := map[string][]string{}
	for _, name := range d.slices {
		t := d.arrays[name]
		if t.Len() != int64(d.count) {
			return nil, fmt.Errorf("slice column %s of %s is %s; give one value an example", name, d.file, shapeText(t.DType, t.Shape))
		}
		for i := range int64(d.count) {
			group, err := textAt(t, i)
			if err != nil {
				return nil, fmt.Errorf("slice column %s of %s: %w", name, d.file, err)
			}
			columns[name] = append(columns[name], group)
		}
	}
	return columns, nil
}

// textAt prints element i of a tensor.
func textAt(t *tensor.Tensor, i int64) (string, error) {
	if t.DType == tensor.String {
		return t.Strings[i], nil
	}
	if n, ok := intAt(t, i); ok {
		return fmt.Sprint(n), nil
	}
	if read, ok := floatReader(t.DType); ok {
		return fmt.Sprint(read(t.Data, i)), nil
	}
	return "", fmt.Errorf("groups of type %s cannot be told apart; save them as whole numbers or text", t.DType)
}

// Batch returns n examples from lo on as rows put together, by model input; past the last example it begins anew. Without a mapping of
// inputs it returns every array that is neither labels nor a slice column, by its own name.
func (d *Dataset) Batch(lo, n int) (map[string]*tensor.Tensor, error) {
	mapping := d.inputs
	if len(mapping) == 0 {
		mapping = map[string]string{}
		for name := range d.arrays {
			if name != d.label && !slices.Contains(d.slices, name) {
				mapping[name] = name
			}
		}
	}
	out := map[string]*tensor.Tensor{}
	for input, array := range mapping {
		value, err := arrayPlan{count: d.count}.rows(d.arrays[array], lo, n)
		if err != nil {
			return nil, err
		}
		out[input] = value.Tensor
	}
	return out, nil
}

// Example returns example i by model input, as a batch of one.
func (d *Dataset) Example(i int) (map[string]*tensor.Tensor, error) { return d.Batch(i, 1) }

// forget gives back the memory of what was looked at of arrays on disk.
func (d *Dataset) forget() {
	if d.spool != nil {
		d.spool.Forget()
	}
}

// Reader gives a model the examples of a data set.
type Reader struct {
	// Step is how many examples one feed holds: what was asked for, 1 where arrays hold whole feeds, or what a fixed model takes.
	Step   int
	count  int
	takes  []func(lo int) (tensor.Value, error)
	forget func()
}

// Reader finds for each input of a model the array that holds it, and says how many examples a feed takes, at most step. Every error is
// the user's to mend, and names the input.
func (d *Dataset) Reader(inputs []backend.ValueInfo, step int, hint Hint) (*Reader, error) {
	if fixed := fixedBatch(inputs); fixed > 0 {
		step = fixed
	}
	batch, whole := d.wholeBatch(inputs)
	if whole {
		step = 1
	} else {
		batch = step
	}
	s := shapesAt(inputs, batch)
	s.set, s.whole = true, whole
	m := &maker{shapes: s, hint: hint, limit: MemoryLimit, forget: d.forget}
	r := &Reader{Step: step, count: d.count, forget: d.forget, takes: make([]func(int) (tensor.Value, error), len(inputs))}
	src := d.source()
	for _, generated := range []bool{false, true} { // arrays first: they show how large open dimensions are
		for i, v := range inputs {
			name, err := arrayFor(v, inputs, d.inputs, src)
			switch {
			case err != nil && !followsFromName(v):
				return nil, err
			case err != nil && generated:
				r.takes[i], err = m.takeGenerated(v)
			case err == nil && !generated:
				r.takes[i], err = d.take(m, v, name, step)
			default:
				continue
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

func (m *maker) takeGenerated(v backend.ValueInfo) (func(lo int) (tensor.Value, error), error) {
	c, err := m.generated(v)
	if err != nil {
		return nil, err
	}
	return func(int) (tensor.Value, error) { return c.at(0) }, nil
}

// source shows the arrays that hold inputs.
func (d *Dataset) source() *source {
	var names []string
	for name := range d.arrays {
		if name != d.label && !slices.Contains(d.slices, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return &source{name: d.file, names: names, open: func(array string) (*tensor.Tensor, error) { return d.arrays[array], nil }}
}

// take finds out how feeds of step examples are taken from an array.
func (d *Dataset) take(m *maker, v backend.ValueInfo, name string, step int) (func(lo int) (tensor.Value, error), error) {
	t, from := d.arrays[name], "array "+name+" of "+d.file
	convert, err := converter(v, t, from)
	if err != nil {
		return nil, err
	}
	if err := m.checkTensor(v, t, from); err != nil {
		return nil, err
	}
	if axis := m.batchAxis(v); axis > 0 && len(t.Shape) == len(v.Dims) {
		return nil, fmt.Errorf("%s is %s, and examples of input %s%s are along its axis %d: give each of them as one whole input along a new first axis, such as np.expand_dims(np.moveaxis(a, %d, 0), %d)",
			from, shapeText(t.DType, t.Shape), v.Name, dimsText(v.Dims), axis, axis, axis+1)
	}
	p, err := m.plan(v, t, from)
	if err != nil {
		return nil, err
	}
	if p.kind == rows && p.each != step {
		stacked := "np.expand_dims(a, 1)"
		if m.axis != "" {
			stacked = fmt.Sprintf("np.repeat(np.expand_dims(a, 1), %d, 1)", m.batch)
		}
		return nil, fmt.Errorf("%s holds one example a row, and another array whole inputs of %d: give those of input %s as whole inputs along a new first axis, too, such as %s",
			from, m.batch, v.Name, stacked)
	}
	converted := func(part tensor.Value, err error) (tensor.Value, error) { // feed by feed: the array may be larger than memory
		if err != nil {
			return part, err
		}
		part.Tensor, err = convert(part.Tensor)
		return part, err
	}
	switch p.kind {
	case rows:
		return func(lo int) (tensor.Value, error) { return converted(p.rows(t, lo, p.each)) }, nil
	case wholeFeeds:
		return func(lo int) (tensor.Value, error) { return converted(p.whole(t, lo)) }, nil
	}
	return nil, fmt.Errorf("%s is %s, one whole input %s%s, not one an example; give each example as a whole input along a new first axis, such as np.stack([a, b]) of arrays like it",
		from, shapeText(t.DType, t.Shape), v.Name, dimsText(v.Dims))
}

// wholeBatch reports whether some input's array has one dimension more than the input, or that has no known rank, and so holds whole feeds, and how large the batch axis is in
// them: 1 where they have none.
func (d *Dataset) wholeBatch(inputs []backend.ValueInfo) (batch int, whole bool) {
	s := shapesAt(inputs, 1)
	batch = 1
	src := d.source()
	for _, v := range inputs {
		name, err := arrayFor(v, inputs, d.inputs, src)
		if err != nil || v.Dims != nil && (len(v.Dims) == 0 || len(d.arrays[name].Shape) != len(v.Dims)+1) {
			continue
		}
		whole = true
		if axis := s.batchAxis(v); s.has && axis >= 0 && batch == 1 {
			batch = max(1, int(d.arrays[name].Shape[axis+1]))
		}
	}
	return batch, whole
}

// Feed returns the inputs of Step examples from lo on, in the order of the model's inputs. Past the last example it begins anew, so that
// a model of a fixed batch can take the rest: what it says of those is to be left out.
func (r *Reader) Feed(lo int) ([]tensor.Value, error) {
	if lo < 0 || lo >= r.count {
		return nil, fmt.Errorf("example %d of %d", lo, r.count)
	}
	r.forget()
	feed := make([]tensor.Value, len(r.takes))
	for i, take := range r.takes {
		var err error
		if feed[i], err = take(lo); err != nil {
			return nil, err
		}
	}
	return feed, nil
}

// fixedBatch is the batch that a model without a symbolic batch axis takes: the size that leads its first input of two dimensions or
// more, 0 where the axis is open.
func fixedBatch(inputs []backend.ValueInfo) int {
	if _, open := batchSymbol(inputs); open {
		return 0
	}
	for _, v := range inputs {
		if len(v.Dims) > 1 {
			return int(v.Dims[0].Size)
		}
	}
	return 1
}

// Hash identifies a file by its content: the SHA-256 in hexadecimal, whatever the file is called.
func Hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
