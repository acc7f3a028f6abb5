package onnx

import (
	"bytes"
	"fmt"
	"io"

	"assay/onnx/onnxpb"
)

// extent is where bytes stand in a file.
type extent struct{ offset, length int64 }

// segment is a run of bytes, wherever it stands: in memory, in a mapped file, or nowhere until it is made.
type segment struct {
	bytes []byte
	file  *mapping
	at    extent // of file
	made  *Data
}

func (s segment) length() int64 {
	switch {
	case s.made != nil:
		return s.made.Size
	case s.file != nil:
		return s.at.length
	}
	return int64(len(s.bytes))
}

// writeTo writes the segment, leaving no page of its file resident.
func (s segment) writeTo(w io.Writer) error {
	switch {
	case s.made != nil:
		return s.made.writeTo(w)
	case s.file != nil:
		return s.file.stretches(s.at, func(piece []byte) error {
			_, err := w.Write(piece)
			return err
		})
	}
	_, err := w.Write(s.bytes)
	return err
}

// view is the segment's bytes in place where they stand somewhere.
func (s segment) view() ([]byte, error) {
	switch {
	case s.made != nil:
		var buf bytes.Buffer
		buf.Grow(int(s.made.Size))
		err := s.made.writeTo(&buf)
		return buf.Bytes(), err
	case s.file != nil:
		return s.file.bytes(s.at), nil
	}
	return s.bytes, nil
}

// release gives back the pages that reading part of the view may have made resident.
func (s segment) release(from, to int64) {
	if s.file != nil {
		s.file.release(extent{s.at.offset + from, to - from})
	}
}

// segment is where a tensor's raw data stands, and whether it is kept out of the skeleton.
func (m *Model) segment(t *onnxpb.TensorProto) (s segment, large bool, err error) {
	if d, ok := m.made[t]; ok {
		return segment{made: d}, true, nil
	}
	if at, ok := m.refs[t]; ok {
		return segment{file: m.file, at: at}, true, nil
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		file, at, err := m.external(t)
		if err != nil {
			return segment{}, false, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		return segment{file: file.mapping, at: at}, true, nil
	}
	return segment{bytes: t.RawData}, len(t.RawData) > inlineLimit, nil
}
