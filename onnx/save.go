package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
)

const (
	// maxFile is the largest file that the runtime's parser takes.
	maxFile = 2<<30 - 1
	// externalAbove is the size from which weights go to a file of their own unless that is forbidden.
	externalAbove = 3 << 29
	// alignment of each tensor in a file of weights, so that runtimes can map it.
	alignment = 4096
)

// External says where Save puts weights.
type External int

// The places for weights. In a file of its own, OUT.data beside OUT, stands every tensor of more than a kibibyte.
const (
	ExternalAuto   External = iota // in the model's file, in one of their own above 1.5 GiB
	ExternalAlways                 // in a file of their own
	ExternalNever                  // in the model's file; refused where that would grow past 2 GiB
)

// Save writes the model to path with its weights where ExternalAuto puts them. See SaveExternal.
func (m *Model) Save(path string) error { return m.SaveExternal(path, ExternalAuto) }

// SaveExternal writes the model to path, whole or not at all. Weights are copied from file to file and never held in memory together.
// Equal models give equal bytes. The files that the model is read from are refused as targets.
func (m *Model) SaveExternal(path string, external External) error {
	if err := m.save(path, external); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (m *Model) save(path string, external External) error {
	for _, source := range append(m.ExternalFiles(), m.path) {
		if same(path, source) || same(path+".data", source) {
			return fmt.Errorf("%s would be replaced, from which the model is read; choose another file", source)
		}
	}
	s, err := m.layOut()
	if err != nil {
		return err
	}
	if external == ExternalAlways || external == ExternalAuto && s.size > externalAbove {
		return m.saveTwoFiles(path)
	}
	if s.size > maxFile {
		return fmt.Errorf("the model has %d bytes, and one file may have %d; put its weights into a file of their own", s.size, maxFile)
	}
	return writeFile(path, s.write)
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// segment is a part of a file to be: bytes, an extent of another file, or data that is made when it is written.
type segment struct {
	bytes []byte
	path  string // of another file
	at    extent
	made  *Data
}

func (s segment) length() int64 {
	switch {
	case s.made != nil:
		return s.made.Size
	case s.path != "":
		return s.at.length
	}
	return int64(len(s.bytes))
}

func (s segment) writeTo(w io.Writer) error {
	if s.made != nil {
		return s.made.writeTo(w)
	}
	if s.path == "" {
		_, err := w.Write(s.bytes)
		return err
	}
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, io.NewSectionReader(f, s.at.offset, s.at.length))
	if err == nil && n != s.at.length {
		err = fmt.Errorf("%s became shorter while it was read", s.path)
	}
	return err
}

// content is what a tensor's raw data is, and whether it is too large for the skeleton.
func (m *Model) content(t *onnxpb.TensorProto) (segment, bool, error) {
	if d, ok := m.made[t]; ok {
		return segment{made: d}, true, nil
	}
	if at, ok := m.refs[t]; ok {
		return segment{bytes: m.file.data[at.offset : at.offset+at.length]}, true, nil
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		path, at, err := m.external(t)
		if err != nil {
			return segment{}, false, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		return segment{path: path, at: at}, true, nil
	}
	return segment{bytes: t.RawData}, len(t.RawData) > inlineLimit, nil
}

// marshal encodes the skeleton while mark has changed its large tensors, which have their own form again afterwards.
func (m *Model) marshal(mark func(t *onnxpb.TensorProto, s segment)) ([]byte, error) {
	var problem error
	var restore []func()
	m.EachTensor(func(t *onnxpb.TensorProto) {
		s, large, err := m.content(t)
		if err != nil || !large || problem != nil {
			problem = errors.Join(problem, err)
			return
		}
		raw, location, entries := t.RawData, t.DataLocation, t.ExternalData
		restore = append(restore, func() { t.RawData, t.DataLocation, t.ExternalData = raw, location, entries })
		t.RawData, t.DataLocation, t.ExternalData = nil, onnxpb.TensorProto_DEFAULT, nil
		mark(t, s)
	})
	defer func() {
		for _, undo := range restore {
			undo()
		}
	}()
	if problem != nil {
		return nil, problem
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m.Proto)
}

func entry(key, value string) *onnxpb.StringStringEntryProto {
	return &onnxpb.StringStringEntryProto{Key: key, Value: value}
}

// sheet is a file laid out: its segments in order, and their size together.
type sheet struct {
	segments []segment
	size     int64
}

func (s *sheet) add(parts ...segment) {
	for _, p := range parts {
		s.segments = append(s.segments, p)
		s.size += p.length()
	}
}

func (s *sheet) write(w io.Writer) error {
	for _, p := range s.segments {
		if err := p.writeTo(w); err != nil {
			return err
		}
	}
	return nil
}

// layOut is the model in one file: the skeleton with the large tensors put in where their marks stand.
func (m *Model) layOut() (sheet, error) {
	var large []segment
	skeleton, err := m.marshal(func(t *onnxpb.TensorProto, s segment) {
		t.ExternalData = []*onnxpb.StringStringEntryProto{entry(placeKey, strconv.Itoa(len(large)))}
		large = append(large, s)
	})
	if err != nil {
		return sheet{}, err
	}
	return fill(skeleton, inModel, large)
}

// fill is the inverse of slim.
func fill(msg []byte, kind message, large []segment) (sheet, error) {
	var out sheet
	for len(msg) > 0 {
		number, wire, n := protowire.ConsumeTag(msg)
		size := protowire.ConsumeFieldValue(number, wire, msg[max(n, 0):])
		if n < 0 || size < 0 {
			return out, errors.New("the skeleton cannot be read back")
		}
		field, value := msg[:n+size], msg[n:n+size]
		msg = msg[n+size:]
		child, isChild := children[kind][number]
		switch {
		case wire == protowire.BytesType && isChild:
			content, _ := protowire.ConsumeBytes(value)
			inner, err := fill(content, child, large)
			if err != nil {
				return out, err
			}
			out.add(segment{bytes: header(number, inner.size)})
			out.add(inner.segments...)
		case kind == inTensor && number == tensorExternalData:
			var e onnxpb.StringStringEntryProto
			content, _ := protowire.ConsumeBytes(value)
			i, err := 0, proto.Unmarshal(content, &e)
			if err == nil {
				i, err = strconv.Atoi(e.Value)
			}
			if err != nil || i >= len(large) {
				return out, fmt.Errorf("a tensor is marked with %q", content)
			}
			out.add(segment{bytes: header(tensorRawData, large[i].length())}, large[i])
		default:
			out.add(segment{bytes: field})
		}
	}
	return out, nil
}

// header is a length-delimited field's tag and length.
func header(number protowire.Number, length int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(length))
}

// saveTwoFiles writes the weights, then the model that refers to them; the model is there only if its weights are.
func (m *Model) saveTwoFiles(path string) error {
	var weights sheet
	name := filepath.Base(path) + ".data"
	model, err := m.marshal(func(t *onnxpb.TensorProto, s segment) {
		if gap := -weights.size & (alignment - 1); gap > 0 {
			weights.add(segment{bytes: make([]byte, gap)})
		}
		t.DataLocation = onnxpb.TensorProto_EXTERNAL
		t.ExternalData = []*onnxpb.StringStringEntryProto{entry("location", name), entry("offset", strconv.FormatInt(weights.size, 10)),
			entry("length", strconv.FormatInt(s.length(), 10))}
		weights.add(s)
	})
	if err != nil {
		return err
	}
	if err := writeFile(path+".data", weights.write); err != nil {
		return err
	}
	return writeFile(path, (&sheet{segments: []segment{{bytes: model}}}).write)
}

// writeFile writes through a temporary name in the same folder.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".assay-*.onnx")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
