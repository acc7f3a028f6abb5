package tensor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"unicode"

	"google.golang.org/protobuf/encoding/protowire"
)

// ReadPB reads the file of one input or output of a test data set. A file does not say whether it holds a TensorProto, a SequenceProto or
// an OptionalProto, and their fields overlap: kind, which the model's own type gives, decides.
func ReadPB(path string, kind Kind) (Value, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Value{}, err
	}
	return ParsePB(b, kind)
}

// ParsePB decodes what such a file holds; its data may alias b. An optional's content has the kind of the content, so a file that cannot
// be of that kind is read as an optional.
func ParsePB(b []byte, kind Kind) (Value, error) {
	var v Value
	var err error
	switch kind {
	case KindTensor:
		var t *Tensor
		if t, err = parseTensor(b); err == nil {
			return Of(t), nil
		}
	case KindSequence:
		if v, err = parseSequence(b); err == nil {
			return v, nil
		}
	case KindMap:
		return Value{}, errors.New("map values in .pb files are not supported")
	}
	if v, optionalErr := parseOptional(b, kind == KindOptional); optionalErr == nil {
		return v, nil
	} else if err == nil {
		err = optionalErr
	}
	return Value{}, err
}

// fields calls f with each field of a message: v is the number of a varint or fixed field, b the bytes of the others.
func fields(msg []byte, f func(num protowire.Number, v uint64, b []byte) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		var v uint64
		var b []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(msg)
		case protowire.Fixed32Type:
			var w uint32
			w, n = protowire.ConsumeFixed32(msg)
			v = uint64(w)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(msg)
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(msg)
			if b == nil {
				b = []byte{}
			}
		default:
			return fmt.Errorf("field %d has wire type %d", num, typ)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		if err := f(num, v, b); err != nil {
			return err
		}
	}
	return nil
}

// The field numbers of onnx/onnx onnx/onnx.proto.
const (
	tensorDims, tensorType, tensorSegment, tensorFloats, tensorInt32s, tensorStrings    = 1, 2, 3, 4, 5, 6
	tensorInt64s, tensorRaw, tensorDoubles, tensorUint64s, tensorExternal, tensorPlaced = 7, 9, 10, 11, 13, 14
	valueName, valueElemType, valueTensors, valueSequences                              = 1, 2, 3, 5
	elemTensor                                                                          = 1 // of SequenceProto.DataType
)

// wireTensor is a TensorProto as it is written: one of the typed lists, or raw bytes.
type wireTensor struct {
	dtype   DType
	shape   []int64
	floats  []byte // packed, 4 bytes each
	doubles []byte // packed, 8 bytes each
	varints []uint64
	strings []string
	raw     []byte
}

func parseTensor(msg []byte) (*Tensor, error) {
	var w wireTensor
	if err := fields(msg, w.field); err != nil {
		return nil, fmt.Errorf("tensor: %w", err)
	}
	t := &Tensor{DType: w.dtype, Shape: w.shape}
	size, err := ByteSize(w.dtype, w.shape)
	if err != nil {
		return nil, fmt.Errorf("tensor: %w", err)
	}
	count, err := Count(w.shape)
	if err != nil {
		return nil, fmt.Errorf("tensor: %w", err)
	}
	if w.dtype == String {
		if int64(len(w.strings)) != count {
			return nil, fmt.Errorf("tensor: %d strings for shape %v", len(w.strings), w.shape)
		}
		t.Strings = w.strings
		return t, nil
	}
	if w.dtype.Bits() == 0 {
		return nil, fmt.Errorf("tensor: element type %s", w.dtype)
	}
	t.Data = w.data()
	if int64(len(t.Data)) != size {
		return nil, fmt.Errorf("tensor: %d bytes for %s %v, which takes %d", len(t.Data), w.dtype, w.shape, size)
	}
	return t, nil
}

func (w *wireTensor) field(num protowire.Number, v uint64, b []byte) error {
	switch num {
	case tensorDims:
		dims, err := varints(nil, v, b)
		for _, d := range dims {
			w.shape = append(w.shape, int64(d))
		}
		return err
	case tensorType:
		w.dtype = DType(v)
	case tensorFloats:
		w.floats = appendFixed(w.floats, v, b, 4)
	case tensorDoubles:
		w.doubles = appendFixed(w.doubles, v, b, 8)
	case tensorInt32s, tensorInt64s, tensorUint64s:
		var err error
		w.varints, err = varints(w.varints, v, b)
		return err
	case tensorStrings:
		w.strings = append(w.strings, string(b))
	case tensorRaw:
		w.raw = b
	case tensorSegment:
		return errors.New("segments are not supported")
	case tensorExternal:
		return errors.New("external data is not supported here")
	case tensorPlaced:
		if v != 0 {
			return errors.New("external data is not supported here")
		}
	}
	return nil
}

// varints appends one number, or a packed list of them.
func varints(list []uint64, v uint64, b []byte) ([]uint64, error) {
	if b == nil {
		return append(list, v), nil
	}
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		list, b = append(list, v), b[n:]
	}
	return list, nil
}

func appendFixed(list []byte, v uint64, b []byte, size int) []byte {
	if b != nil {
		return append(list, b...)
	}
	var one [8]byte
	binary.LittleEndian.PutUint64(one[:], v)
	return append(list, one[:size]...)
}

// data returns the elements as raw data. In the list of 32-bit integers a narrow type has one element an entry, its bits in
// the low ones; those of less than a byte are packed first, one byte an entry.
func (w *wireTensor) data() []byte {
	switch {
	case w.raw != nil:
		return w.raw
	case w.floats != nil:
		return w.floats
	case w.doubles != nil:
		return w.doubles
	}
	size := max(1, w.dtype.Bits()/8)
	data := make([]byte, 0, size*len(w.varints))
	for _, v := range w.varints {
		var one [8]byte
		binary.LittleEndian.PutUint64(one[:], v)
		data = append(data, one[:min(size, 8)]...)
	}
	return data
}

func parseSequence(msg []byte) (Value, error) {
	v := Value{Kind: KindSequence, Items: []Value{}}
	elem := uint64(math.MaxUint64)
	err := fields(msg, func(num protowire.Number, n uint64, b []byte) error {
		switch num {
		case valueElemType:
			elem = n
		case valueTensors:
			t, err := parseTensor(b)
			if err != nil {
				return fmt.Errorf("item %d: %w", len(v.Items), err)
			}
			v.Items = append(v.Items, Of(t))
		}
		return nil
	})
	if err != nil {
		return Value{}, fmt.Errorf("sequence: %w", err)
	}
	if elem != elemTensor {
		return Value{}, fmt.Errorf("sequence: elements of kind %d are not supported", elem)
	}
	return v, nil
}

// parseOptional reads an optional. One without content is known by its type where the model says that the value is an optional, else by
// type and name: a tensor cut short has a type too, and its packed dimensions stand where the name does.
func parseOptional(msg []byte, known bool) (Value, error) {
	v := Value{Kind: KindOptional}
	named, typed := known, false
	err := fields(msg, func(num protowire.Number, _ uint64, b []byte) error {
		var err error
		switch num {
		case valueName:
			named = named || b != nil && !bytes.ContainsFunc(b, unicode.IsControl)
		case valueElemType:
			typed = true
		case valueTensors:
			var t *Tensor
			t, err = parseTensor(b)
			v = Of(t)
		case valueSequences:
			v, err = parseSequence(b)
		default:
			err = fmt.Errorf("field %d is not one that is supported", num)
		}
		return err
	})
	if err == nil && v.Kind == KindOptional && !(named && typed) {
		err = errors.New("it does not say what it holds")
	}
	if err != nil {
		return Value{}, fmt.Errorf("optional: %w", err)
	}
	return v, nil
}
