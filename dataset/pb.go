package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// readSet reads input i, which is v, of test data set k.
func (s *source) readSet(k, i int, v backend.ValueInfo) (tensor.Value, error) {
	path := filepath.Join(s.sets[k].dir, fmt.Sprintf("input_%d.pb", i))
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tensor.Value{}, fmt.Errorf("input %s: %s has no input_%d.pb", v.Name, s.sets[k].dir, i)
	}
	if err != nil {
		return tensor.Value{}, fmt.Errorf("input %s: %w", v.Name, err)
	}
	value, err := decodeValue(b, v.Kind)
	if err != nil {
		return tensor.Value{}, fmt.Errorf("input %s: read %s: %w", v.Name, path, err)
	}
	return value, nil
}

// decodeValue reads a TensorProto, SequenceProto or OptionalProto; the file does not say which it is, the model does.
func decodeValue(b []byte, kind tensor.Kind) (tensor.Value, error) {
	switch kind {
	case tensor.KindTensor:
		t, err := decodeTensor(b)
		return tensor.Of(t), err
	case tensor.KindSequence:
		items, err := decodeTensors(b)
		return tensor.Value{Kind: tensor.KindSequence, Items: items}, err
	case tensor.KindOptional:
		items, err := decodeTensors(b)
		if err != nil || len(items) == 0 {
			return tensor.Value{Kind: tensor.KindOptional}, err
		}
		return items[0], nil
	}
	return tensor.Value{}, errors.New("maps cannot be read from files")
}

func decodeTensor(b []byte) (*tensor.Tensor, error) {
	var p onnxpb.TensorProto
	if err := proto.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("no tensor: %w", err)
	}
	if p.DataLocation == onnxpb.TensorProto_EXTERNAL {
		return nil, errors.New("its data stands in another file, which test data may not")
	}
	return new(onnx.Model).Tensor(&p)
}

// tensorValues is the field of tensors in SequenceProto and OptionalProto, elementType the one that says what the elements are, and
// elementTensor its value for tensors (onnx/onnx onnx/onnx-data.proto).
const (
	elementType   = 2
	tensorValues  = 3
	elementTensor = 1
)

func decodeTensors(b []byte) ([]tensor.Value, error) {
	var items []tensor.Value
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(number, wire, b[n:])
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		field := b[n : n+size]
		b = b[n+size:]
		switch {
		case number == elementType && wire == protowire.VarintType:
			if kind, _ := protowire.ConsumeVarint(field); kind > elementTensor {
				return nil, errors.New("only tensors can be read as its elements")
			}
		case number == tensorValues && wire == protowire.BytesType:
			content, _ := protowire.ConsumeBytes(field)
			t, err := decodeTensor(content)
			if err != nil {
				return nil, fmt.Errorf("element %d: %w", len(items), err)
			}
			items = append(items, tensor.Of(t))
		}
	}
	return items, nil
}
