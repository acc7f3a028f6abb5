package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// typedFields are the fields of a tensor that hold its data as numbers, with how many bytes an element of a type takes in raw form, 0 for a type
// that a field is not for. Narrow types stand in int32_data, sub-byte ones packed there, one byte an entry.
var typedFields = map[protowire.Number]struct {
	name  string
	width func(d tensor.DType) int
}{
	tensorFloatData:  {"float_data", widthOf(tensor.Float32, tensor.Complex64)},
	tensorDoubleData: {"double_data", widthOf(tensor.Float64, tensor.Complex128)},
	tensorInt64Data:  {"int64_data", widthOf(tensor.Int64)},
	tensorUint64Data: {"uint64_data", widthOf(tensor.Uint32, tensor.Uint64)},
	tensorInt32Data: {"int32_data", func(d tensor.DType) int {
		if d == tensor.Float32 || d == tensor.Uint32 || d.Bits() > 32 {
			return 0
		}
		return max(1, d.Bits()/8)
	}},
}

func widthOf(types ...tensor.DType) func(tensor.DType) int {
	return func(d tensor.DType) int {
		if slices.Contains(types, d) {
			return d.Bits() / 8
		}
		return 0
	}
}

func isTypedData(number protowire.Number) bool { return typedFields[number].name != "" }

// leaveInFile has a tensor's data read where the file has it. Packed floats are as in raw form; whole numbers, of one byte to ten each, are unpacked
// whenever they are read.
func (m *Model) leaveInFile(t *onnxpb.TensorProto, p place) error {
	if p.field == tensorRawData {
		m.refs[t] = p.extent
		return nil
	}
	field, d := typedFields[p.field], tensor.DType(t.DataType)
	width := field.width(d)
	switch {
	case t.Segment != nil:
		return errSegments
	case width == 0:
		return fmt.Errorf("its data is in %s, which is not for elements of type %s", field.name, d)
	case p.field == tensorFloatData || p.field == tensorDoubleData:
		m.refs[t] = p.extent
		return nil
	}
	count, err := m.file.countVarints(p.extent)
	if err != nil {
		return fmt.Errorf("%s: %w", field.name, err)
	}
	data := &Data{Size: count * int64(width), Write: func(w io.Writer) error { return m.file.unpack(w, p.extent, width) }}
	if data.Size <= inlineLimit {
		t.RawData, err = segment{made: data}.view()
		return err
	}
	m.made[t] = data
	return nil
}

var errSegments = errors.New("segments are not supported")

// countVarints counts packed whole numbers.
func (m *mapping) countVarints(at extent) (n int64, err error) {
	length := 0 // of the number at hand
	err = m.stretches(at, func(piece []byte) error {
		for _, b := range piece {
			if length++; b < 1<<7 {
				length = 0
				n++
			} else if length == binary.MaxVarintLen64 {
				return errors.New("a number has more than ten bytes")
			}
		}
		return nil
	})
	if err == nil && length > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// unpack writes packed whole numbers as elements of 1, 2, 4 or 8 bytes.
func (m *mapping) unpack(w io.Writer, at extent, width int) error {
	const flush = 64 << 10
	var out []byte
	v, shift := uint64(0), 0
	return m.stretches(at, func(piece []byte) error {
		for i, b := range piece {
			v |= uint64(b&^(1<<7)) << shift
			if shift += 7; b < 1<<7 {
				out = appendUint(out, v, width)
				v, shift = 0, 0
			}
			if len(out) >= flush || i == len(piece)-1 {
				if _, err := w.Write(out); err != nil {
					return err
				}
				out = out[:0]
			}
		}
		return nil
	})
}

// appendUint appends the low bytes of a number.
func appendUint(out []byte, v uint64, width int) []byte {
	switch width {
	case 1:
		return append(out, byte(v))
	case 2:
		return binary.LittleEndian.AppendUint16(out, uint16(v))
	case 4:
		return binary.LittleEndian.AppendUint32(out, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(out, v)
}

// typedData packs the typed fields into raw form. Narrow types stand in int32_data, one element an entry; sub-byte ones are packed there
// already, one byte an entry.
func typedData(t *onnxpb.TensorProto) ([]byte, error) {
	if t.Segment != nil {
		return nil, errSegments
	}
	var out []byte
	le := binary.LittleEndian
	for _, v := range t.FloatData {
		out = le.AppendUint32(out, math.Float32bits(v))
	}
	for _, v := range t.DoubleData {
		out = le.AppendUint64(out, math.Float64bits(v))
	}
	for _, v := range t.Int64Data {
		out = le.AppendUint64(out, uint64(v))
	}
	for _, v := range t.Uint64Data {
		if tensor.DType(t.DataType) == tensor.Uint32 {
			out = le.AppendUint32(out, uint32(v))
			continue
		}
		out = le.AppendUint64(out, v)
	}
	width := max(1, tensor.DType(t.DataType).Bits()/8)
	for _, v := range t.Int32Data {
		out = appendUint(out, uint64(v), width)
	}
	return out, nil
}
