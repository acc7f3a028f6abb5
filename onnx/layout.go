package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
)

// sheet is a file laid out: its segments in order, and their size together.
type sheet struct {
	segments []segment
	size     int64
	open     bool // the last segment is bytes of the sheet's own, to which more can be added
}

// add adds segments. Short ones are joined with what stands before them, so that a skeleton stays in few pieces; large data is not copied.
func (s *sheet) add(parts ...segment) {
	for _, p := range parts {
		if p.file == nil && p.made == nil && len(p.bytes) <= inlineLimit {
			s.addBytes(p.bytes)
			continue
		}
		s.segments = append(s.segments, p)
		s.size += p.length()
		s.open = false
	}
}

// addBytes copies bytes.
func (s *sheet) addBytes(b []byte) {
	if !s.open {
		s.segments = append(s.segments, segment{})
		s.open = true
	}
	last := &s.segments[len(s.segments)-1]
	last.bytes = append(last.bytes, b...)
	s.size += int64(len(b))
}

func (s *sheet) write(w io.Writer) error {
	for _, p := range s.segments {
		if err := p.writeTo(w); err != nil {
			return err
		}
	}
	return nil
}

// layOut is the model in one file: the skeleton with the large tensors put in where their marks stand, but for those that stay where they are.
func (m *Model) layOut(stays func(*onnxpb.TensorProto) bool) (sheet, error) {
	var large []segment
	skeleton, err := m.marshal(stays, func(t *onnxpb.TensorProto, s segment) {
		t.ExternalData = []*onnxpb.StringStringEntryProto{entry(placeKey, strconv.Itoa(len(large)))}
		large = append(large, s)
	})
	if err != nil {
		return sheet{}, err
	}
	return fill(skeleton, schema(), large)
}

// fill is the inverse of slim.
func fill(msg []byte, k *kind, large []segment) (sheet, error) {
	var out sheet
	for len(msg) > 0 {
		number, wire, n := protowire.ConsumeTag(msg)
		size := protowire.ConsumeFieldValue(number, wire, msg[max(n, 0):])
		if n < 0 || size < 0 {
			return out, errors.New("the skeleton cannot be read back")
		}
		field, value := msg[:n+size], msg[n:n+size]
		msg = msg[n+size:]
		child := k.children[number]
		switch {
		case wire == protowire.BytesType && child != nil && child.tensors:
			content, _ := protowire.ConsumeBytes(value)
			inner, err := fill(content, child, large)
			if err != nil {
				return out, err
			}
			out.addBytes(header(number, inner.size))
			out.add(inner.segments...)
		case k.tensor && number == tensorExternalData && bytes.Contains(value, []byte(placeKey)):
			s, err := marked(value, large)
			if err != nil {
				return out, err
			}
			out.addBytes(header(tensorRawData, s.length()))
			out.add(s)
		default:
			out.addBytes(field)
		}
	}
	return out, nil
}

// marked is the data that an entry of external_data stands for.
func marked(value []byte, large []segment) (segment, error) {
	var e onnxpb.StringStringEntryProto
	content, _ := protowire.ConsumeBytes(value)
	i, err := 0, proto.Unmarshal(content, &e)
	if err == nil {
		i, err = strconv.Atoi(e.Value)
	}
	if err != nil || i < 0 || i >= len(large) {
		return segment{}, fmt.Errorf("a tensor is marked with %q", content)
	}
	return large[i], nil
}

// header is a length-delimited field's tag and length.
func header(number protowire.Number, length int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(length))
}
