package dataset

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"assay/backend"
	"assay/results"
	"assay/tensor"
)

// The sizes that symbolic dimensions get in generated inputs, by what their names say.
const (
	defaultSequence = 16
	defaultImage    = 224
	defaultChannels = 3
	defaultWindow   = 512 // samples of audio in one call: the window of streaming models at 16 kHz
	sampleRate      = 16000
)

// shapes decides how large each dimension of a model's inputs is.
type shapes struct {
	inputs []backend.ValueInfo
	batch  int64
	axis   string           // symbol of the batch axis; "" where it has none
	has    bool             // whether there is a symbolic batch axis at all
	sizes  map[string]int64 // symbol -> size, given or found in data
	by     map[string]string
	given  map[string][]int64 // input -> shape
	whole  bool               // of whole feeds of a data set: what leads an input without a name need not be equal between inputs
	set    bool               // of a data set, which has no batch that could be set
}

// newShapes takes what was asked for and refuses names that the model does not have, and a batch that it cannot take.
func newShapes(inputs []backend.ValueInfo, in results.Input, batch int) (*shapes, error) {
	s := shapesAt(inputs, batch)
	if err := s.checkFixed(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(in.Dims)) {
		if !slices.Contains(s.symbols(), name) {
			return nil, fmt.Errorf("dimension %s: the model has no dimension of that name; it has %s", name, listed(s.symbols()))
		}
		if name == s.axis && in.Dims[name] != s.batch {
			return nil, fmt.Errorf("dimension %s is the batch axis and is %d; set the batch to %d in its place", name, s.batch, in.Dims[name])
		}
		s.sizes[name], s.by[name] = in.Dims[name], "the dimensions given"
	}
	for _, name := range slices.Sorted(maps.Keys(in.Shapes)) {
		v, err := inputNamed(inputs, name)
		if err != nil {
			return nil, fmt.Errorf("shape: %w", err)
		}
		if err := s.bind(v, in.Shapes[name], "the shape given for "+name); err != nil {
			return nil, err
		}
		s.given[name] = in.Shapes[name]
	}
	return s, nil
}

// shapesAt is the shapes of a batch of which nothing is given.
func shapesAt(inputs []backend.ValueInfo, batch int) *shapes {
	s := &shapes{inputs: inputs, batch: int64(batch), sizes: map[string]int64{}, by: map[string]string{}, given: map[string][]int64{}}
	s.axis, s.has = batchSymbol(inputs)
	if s.has && s.axis != "" {
		s.sizes[s.axis], s.by[s.axis] = s.batch, "the batch"
	}
	return s
}

// batchSymbol names the batch axis, and reports whether there is one: the symbolic dimension that leads the first input having one, or the one of
// that input that is called batch, as where time leads. Where none leads an input, a dimension that is called batch is it wherever it stands.
func batchSymbol(inputs []backend.ValueInfo) (symbol string, has bool) {
	for _, v := range inputs {
		if len(v.Dims) > 0 && v.Dims[0].Size < 0 {
			if symbol, has := calledBatch(v); has {
				return symbol, true
			}
			return v.Dims[0].Symbol, true
		}
	}
	for _, v := range inputs {
		if symbol, has := calledBatch(v); has {
			return symbol, true
		}
	}
	return "", false
}

// calledBatch is the first symbol of an input that is called batch.
func calledBatch(v backend.ValueInfo) (symbol string, has bool) {
	for _, d := range v.Dims {
		if d.Size < 0 && symbolWords(d.Symbol).any("batch") {
			return d.Symbol, true
		}
	}
	return "", false
}

// checkFixed refuses a batch that a model without a symbolic batch axis cannot take. At batch 1 every model can be run as it is.
func (s *shapes) checkFixed() error {
	if s.has || s.batch == 1 {
		return nil
	}
	for i, v := range s.inputs {
		if len(v.Dims) == 0 {
			continue
		}
		if lead := v.Dims[0].Size; lead != s.batch && (i == 0 || lead != 1) {
			return fmt.Errorf("input %s is fixed at %s and cannot take a batch of %d; export the model with a symbolic batch axis, or use --batch 1",
				v.Name, dimsText(v.Dims), s.batch)
		}
	}
	return nil
}

// batchAxis returns which axis of v counts examples, -1 where none does. A dimension without a name counts them where it leads, or
// where it comes second behind a fixed one, as in the states of recurrent networks.
func (s *shapes) batchAxis(v backend.ValueInfo) int {
	for i, d := range v.Dims {
		switch {
		case s.has && s.axis != "" && d.Size < 0 && d.Symbol == s.axis:
			return i
		case s.has && s.axis == "" && d.Size < 0 && d.Symbol == "" && (i == 0 || i == 1 && len(v.Dims) > 2 && v.Dims[0].Size > 0):
			return i
		case !s.has && i == 0 && d.Size == s.batch:
			return 0
		}
	}
	return -1
}

// bind holds a concrete shape against what the model says of v, and remembers the sizes of symbols. by says where the shape is from.
func (s *shapes) bind(v backend.ValueInfo, shape []int64, by string) error {
	if v.Kind != tensor.KindTensor {
		return fmt.Errorf("%s: input %s is no tensor", by, v.Name)
	}
	if v.Dims == nil {
		return nil
	}
	if len(shape) != len(v.Dims) {
		return fmt.Errorf("%s: %v has %d dimensions, and input %s is %s%s", by, shape, len(shape), v.Name, v.DType, dimsText(v.Dims))
	}
	axis := s.batchAxis(v)
	for i, d := range v.Dims {
		size := shape[i]
		switch {
		case i == axis && size != s.batch && (d.Symbol != "" || !s.whole):
			return fmt.Errorf("%s: %v has %d examples in axis %d of input %s, and the batch is %d; make them equal", by, shape, size, i, v.Name, s.batch)
		case d.Size > 1 && d.Size != size && i == 0 && !s.has:
			return fmt.Errorf("%s: %v does not fit input %s, which is %s%s; %s", by, shape, v.Name, v.DType, dimsText(v.Dims), s.togetherText(d.Size))
		case d.Size >= 0 && d.Size != size:
			return fmt.Errorf("%s: %v does not fit input %s, which is %s%s", by, shape, v.Name, v.DType, dimsText(v.Dims))
		case d.Size >= 0 || d.Symbol == "":
			continue
		}
		if known, ok := s.sizes[d.Symbol]; ok && known != size {
			return fmt.Errorf("%s: %v makes dimension %s of input %s %d, and %s makes it %d", by, shape, d.Symbol, v.Name, size, s.by[d.Symbol], known)
		}
		s.sizes[d.Symbol], s.by[d.Symbol] = size, by
	}
	return nil
}

// unshaped reports whether neither the model nor the user says of how many dimensions v is.
func (s *shapes) unshaped(v backend.ValueInfo) bool { return v.Dims == nil && s.given[v.Name] == nil }

// togetherText says how rows come together to the size of a fixed batch axis.
func (s *shapes) togetherText(size int64) string {
	if s.set {
		return fmt.Sprintf("give whole inputs along a new first axis, or for every input rows along axis 0, which are taken %d at a time", size)
	}
	return fmt.Sprintf("to put rows together set the batch to %d", size)
}

// shape returns the size of every dimension of v: as given, as data show it, or by default.
func (s *shapes) shape(v backend.ValueInfo) []int64 {
	if given, ok := s.given[v.Name]; ok {
		return given
	}
	out := make([]int64, len(v.Dims))
	axis := s.batchAxis(v)
	for i, d := range v.Dims {
		switch {
		case d.Size >= 0:
			out[i] = d.Size
		case i == axis:
			out[i] = s.batch
		case d.Symbol == "":
			out[i] = s.unnamed(v, i)
		default:
			out[i] = s.size(d.Symbol, v, i)
		}
	}
	return out
}

// size is that of a named dimension where it stands in v. Sums of others are computed, so that past + new = total holds.
func (s *shapes) size(symbol string, v backend.ValueInfo, axis int) int64 {
	if n, ok := s.sizes[symbol]; ok {
		return n
	}
	if n, ok := s.expression(symbol, v, axis); ok {
		return n
	}
	words := symbolWords(symbol)
	switch {
	case words.any("batch"):
		return s.batch
	case words.any("past", "cache"):
		return 0
	case words.any("total", "full") || words.any("key", "kv") && words.any("len", "length", "seq", "sequence"):
		return s.past() + s.sequence()
	case isWindow(s.inputs, v, axis):
		return defaultWindow
	case words.any("height", "width", "h", "w"):
		return defaultImage
	case words.any("channel", "channels"):
		return defaultChannels
	case words.any("seq", "sequence", "len", "length", "token", "tokens", "time", "frames", "steps", "source", "target", "src", "tgt", "text", "encoder", "decoder", "samples", "words"):
		return defaultSequence
	}
	return 1
}

// expression reads a symbol that is a sum of symbols and numbers, as exporters write `past_len + seq_len`.
func (s *shapes) expression(symbol string, v backend.ValueInfo, axis int) (int64, bool) {
	terms := strings.Split(symbol, "+")
	if len(terms) < 2 {
		return 0, false
	}
	var sum int64
	for _, term := range terms {
		term = strings.Trim(strings.TrimSpace(term), "()")
		if n, err := strconv.ParseInt(term, 10, 32); err == nil {
			sum += n
			continue
		}
		if term == "" {
			return 0, false
		}
		sum += s.size(term, v, axis)
	}
	return sum, true
}

// past is how many positions a cache holds already, sequence how many are new.
func (s *shapes) past() int64 { return s.first(0, "past", "cache") }

func (s *shapes) sequence() int64 {
	return s.first(defaultSequence, "seq", "sequence", "len", "length", "token", "tokens")
}

// first is the known size of the first symbol that has one of the words; symbols of a past or a total never count as a sequence.
func (s *shapes) first(otherwise int64, words ...string) int64 {
	for _, symbol := range s.symbols() {
		w := symbolWords(symbol)
		if !w.any(words...) || words[0] == "seq" && w.any("past", "cache", "total", "full", "batch") {
			continue
		}
		if n, ok := s.sizes[symbol]; ok {
			return n
		}
	}
	return otherwise
}

// unnamed is the size of a dimension that the model leaves open and does not name.
func (s *shapes) unnamed(v backend.ValueInfo, axis int) int64 {
	switch {
	case isWindow(s.inputs, v, axis):
		return defaultWindow
	case len(v.Dims) > 2 && symbolWords(v.Name).any("past", "cache"):
		return 0
	case len(v.Dims) == 4 && axis > 0 && axis != imageAxis(v) && (imageAxis(v) >= 0 || axis > 1 && v.Dims[1].Size < 0):
		return defaultImage
	case len(v.Dims) == 4 && axis == 1:
		return defaultChannels
	case len(v.Dims) == 2 && axis == 1 && v.DType.IsInt():
		return defaultSequence
	case len(v.Dims) == 3 && axis == 1 && v.Dims[2].Size > 1 && v.DType.IsFloat():
		return defaultSequence
	}
	return 1
}

// imageAxis returns the axis of a rank-4 input that holds 1 or 3 colours, -1 where it is no image.
func imageAxis(v backend.ValueInfo) int {
	if len(v.Dims) != 4 {
		return -1
	}
	for _, axis := range []int{1, 3} {
		if n := v.Dims[axis].Size; n == 1 || n == 3 {
			return axis
		}
	}
	return -1
}

// isWindow reports whether an open dimension holds samples of audio: the last of a float input of rank 2 in a model that is told the
// sample rate.
func isWindow(inputs []backend.ValueInfo, v backend.ValueInfo, axis int) bool {
	return len(v.Dims) == 2 && axis == 1 && v.DType.IsFloat() && slices.ContainsFunc(inputs, isSampleRate)
}

func isSampleRate(v backend.ValueInfo) bool {
	return v.DType.IsInt() && len(v.Dims) <= 1 && slices.Contains([]string{"sr", "sample_rate", "sampling_rate", "samplerate"}, strings.ToLower(v.Name))
}

// symbols lists the names of the model's open dimensions in the order of its inputs.
func (s *shapes) symbols() []string {
	var names []string
	for _, v := range s.inputs {
		for _, d := range v.Dims {
			if d.Size < 0 && d.Symbol != "" && !slices.Contains(names, d.Symbol) {
				names = append(names, d.Symbol)
			}
		}
	}
	return names
}

// nameWords are the words of a name, in lower case.
type nameWords []string

// symbolWords splits `past_seq_len`, `pastSeqLen` or `past.seq.len` into words.
func symbolWords(name string) nameWords {
	var b strings.Builder
	lower := false
	for _, r := range name {
		upper := r >= 'A' && r <= 'Z'
		if upper && lower {
			b.WriteByte(' ')
		}
		lower = !upper
		if r >= 'a' && r <= 'z' || upper {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	return strings.Fields(strings.ToLower(b.String()))
}

func (w nameWords) any(words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return slices.Contains(w, word) })
}

func inputNamed(inputs []backend.ValueInfo, name string) (backend.ValueInfo, error) {
	var names []string
	for _, v := range inputs {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	return backend.ValueInfo{}, fmt.Errorf("the model has no input %s; it has %s", name, listed(names))
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// dimsText prints dimensions as the model gives them: [batch 3 ? ?].
func dimsText(dims []backend.Dim) string {
	if dims == nil {
		return " of unknown shape"
	}
	parts := make([]string, len(dims))
	for i, d := range dims {
		switch {
		case d.Size >= 0:
			parts[i] = strconv.FormatInt(d.Size, 10)
		case d.Symbol != "":
			parts[i] = d.Symbol
		default:
			parts[i] = "?"
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}
