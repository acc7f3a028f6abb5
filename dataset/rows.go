package dataset

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/x448/float16"

	"assay/backend"
	"assay/tensor"
)

// arrayKind says what an array holds for an input.
type arrayKind int

const (
	rows       arrayKind = iota // axis 0 counts examples
	wholeFeeds                  // axis 0 counts complete inputs
	oneValue                    // one complete input
)

// arrayPlan is how feeds are taken from an array.
type arrayPlan struct {
	kind  arrayKind
	count int   // examples or feeds in the array
	each  int   // rows of a feed
	bytes int64 // of one feed
}

// plan decides how feeds are taken from array t, and binds the dimensions that it shows.
func (s *shapes) plan(v backend.ValueInfo, t *tensor.Tensor, from string) (arrayPlan, error) {
	axis, rank := s.batchAxis(v), len(v.Dims)
	shape := append([]int64{}, t.Shape...)
	p := arrayPlan{count: 1}
	switch {
	case v.Dims == nil && len(shape) > 0: // each element is what the input takes, whatever its rank
		p.kind, p.count = wholeFeeds, int(shape[0])
		shape = shape[1:]
	case len(shape) == rank && axis == 0:
		p.kind, p.count, p.each = rows, int(shape[0]), int(s.batch)
		shape[0] = s.batch
	case s.whole && len(shape) == rank && axis < 0 && rank > 0 && (v.Dims[0].Size < 0 || v.Dims[0].Size == 1): // beside whole feeds of other inputs
		p.kind, p.count, p.each = rows, int(shape[0]), 1
		shape[0] = 1
	case len(shape) == rank:
		p.kind = oneValue
	case len(shape) == rank+1:
		p.kind, p.count = wholeFeeds, int(shape[0])
		shape = shape[1:]
	default:
		return p, fmt.Errorf("%s is %s, and input %s is %s%s: give an array of %d dimensions%s, or of %d, one whole feed an element",
			from, shapeText(t.DType, t.Shape), v.Name, v.DType, dimsText(v.Dims), rank, map[bool]string{true: ", one example a row"}[axis == 0], rank+1)
	}
	if p.count == 0 {
		return p, fmt.Errorf("%s has no examples", from)
	}
	if err := s.bind(v, shape, from); err != nil {
		return p, err
	}
	var err error
	p.bytes, err = tensor.ByteSize(v.DType, shape)
	return p, err
}

// rows returns n rows from lo on; past the last one it begins anew.
func (p arrayPlan) rows(t *tensor.Tensor, lo, n int) (tensor.Value, error) {
	shape := append([]int64{int64(n)}, t.Shape[1:]...)
	lo %= p.count
	if lo+n <= p.count {
		return cut(t, shape, lo, n, p.count)
	}
	size, err := rowBytes(t, p.count)
	if err != nil {
		return tensor.Value{}, err
	}
	out := &tensor.Tensor{DType: t.DType, Shape: shape}
	perRow := len(t.Strings) / p.count
	for i := range n {
		k := (lo + i) % p.count
		out.Data = append(out.Data, t.Data[k*size:(k+1)*size]...)
		out.Strings = append(out.Strings, t.Strings[k*perRow:(k+1)*perRow]...)
	}
	return tensor.Of(out), nil
}

// whole returns element i of an array of complete inputs.
func (p arrayPlan) whole(t *tensor.Tensor, i int) (tensor.Value, error) {
	return cut(t, append([]int64{}, t.Shape[1:]...), i, 1, p.count)
}

// cut returns n of the count elements of t's first axis in the given shape, sharing t's memory.
func cut(t *tensor.Tensor, shape []int64, lo, n, count int) (tensor.Value, error) {
	out := &tensor.Tensor{DType: t.DType, Shape: shape}
	if t.DType == tensor.String {
		perRow := len(t.Strings) / count
		out.Strings = t.Strings[lo*perRow : (lo+n)*perRow : (lo+n)*perRow]
		return tensor.Of(out), nil
	}
	size, err := rowBytes(t, count)
	if err != nil {
		return tensor.Value{}, err
	}
	out.Data = t.Data[lo*size : (lo+n)*size : (lo+n)*size]
	return tensor.Of(out), nil
}

// rowBytes is the size of one element of t's first axis. Rows of packed types must fill whole bytes.
func rowBytes(t *tensor.Tensor, count int) (int, error) {
	if perRow := t.Len() / int64(count); perRow*int64(t.DType.Bits())%8 != 0 {
		return 0, fmt.Errorf("rows of %s do not end at a byte", shapeText(t.DType, t.Shape))
	}
	return len(t.Data) / count, nil
}

// convertFor gives an array as the input's type, or refuses it: see converter.
func convertFor(v backend.ValueInfo, t *tensor.Tensor, from string) (out *tensor.Tensor, note string, err error) {
	convert, err := converter(v, t, from)
	if err != nil || t.DType == v.DType {
		return t, "", err
	}
	out, err = convert(t)
	return out, fmt.Sprintf(", converted from %s to %s", t.DType, v.DType), err
}

// converter gives what makes arrays of t's type, or parts of them, the input's type, and refuses other types. Floats of 16 and 32 bits stand in for
// each other, because variants of one model differ in them and share their data.
func converter(v backend.ValueInfo, t *tensor.Tensor, from string) (func(*tensor.Tensor) (*tensor.Tensor, error), error) {
	if t.DType == v.DType {
		return func(t *tensor.Tensor) (*tensor.Tensor, error) { return t, nil }, nil
	}
	read, ok := floatReader(t.DType)
	if !ok || !v.DType.IsFloat() || v.DType.Bits() < 16 || v.DType.Bits() > 32 {
		return nil, fmt.Errorf("%s is %s, and input %s is %s%s; save the array with that type, such as a.astype(%q)",
			from, shapeText(t.DType, t.Shape), v.Name, v.DType, dimsText(v.Dims), v.DType.String())
	}
	put, err := putter(v.DType)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", v.Name, err)
	}
	return func(t *tensor.Tensor) (*tensor.Tensor, error) {
		out, err := tensor.New(v.DType, t.Shape...)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", v.Name, err)
		}
		for i := range t.Len() {
			put(out.Data, i, float64(read(t.Data, i)))
		}
		return out, nil
	}, nil
}

// floatReader reads floats of 16 and 32 bits.
func floatReader(d tensor.DType) (func(data []byte, i int64) float32, bool) {
	le := binary.LittleEndian
	switch d {
	case tensor.Float32:
		return func(b []byte, i int64) float32 { return math.Float32frombits(le.Uint32(b[4*i:])) }, true
	case tensor.Float16:
		return func(b []byte, i int64) float32 { return float16.Frombits(le.Uint16(b[2*i:])).Float32() }, true
	case tensor.BFloat16:
		return func(b []byte, i int64) float32 { return math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16) }, true
	}
	return nil, false
}

// intAt returns element i of a tensor of integers; false for types of less than a byte and for values past 2^63.
func intAt(t *tensor.Tensor, i int64) (int64, bool) {
	le, b := binary.LittleEndian, t.Data
	switch t.DType {
	case tensor.Int8:
		return int64(int8(b[i])), true
	case tensor.Uint8, tensor.Bool:
		return int64(b[i]), true
	case tensor.Int16:
		return int64(int16(le.Uint16(b[2*i:]))), true
	case tensor.Uint16:
		return int64(le.Uint16(b[2*i:])), true
	case tensor.Int32:
		return int64(int32(le.Uint32(b[4*i:]))), true
	case tensor.Uint32:
		return int64(le.Uint32(b[4*i:])), true
	case tensor.Int64:
		return int64(le.Uint64(b[8*i:])), true
	case tensor.Uint64:
		u := le.Uint64(b[8*i:])
		return int64(u), u <= math.MaxInt64
	}
	return 0, false
}

// filled makes a tensor that holds what text says in every element.
func filled(v backend.ValueInfo, shape []int64, text string) (*tensor.Tensor, error) {
	t, err := tensor.New(v.DType, shape...)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", v.Name, err)
	}
	if v.DType == tensor.String {
		for i := range t.Strings {
			t.Strings[i] = text
		}
		return t, nil
	}
	if v.DType.IsInt() {
		return t, fillInts(v, t, text)
	}
	x, err := parseElement(v.DType, text)
	if err != nil {
		return nil, fmt.Errorf("input %s: %q is no value of type %s, and no .npy file", v.Name, text, v.DType)
	}
	put, err := putter(v.DType)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", v.Name, err)
	}
	for i := range t.Len() {
		put(t.Data, i, x)
	}
	return t, nil
}

func parseElement(d tensor.DType, text string) (float64, error) {
	if d == tensor.Bool {
		b, err := strconv.ParseBool(text)
		if b {
			return 1, err
		}
		return 0, err
	}
	return strconv.ParseFloat(text, 64)
}

// fillInts keeps whole numbers whole: a float64 would round those past 2^53.
func fillInts(v backend.ValueInfo, t *tensor.Tensor, text string) error {
	bits := v.DType.Bits()
	if bits < 8 {
		return fmt.Errorf("input %s: values of type %s cannot be written as numbers; give an .npy file", v.Name, v.DType)
	}
	var element uint64
	var err error
	switch v.DType {
	case tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64:
		element, err = strconv.ParseUint(text, 10, bits)
	default:
		var signed int64
		signed, err = strconv.ParseInt(text, 10, bits)
		element = uint64(signed)
	}
	if err != nil {
		return fmt.Errorf("input %s: %q is no value of type %s, and no .npy file", v.Name, text, v.DType)
	}
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], element)
	for i := 0; i < len(t.Data); i += bits / 8 {
		copy(t.Data[i:], raw[:bits/8])
	}
	return nil
}
