package dataset

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"assay/backend"
	"assay/onnx"
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
	f := chooseFiller(v, s, shape, rand.New(rand.NewPCG(seed, h.Sum64()+uint64(number))), hint(v.Name))
	put, err := putter(v.DType)
	if err != nil {
		return nil, "", fmt.Errorf("input %s: %w; give it with --input or --data", v.Name, err)
	}
	for i := range t.Len() {
		put(t.Data, i, f.value(i))
	}
	return t, f.kind, nil
}

// constant fills an input with one value.
func constant(kind string, x float64) filler {
	return filler{kind, func(int64) float64 { return x }}
}

// fillUse fills an input whose values decide whether the model runs at all with some that its operator takes.
func fillUse(v backend.ValueInfo, s *shapes, hint onnx.Hint) (filler, bool) {
	switch hint.Use {
	case onnx.UseShape:
		return filler{"a shape, -1 and ones", func(i int64) float64 {
			if i == 0 {
				return -1
			}
			return 1
		}}, true
	case onnx.UseOnes:
		return constant("ones", 1), true
	case onnx.UseZeros:
		return constant("zeros", 0), true
	case onnx.UseAxes:
		return filler{"axes from 0", func(i int64) float64 { return float64(i) }}, true
	case onnx.UseEnds:
		return constant("the greatest end", float64(maxInt(v.DType))), true
	case onnx.UseHalf:
		return constant("the value 0.5", 0.5), true
	case onnx.UseBounds:
		return constant("the value -1", -1), true
	case onnx.UseSizes:
		like, err := inputNamed(s.inputs, hint.Like)
		if err != nil {
			return constant("ones", 1), true
		}
		sizes := s.shape(like)
		return filler{"the sizes of " + like.Name, func(i int64) float64 {
			if i < int64(len(sizes)) {
				return float64(sizes[i])
			}
			return 1
		}}, true
	}
	return filler{}, false
}

// chooseFiller decides what an input holds by its type and name.
func chooseFiller(v backend.ValueInfo, s *shapes, shape []int64, rng *rand.Rand, hint onnx.Hint) filler {
	words := symbolWords(v.Name)
	if f, ok := fillUse(v, s, hint); ok {
		return f
	}
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

func chooseInts(v backend.ValueInfo, s *shapes, shape []int64, rng *rand.Rand, hint onnx.Hint) filler {
	words := symbolWords(v.Name)
	constant := func(kind string, x int64) filler { return constant(fmt.Sprintf("%s %d", kind, x), float64(x)) }
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
	vocabulary := hint.Rows
	if vocabulary < 1 {
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

// followsFromName reports whether an input's values follow from its name, the same for every example: masks, positions, sample rates and
// kinds of token.
func followsFromName(v backend.ValueInfo) bool {
	return isSampleRate(v) || symbolWords(v.Name).any("mask", "position", "positions", "type", "segment", "segments")
}
