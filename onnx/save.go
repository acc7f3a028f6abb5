package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"assay/internal/install"
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
	return m.save(path, external, true, nil)
}

// SaveWith is SaveExternal of a model with files beside it: all are written, or none. beside is told the size of the model with its weights, and
// what it gives is written after the model.
func (m *Model) SaveWith(path string, external External, beside func(size int64) []install.File) error {
	return m.save(path, external, true, beside)
}

// SaveDraft is SaveExternal for a file that the process itself will read and take away: it does not wait for the disk.
func (m *Model) SaveDraft(path string, external External) error {
	return m.save(path, external, false, nil)
}

// SaveDraftBeside is SaveDraft into the folder that the model was read from: what stands in files of external data stays there, and is referred to.
func (m *Model) SaveDraftBeside(path string) error {
	if !same(filepath.Dir(path), filepath.Dir(m.path)) {
		return fmt.Errorf("write %s: the model's external data is in another folder, %s", path, filepath.Dir(m.path))
	}
	f, err := m.besideFile(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return install.Files(false, f)
}

func (m *Model) besideFile(path string) (f install.File, err error) {
	if err := m.refuseSources(path); err != nil {
		return f, err
	}
	s, err := m.layOut(isExternal)
	if err != nil {
		return f, err
	}
	return s.file(path)
}

func isExternal(t *onnxpb.TensorProto) bool { return t.DataLocation == onnxpb.TensorProto_EXTERNAL }

func (m *Model) save(path string, external External, lasting bool, beside func(size int64) []install.File) error {
	files, err := m.files(path, external)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if beside != nil {
		files = append(files, beside(sizeOf(files))...)
	}
	return install.Files(lasting, files...)
}

// files are those that a model makes.
func (m *Model) files(path string, external External) ([]install.File, error) {
	if err := m.refuseSources(path, path+".data"); err != nil {
		return nil, err
	}
	s, err := m.layOut(nil)
	switch {
	case err != nil:
		return nil, err
	case external == ExternalAlways || external == ExternalAuto && s.size > externalAbove:
		return m.twoFiles(path)
	}
	f, err := s.file(path)
	return []install.File{f}, err
}

func sizeOf(files []install.File) (size int64) {
	for _, f := range files {
		size += f.Size
	}
	return size
}

// file is a sheet as a model's file.
func (s *sheet) file(path string) (install.File, error) {
	if s.size > maxFile {
		return install.File{}, fmt.Errorf("the model has %d bytes, and one file may have %d; put its weights into a file of their own", s.size, maxFile)
	}
	return install.File{Path: path, Size: s.size, Write: s.write}, nil
}

// refuseSources refuses targets that the model is read from.
func (m *Model) refuseSources(targets ...string) error {
	for _, source := range append(m.ExternalFiles(), m.path) {
		if slices.ContainsFunc(targets, func(path string) bool { return same(path, source) }) {
			return fmt.Errorf("%s would be replaced, from which the model is read; choose another file", source)
		}
	}
	return nil
}

// Write writes the model with its weights as one file to w.
func (m *Model) Write(w io.Writer) error {
	s, err := m.layOut(nil)
	if err != nil {
		return err
	}
	return s.write(w)
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// outside is a tensor whose data stands outside the skeleton; that of small ones is at hand.
type outside struct {
	*onnxpb.TensorProto
	data  segment
	small []byte
}

// outsiders are the tensors outside the skeleton, but for what stays. Data may be made of another tensor's, so that of all small ones is read before
// any tensor is changed.
func (m *Model) outsiders(stays func(*onnxpb.TensorProto) bool) (all []outside, problem error) {
	m.EachTensor(func(t *onnxpb.TensorProto) {
		s, large, err := m.segment(t)
		if err != nil || !large || problem != nil || stays != nil && stays(t) {
			problem = errors.Join(problem, err)
			return
		}
		o := outside{TensorProto: t, data: s}
		if s.length() <= inlineLimit {
			o.small, problem = s.view()
		}
		all = append(all, o)
	})
	return all, problem
}

// marshal encodes the skeleton while mark has changed its large tensors, which have their own form again afterwards. Small ones that stand outside
// the skeleton come into it, so that a model has the same bytes wherever they stood. What stays, where not nil, is encoded as it is.
func (m *Model) marshal(stays func(*onnxpb.TensorProto) bool, mark func(t *onnxpb.TensorProto, s segment)) ([]byte, error) {
	all, err := m.outsiders(stays)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		raw, location, entries := o.RawData, o.DataLocation, o.ExternalData
		defer func() { o.RawData, o.DataLocation, o.ExternalData = raw, location, entries }()
		o.RawData, o.DataLocation, o.ExternalData = o.small, onnxpb.TensorProto_DEFAULT, nil
		if o.data.length() > inlineLimit {
			mark(o.TensorProto, o.data)
		}
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m.Proto)
}

func entry(key, value string) *onnxpb.StringStringEntryProto {
	return &onnxpb.StringStringEntryProto{Key: key, Value: value}
}

// twoFiles are the model and the weights that it refers to.
func (m *Model) twoFiles(path string) ([]install.File, error) {
	var weights, model sheet
	name := filepath.Base(path) + ".data"
	skeleton, err := m.marshal(nil, func(t *onnxpb.TensorProto, s segment) {
		if gap := -weights.size & (alignment - 1); gap > 0 {
			weights.add(segment{bytes: make([]byte, gap)})
		}
		t.DataLocation = onnxpb.TensorProto_EXTERNAL
		t.ExternalData = []*onnxpb.StringStringEntryProto{entry("location", name), entry("offset", strconv.FormatInt(weights.size, 10)),
			entry("length", strconv.FormatInt(s.length(), 10))}
		weights.add(s)
	})
	if err != nil {
		return nil, err
	}
	model.add(segment{bytes: skeleton})
	return []install.File{{Path: path, Size: model.size, Write: model.write}, {Path: path + ".data", Size: weights.size, Write: weights.write}}, nil
}
