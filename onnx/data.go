package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Tensor reads a tensor's data: from the skeleton, the model's file, or its external data. The result is the caller's.
func (m *Model) Tensor(t *onnxpb.TensorProto) (*tensor.Tensor, error) {
	out := &tensor.Tensor{DType: tensor.DType(t.DataType), Shape: append([]int64{}, t.Dims...)}
	count, err := tensor.Count(t.Dims)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	if out.DType == tensor.String {
		if int64(len(t.StringData)) != count {
			return nil, fmt.Errorf("tensor %s: %d strings for shape %v", t.Name, len(t.StringData), t.Dims)
		}
		for _, s := range t.StringData {
			out.Strings = append(out.Strings, string(s))
		}
		return out, nil
	}
	size, err := tensor.ByteSize(out.DType, t.Dims)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	if out.Data, err = m.raw(t); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	if int64(len(out.Data)) != size {
		return nil, fmt.Errorf("tensor %s: %d bytes of data for %s %v, which takes %d", t.Name, len(out.Data), out.DType, t.Dims, size)
	}
	return out, nil
}

// Data is a tensor's raw data that is made only when it is wanted, so that a model of many large tensors is written with one of them in
// memory at a time. Write is called once for each reading and must give the same Size bytes each time.
type Data struct {
	Size  int64
	Write func(w io.Writer) error
}

// SetData gives a tensor data that is made when it is read or saved. The tensor's own fields of data must be empty.
func (m *Model) SetData(t *onnxpb.TensorProto, d Data) { m.made[t] = &d }

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

func (m *Model) raw(t *onnxpb.TensorProto) ([]byte, error) {
	if d, ok := m.made[t]; ok {
		var buf bytes.Buffer
		buf.Grow(int(d.Size))
		err := d.writeTo(&buf)
		return buf.Bytes(), err
	}
	if at, ok := m.refs[t]; ok {
		return append([]byte{}, m.file.data[at.offset:at.offset+at.length]...), nil
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		return m.readExternal(t)
	}
	if len(t.RawData) > 0 {
		return append([]byte{}, t.RawData...), nil
	}
	return typedData(t)
}

func (m *Model) readExternal(t *onnxpb.TensorProto) ([]byte, error) {
	path, at, err := m.external(t)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, at.length)
	_, err = f.ReadAt(data, at.offset)
	return data, err
}

// typedData packs the typed fields into raw form. Narrow types stand in int32_data, one element an entry; sub-byte ones are packed there
// already, one byte an entry.
func typedData(t *onnxpb.TensorProto) ([]byte, error) {
	if t.Segment != nil {
		return nil, errors.New("segments are not supported")
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
		switch width {
		case 1:
			out = append(out, byte(v))
		case 2:
			out = le.AppendUint16(out, uint16(v))
		default:
			out = le.AppendUint32(out, uint32(v))
		}
	}
	return out, nil
}

// Float32s reads a float32 tensor's values.
func (m *Model) Float32s(t *onnxpb.TensorProto) ([]float32, error) {
	if tensor.DType(t.DataType) != tensor.Float32 {
		return nil, fmt.Errorf("tensor %s is %s, not float32", t.Name, tensor.DType(t.DataType))
	}
	v, err := m.Tensor(t)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(v.Data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.Data[4*i:]))
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
