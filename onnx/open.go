package onnx

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
)

// Model is a model file's skeleton. Proto may be edited; weights of tensors that stay in the file are read by Tensor.
type Model struct {
	Proto *onnxpb.ModelProto
	path  string
	file  *mapping
	refs  map[*onnxpb.TensorProto]extent
	made  map[*onnxpb.TensorProto]*Data
}

// extent is where a tensor's raw data stands in the model's own file.
type extent struct{ offset, length int64 }

// ErrLFS is a git-LFS pointer in place of a model.
var ErrLFS = errors.New("it is a git-LFS pointer, not the model; fetch the file with `git lfs pull`")

// Open reads a model's skeleton and checks that the external data it names is there, inside the model's folder and long enough. Errors
// say what is wrong with the file and what to do.
func Open(path string) (*Model, error) {
	m, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	return m, nil
}

func open(path string) (*Model, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("there is no such file")
	}
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, errors.New("it is a folder, not an ONNX file")
	case info.Size() == 0:
		return nil, errors.New("the file is empty")
	}
	file, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	m := &Model{path: path, file: file, refs: map[*onnxpb.TensorProto]extent{}, made: map[*onnxpb.TensorProto]*Data{}}
	if err := m.parse(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Model) parse() error {
	if bytes.HasPrefix(m.file.data, []byte("version https://git-lfs")) {
		return ErrLFS
	}
	slim, places, err := skeleton(m.file.data)
	if err != nil {
		return fmt.Errorf("it is no ONNX model, or it is truncated: %w", err)
	}
	m.Proto = &onnxpb.ModelProto{}
	if err := proto.Unmarshal(slim, m.Proto); err != nil {
		return fmt.Errorf("it is no ONNX model, or it is truncated: %w", err)
	}
	if m.Proto.Graph == nil || len(m.Proto.Graph.Node) == 0 && len(m.Proto.Graph.Output) == 0 {
		return errors.New("it is no ONNX model: it has no graph")
	}
	return m.place(places)
}

// place hands each tensor that was left in the file its extent, and checks external data.
func (m *Model) place(places []extent) error {
	var problems []error
	m.EachTensor(func(t *onnxpb.TensorProto) {
		if err := m.placeTensor(t, places); err != nil && len(problems) < maxProblems {
			problems = append(problems, fmt.Errorf("tensor %s: %w", t.Name, err))
		}
	})
	return errors.Join(problems...)
}

// maxProblems bounds how many mistakes of a file are listed.
const maxProblems = 8

func (m *Model) placeTensor(t *onnxpb.TensorProto, places []extent) error {
	if !slices.ContainsFunc(t.ExternalData, func(e *onnxpb.StringStringEntryProto) bool { return e.Key == placeKey }) {
		if t.DataLocation != onnxpb.TensorProto_EXTERNAL {
			return nil
		}
		_, _, err := m.external(t)
		return err
	}
	if len(t.ExternalData) > 1 || len(t.RawData) > 0 {
		return errors.New("it has its data twice")
	}
	i, err := strconv.Atoi(t.ExternalData[0].Value)
	if err != nil || i < 0 || i >= len(places) {
		return fmt.Errorf("its data is at no place %q", t.ExternalData[0].Value)
	}
	m.refs[t] = places[i]
	t.DataLocation, t.ExternalData = onnxpb.TensorProto_DEFAULT, nil
	return nil
}

// external gives the file and the extent of a tensor's external data.
func (m *Model) external(t *onnxpb.TensorProto) (path string, at extent, err error) {
	at.length = -1
	location := ""
	for _, e := range t.ExternalData {
		switch e.Key {
		case "location":
			location = e.Value
		case "offset":
			at.offset, err = strconv.ParseInt(e.Value, 10, 64)
		case "length":
			at.length, err = strconv.ParseInt(e.Value, 10, 64)
		}
		if err != nil {
			return "", at, fmt.Errorf("external data %s %q: %w", e.Key, e.Value, err)
		}
	}
	if location == "" || !filepath.IsLocal(filepath.FromSlash(location)) {
		return "", at, fmt.Errorf("external data %q points outside the model's folder; move it beside the model", location)
	}
	path = filepath.Join(filepath.Dir(m.path), filepath.FromSlash(location))
	info, err := os.Stat(path)
	if err != nil {
		return "", at, fmt.Errorf("external data %s is missing; put it beside the model", location)
	}
	if !info.Mode().IsRegular() {
		return "", at, fmt.Errorf("external data %s is no file", location)
	}
	if at.length < 0 {
		at.length = info.Size() - at.offset
	}
	if at.offset < 0 || at.length < 0 || at.offset > info.Size()-at.length {
		return "", at, fmt.Errorf("external data %s has %d bytes, and bytes %d to %d are wanted; the file is truncated or not this model's", location, info.Size(), at.offset, at.offset+at.length)
	}
	return path, at, nil
}

// Close releases the file.
func (m *Model) Close() error { return m.file.close() }

// Path is the file that the model was opened from.
func (m *Model) Path() string { return m.path }

// ExternalFiles lists the files of external data, in order of name, as paths beside the model.
func (m *Model) ExternalFiles() []string {
	seen := map[string]bool{}
	m.EachTensor(func(t *onnxpb.TensorProto) {
		if t.DataLocation != onnxpb.TensorProto_EXTERNAL {
			return
		}
		if path, _, err := m.external(t); err == nil {
			seen[path] = true
		}
	})
	files := make([]string, 0, len(seen))
	for f := range seen {
		files = append(files, f)
	}
	slices.Sort(files)
	return files
}

// Identity is the SHA-256 over the model file and its external data, and their size in bytes.
func (m *Model) Identity() (sha string, size int64, err error) {
	h := sha256.New()
	for i, path := range append([]string{m.path}, m.ExternalFiles()...) {
		f, err := os.Open(path)
		if err != nil {
			return "", 0, err
		}
		if i > 0 {
			fmt.Fprintf(h, "\n%s\n", filepath.Base(path))
		}
		n, err := io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", 0, err
		}
		size += n
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// EachTensor visits every tensor of the model: initializers, then attributes of nodes, in the order of the file, subgraphs and functions
// included.
func (m *Model) EachTensor(visit func(*onnxpb.TensorProto)) {
	if m.Proto.Graph != nil {
		eachTensor(m.Proto.Graph, visit)
	}
	for _, f := range m.Proto.Functions {
		for _, n := range f.Node {
			eachNodeTensor(n, visit)
		}
		for _, a := range f.AttributeProto {
			eachAttributeTensor(a, visit)
		}
	}
}

func eachTensor(g *onnxpb.GraphProto, visit func(*onnxpb.TensorProto)) {
	for _, n := range g.Node {
		eachNodeTensor(n, visit)
	}
	for _, t := range g.Initializer {
		visit(t)
	}
	for _, s := range g.SparseInitializer {
		eachSparse(s, visit)
	}
}

func eachNodeTensor(n *onnxpb.NodeProto, visit func(*onnxpb.TensorProto)) {
	for _, a := range n.Attribute {
		eachAttributeTensor(a, visit)
	}
}

func eachAttributeTensor(a *onnxpb.AttributeProto, visit func(*onnxpb.TensorProto)) {
	if a.T != nil {
		visit(a.T)
	}
	if a.G != nil {
		eachTensor(a.G, visit)
	}
	for _, t := range a.Tensors {
		visit(t)
	}
	for _, g := range a.Graphs {
		eachTensor(g, visit)
	}
	if a.SparseTensor != nil {
		eachSparse(a.SparseTensor, visit)
	}
	for _, s := range a.SparseTensors {
		eachSparse(s, visit)
	}
}

func eachSparse(s *onnxpb.SparseTensorProto, visit func(*onnxpb.TensorProto)) {
	for _, t := range []*onnxpb.TensorProto{s.Values, s.Indices} {
		if t != nil {
			visit(t)
		}
	}
}

// EachNode visits every node, subgraphs after the node that holds them, functions last.
func (m *Model) EachNode(visit func(*onnxpb.NodeProto)) {
	if m.Proto.Graph != nil {
		eachNode(m.Proto.Graph.Node, visit)
	}
	for _, f := range m.Proto.Functions {
		eachNode(f.Node, visit)
	}
}

func eachNode(nodes []*onnxpb.NodeProto, visit func(*onnxpb.NodeProto)) {
	for _, n := range nodes {
		visit(n)
		for _, a := range n.Attribute {
			if a.G != nil {
				eachNode(a.G.Node, visit)
			}
			for _, g := range a.Graphs {
				eachNode(g.Node, visit)
			}
		}
	}
}

// Domain spells the default operator domain in one way.
func Domain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// Opset is the version of an operator domain that the model imports, 0 where it does not.
func (m *Model) Opset(domain string) int64 {
	for _, o := range m.Proto.OpsetImport {
		if Domain(o.Domain) == Domain(domain) {
			return o.Version
		}
	}
	return 0
}

// Metadata is the model's custom metadata.
func (m *Model) Metadata() map[string]string {
	out := map[string]string{}
	for _, p := range m.Proto.MetadataProps {
		out[p.Key] = p.Value
	}
	return out
}

// SetMetadata adds or replaces an entry of the custom metadata.
func (m *Model) SetMetadata(key, value string) {
	for _, p := range m.Proto.MetadataProps {
		if p.Key == key {
			p.Value = value
			return
		}
	}
	m.Proto.MetadataProps = append(m.Proto.MetadataProps, &onnxpb.StringStringEntryProto{Key: key, Value: value})
}

// isQuantized names operators of which any says that a model is quantized already.
func isQuantized(op string) bool {
	return strings.HasSuffix(op, "QuantizeLinear") || strings.HasPrefix(op, "QLinear") || strings.HasSuffix(op, "Integer") ||
		op == "MatMulNBits" || op == "QGemm" || op == "DynamicQuantizeMatMul" || op == "DynamicQuantizeLSTM"
}
