package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
)

// maxFile is the largest file that the runtime's parser takes.
const maxFile = 2<<30 - 1

// Save writes the model to path, whole or not at all, with all weights in the one file. Equal models give equal bytes. The file that the
// model was opened from is refused as a target.
func (m *Model) Save(path string) error {
	if same(path, m.path) {
		return fmt.Errorf("write %s: it is the file that the model is read from; choose another", path)
	}
	out := proto.Clone(m.Proto).(*onnxpb.ModelProto)
	whole := &Model{Proto: out, path: m.path, file: m.file, refs: map[*onnxpb.TensorProto]extent{}}
	var originals []*onnxpb.TensorProto
	m.EachTensor(func(t *onnxpb.TensorProto) { originals = append(originals, t) })
	var problem error
	i := 0
	whole.EachTensor(func(t *onnxpb.TensorProto) {
		original := originals[i]
		i++
		_, referred := m.refs[original]
		if !referred && t.DataLocation != onnxpb.TensorProto_EXTERNAL || problem != nil {
			return
		}
		t.RawData, problem = m.raw(original)
		t.DataLocation, t.ExternalData = onnxpb.TensorProto_DEFAULT, nil
	})
	if problem != nil {
		return fmt.Errorf("write %s: %w", path, problem)
	}
	if size := proto.Size(out); size > maxFile {
		return fmt.Errorf("write %s: the model has %d bytes, and one file may have %d", path, size, maxFile)
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(out)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return writeFile(path, data)
}

func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// writeFile writes through a temporary name in the same folder.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".assay-*.onnx")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
