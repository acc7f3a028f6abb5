package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Tensor reads a tensor's data: from the skeleton, the model's file, or its external data. The result is a copy and the caller's; none of
// the file stays resident. See View for reading in place.
func (m *Model) Tensor(t *onnxpb.TensorProto) (*tensor.Tensor, error) {
	out := &tensor.Tensor{DType: tensor.DType(t.DataType), Shape: append([]int64{}, t.Dims...)}
	if out.DType == tensor.String {
		return out, m.readStrings(t, out)
	}
	s, err := m.checked(t)
	if err != nil {
		return nil, err
	}
	if s.made != nil || s.file == nil && len(t.RawData) == 0 { // made or packed just now
		if out.Data, err = s.view(); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		return out, nil
	}
	copied := bytes.NewBuffer(make([]byte, 0, s.length()))
	err = s.writeTo(copied)
	out.Data = copied.Bytes()
	return out, err
}

func (m *Model) readStrings(t *onnxpb.TensorProto, out *tensor.Tensor) error {
	count, err := tensor.Count(t.Dims)
	if err != nil {
		return fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	if int64(len(t.StringData)) != count {
		return fmt.Errorf("tensor %s: %d strings for shape %v", t.Name, len(t.StringData), t.Dims)
	}
	for _, s := range t.StringData {
		out.Strings = append(out.Strings, string(s))
	}
	return nil
}

// View gives a tensor's raw data in place: little endian, row-major, sub-byte elements packed with the first in the low bits. It copies
// nothing where the data stands in a file or in raw form; typed fields are packed, and data of SetData is made. The bytes may begin at
// any address, must not be written to, and are gone when the model is closed. Release gives the pages that reading made resident back to
// the system; call it when done, so that reading a model tensor by tensor takes the memory of one of them. Until the file changes, the
// bytes may be read even after that. Strings have no raw form.
func (m *Model) View(t *onnxpb.TensorProto) (data []byte, release func(), err error) {
	s, err := m.checked(t)
	if err != nil {
		return nil, nil, err
	}
	if data, err = s.view(); err != nil {
		return nil, nil, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	return data, func() { s.release(0, s.length()) }, nil
}

// checked is where a tensor's raw data stands, if it has the length that type and shape say; nothing is read.
func (m *Model) checked(t *onnxpb.TensorProto) (segment, error) {
	d := tensor.DType(t.DataType)
	if d.Bits() == 0 {
		return segment{}, fmt.Errorf("tensor %s: elements of type %s have no raw form", t.Name, d)
	}
	size, err := tensor.ByteSize(d, t.Dims)
	if err != nil {
		return segment{}, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	s, large, err := m.segment(t)
	if err != nil {
		return segment{}, err
	}
	if !large && len(s.bytes) == 0 {
		if s.bytes, err = typedData(t); err != nil {
			return segment{}, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
	}
	if s.length() != size {
		return segment{}, fmt.Errorf("tensor %s: %d bytes of data for %s %v, which takes %d", t.Name, s.length(), d, t.Dims, size)
	}
	return s, nil
}

// Data is a tensor's raw data that is made only when it is wanted, so that a model of many large tensors is written with one of them in
// memory at a time. Write is called once for each reading and must give the same Size bytes each time.
type Data struct {
	Size  int64
	Write func(w io.Writer) error
}

// SetData gives a tensor data that is made when it is read or saved, in place of what it had. To make it of the old data, let Write read
// a CloneTensor of the tensor, taken before.
func (m *Model) SetData(t *onnxpb.TensorProto, d Data) {
	m.clearData(t)
	m.made[t] = &d
}

// SetRaw gives a tensor raw data in place of what it had. It keeps the slice.
func (m *Model) SetRaw(t *onnxpb.TensorProto, data []byte) {
	m.clearData(t)
	t.RawData = data
}

func (m *Model) clearData(t *onnxpb.TensorProto) {
	delete(m.refs, t)
	delete(m.made, t)
	t.Segment, t.RawData, t.FloatData, t.DoubleData, t.Int32Data, t.Int64Data, t.Uint64Data, t.StringData = nil, nil, nil, nil, nil, nil, nil, nil
	t.DataLocation, t.ExternalData = onnxpb.TensorProto_DEFAULT, nil
}

// CloneTensor copies a tensor's fields; large data is not copied but referred to by both. (proto.Clone loses such data.)
func (m *Model) CloneTensor(t *onnxpb.TensorProto) *onnxpb.TensorProto {
	c := proto.Clone(t).(*onnxpb.TensorProto)
	if at, ok := m.refs[t]; ok {
		m.refs[c] = at
	}
	if d, ok := m.made[t]; ok {
		m.made[c] = d
	}
	return c
}

func (d *Data) writeTo(w io.Writer) error {
	c := &counter{Writer: w}
	if err := d.Write(c); err != nil {
		return err
	}
	if c.n != d.Size {
		return fmt.Errorf("%d bytes of data were made, and %d announced", c.n, d.Size)
	}
	return nil
}

type counter struct {
	io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// Float32s reads a float32 tensor's values, leaving none of the file resident.
func (m *Model) Float32s(t *onnxpb.TensorProto) ([]float32, error) {
	if tensor.DType(t.DataType) != tensor.Float32 {
		return nil, fmt.Errorf("tensor %s is %s, not float32", t.Name, tensor.DType(t.DataType))
	}
	s, err := m.checked(t)
	if err != nil {
		return nil, err
	}
	data, err := s.view()
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	out := make([]float32, len(data)/4)
	for from := 0; from < len(data); from += stretch {
		to := min(from+stretch, len(data))
		for i := from; i < to; i += 4 {
			out[i/4] = math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))
		}
		s.release(int64(from), int64(to))
	}
	return out, nil
}

// Initializer finds a weight of the main graph by name, nil where there is none.
func (m *Model) Initializer(name string) *onnxpb.TensorProto {
	for _, t := range m.Proto.Graph.Initializer {
		if t.Name == name {
			return t
		}
	}
	return nil
}
