package dataset

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/x448/float16"

	"assay/backend"
	"assay/tensor"
)

// smallIDs is the vocabulary assumed where the model shows none: every table of two rows or more holds these indices.
const smallIDs = 2

// filler writes the elements of one generated input.
type filler struct {
	kind  string                // for the report
	value func(i int64) float64 // of element i in row-major order; called in order
}

// generate makes one input of the shape, always the same for the same seed, input and number. It returns how the values were made.
func generate(v backend.ValueInfo, s *shapes, shape []int64, seed uint64, number int, hint Hint) (*tensor.Tensor, string, error) {
	t, err := tensor.New(v.DType, shape...)
	if err != nil {
		return nil, "", fmt.Errorf("input %s: %w", v.Name, err)
	}
	if t.Len() == 0 {
		return t, "empty", nil
	}
	if v.DType == tensor.String {
		for i := range t.Strings {
			t.Strings[i] = "text"
		}
		return t, "the word \"text\"", nil
	}
	h := fnv.New64a()
	h.Write([]byte(v.Name))
	f := chooseFiller(v, s, shape, rand.New(rand.NewPCG(seed, h.Sum64()+uint64(number))), hint)
	put, err := putter(v.DType)
	if err != nil {
		return nil, "", fmt.Errorf("input %s: %w; give it with --input or --data", v.Name, err)
	}
	for i := range t.Len() {
		put(t.Data, i, f.value(i))
	}
	return t, f.kind, nil
}

// chooseFiller decides what an input holds by its type and name.
func chooseFiller(v backend.ValueInfo, s *shapes, shape []int64, rng *rand.Rand, hint Hint) filler {
	words := symbolWords(v.Name)
	constant := func(kind string, x float64) filler { return filler{kind, func(int64) float64 { return x }} }
	switch {
	case words.any("mask"):
		return constant("ones", 1)
	case v.DType == tensor.Bool:
		return constant("false", 0)
	case v.DType.IsInt():
		return chooseInts(v, s, shape, rng, hint)
	case imageAxis(v) >= 0:
		return filler{"uniform in 0..1", func(int64) float64 { return rng.Float64() }}
	case len(shape) == 0 && words.any("threshold"):
		return constant("the value 0.5", 0.5)
	case len(shape) == 0:
		return constant("the value 1", 1)
	}
	return filler{"normal, mean 0 and deviation 1", func(int64) float64 { return rng.NormFloat64() }}
}

func chooseInts(v backend.ValueInfo, s *shapes, shape []int64, rng *rand.Rand, hint Hint) filler {
	words := symbolWords(v.Name)
	constant := func(kind string, x int64) filler {
		return filler{fmt.Sprintf("%s %d", kind, x), func(int64) float64 { return float64(x) }}
	}
	vector := len(shape) < 2
	switch {
	case isSampleRate(v):
		return constant("the sample rate", sampleRate)
	case words.any("position", "positions") && len(shape) > 0:
		last, start := max(1, shape[len(shape)-1]), s.past()
		return filler{fmt.Sprintf("positions from %d", start), func(i int64) float64 { return float64(start + i%last) }}
	case words.any("type", "segment", "segments"):
		return constant("the value", 0)
	case words.any("seqlens") && vector:
		return constant("the length less one,", max(0, s.past()+s.sequence()-1))
	case words.any("past") && words.any("length", "len") && vector:
		return constant("the length", s.past())
	case words.any("total") && words.any("length", "len") && vector:
		return constant("the length", s.past()+s.sequence())
	case words.any("length", "lengths", "len", "lens") && vector:
		return constant("the length", s.length())
	case len(shape) == 4 && imageAxis(v) >= 0 && v.DType == tensor.Uint8:
		return filler{"uniform in 0..255", func(int64) float64 { return float64(rng.IntN(256)) }}
	}
	vocabulary, known := hint(v.Name)
	if !known || vocabulary < 1 {
		vocabulary = smallIDs
	}
	if limit := maxInt(v.DType); vocabulary > limit {
		vocabulary = limit
	}
	return filler{fmt.Sprintf("uniform in 0..%d", vocabulary-1), func(int64) float64 { return float64(rng.Int64N(vocabulary)) }}
}

// length is what inputs of lengths say: the first open dimension behind the batch axis, in the first input that has one.
func (s *shapes) length() int64 {
	for _, v := range s.inputs {
		axis := s.batchAxis(v)
		for i, d := range v.Dims {
			if d.Size < 0 && i > 0 && i != axis {
				return s.shape(v)[i]
			}
		}
	}
	return 1
}

// maxInt is the greatest value that all integers of the type's width and at most 31 bits can hold.
func maxInt(d tensor.DType) int64 {
	bits := min(d.Bits(), 32)
	return int64(1)<<(bits-1) - 1
}

// putter returns how element i of a type is written from a number.
func putter(d tensor.DType) (func(data []byte, i int64, x float64), error) {
	le := binary.LittleEndian
	switch d {
	case tensor.Float32:
		return func(b []byte, i int64, x float64) { le.PutUint32(b[4*i:], math.Float32bits(float32(x))) }, nil
	case tensor.Float64:
		return func(b []byte, i int64, x float64) { le.PutUint64(b[8*i:], math.Float64bits(x)) }, nil
	case tensor.Float16:
		return func(b []byte, i int64, x float64) { le.PutUint16(b[2*i:], float16.Fromfloat32(float32(x)).Bits()) }, nil
	case tensor.BFloat16:
		return func(b []byte, i int64, x float64) { le.PutUint16(b[2*i:], toBFloat16(float32(x))) }, nil
	case tensor.Int8, tensor.Uint8, tensor.Bool:
		return func(b []byte, i int64, x float64) { b[i] = byte(int64(x)) }, nil
	case tensor.Int16, tensor.Uint16:
		return func(b []byte, i int64, x float64) { le.PutUint16(b[2*i:], uint16(int64(x))) }, nil
	case tensor.Int32, tensor.Uint32:
		return func(b []byte, i int64, x float64) { le.PutUint32(b[4*i:], uint32(int64(x))) }, nil
	case tensor.Int64, tensor.Uint64:
		return func(b []byte, i int64, x float64) { le.PutUint64(b[8*i:], uint64(int64(x))) }, nil
	}
	return nil, fmt.Errorf("values of type %s cannot be generated", d)
}

// toBFloat16 rounds to nearest, ties to even.
func toBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// followsFromName reports whether an input's values follow from its name, the same for every example: masks, positions, sample rates and
// kinds of token.
func followsFromName(v backend.ValueInfo) bool {
	return isSampleRate(v) || symbolWords(v.Name).any("mask", "position", "positions", "type", "segment", "segments")
}
