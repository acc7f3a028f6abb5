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
	"sync"

	"google.golang.org/protobuf/proto"

	"assay/onnx/onnxpb"
)

// Model is a model file's skeleton. Proto may be edited; weights of tensors that stay in the file are read by Tensor. They have no data in Proto,
// whatever field of the file it stands in, and are saved in raw form.
type Model struct {
	Proto *onnxpb.ModelProto
	path  string
	file  *mapping
	refs  map[*onnxpb.TensorProto]extent // of file
	made  map[*onnxpb.TensorProto]*Data

	mu        sync.Mutex
	externals map[string]*externalFile // by location
}

// New is a model in memory. It keeps the proto.
func New(p *onnxpb.ModelProto) *Model {
	return &Model{Proto: p, file: &mapping{}, refs: map[*onnxpb.TensorProto]extent{}, made: map[*onnxpb.TensorProto]*Data{}, externals: map[string]*externalFile{}}
}

// Parse reads a model from a file's content, which must not change while the model is in use. External data is refused, since there is
// no folder that it could be in.
func Parse(file []byte) (*Model, error) {
	m := New(nil)
	m.file.data = file
	if err := m.parse(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return m, nil
}

// ErrLFS is a git-LFS pointer in place of a model.
var ErrLFS = errors.New("it is a git-LFS pointer, not the model; fetch the file with `git lfs pull`")

// Open reads a model's skeleton and checks that the external data it names is there, inside the model's folder and long enough. Errors
// say what is wrong with the file and what to do. The files are mapped into memory: they may be replaced while the model is open, but must
// not be written to or cut.
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
	m := New(nil)
	m.path, m.file = path, file
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
func (m *Model) place(places []place) error {
	var problems []error
	placed := 0
	m.EachTensor(func(t *onnxpb.TensorProto) {
		if hasMark(t) {
			placed++
		}
		if err := m.placeTensor(t, places); err != nil && len(problems) < maxProblems {
			problems = append(problems, fmt.Errorf("tensor %s: %w", t.Name, err))
		}
	})
	if len(problems) == 0 && placed != len(places) {
		return errors.New("it has data that belongs to no tensor")
	}
	return errors.Join(problems...)
}

// maxProblems bounds how many mistakes of a file are listed.
const maxProblems = 8

func hasMark(t *onnxpb.TensorProto) bool {
	return slices.ContainsFunc(t.ExternalData, func(e *onnxpb.StringStringEntryProto) bool { return e.Key == placeKey })
}

func (m *Model) placeTensor(t *onnxpb.TensorProto, places []place) error {
	if !hasMark(t) {
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
	t.DataLocation, t.ExternalData = onnxpb.TensorProto_DEFAULT, nil
	return m.leaveInFile(t, places[i])
}

// Path is the file that the model was opened from.
func (m *Model) Path() string { return m.path }

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

// Size is the size in bytes of the model file and its external data.
func (m *Model) Size() (size int64, err error) {
	for _, path := range append([]string{m.path}, m.ExternalFiles()...) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
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

// isQuantized names operators of which any says that a model is quantized already. DequantizeLinear is one only of a constant: it may also take what a
// caller gives in integers.
func isQuantized(op string) bool {
	return strings.HasSuffix(op, "QuantizeLinear") || strings.HasPrefix(op, "QLinear") || strings.HasSuffix(op, "Integer") ||
		op == "MatMulNBits" || op == "GatherBlockQuantized" || op == "QGemm" || op == "DynamicQuantizeMatMul" || op == "DynamicQuantizeLSTM"
}

// quantizedConstant returns a function that reports whether a node makes floats of a constant that is stored in integers.
func (m *Model) quantizedConstant() func(*onnxpb.NodeProto) bool {
	constant := map[string]bool{}
	m.EachTensor(func(t *onnxpb.TensorProto) { constant[t.Name] = true })
	m.EachNode(func(n *onnxpb.NodeProto) {
		if n.OpType == "Constant" && len(n.Output) > 0 {
			constant[n.Output[0]] = true
		}
	})
	return func(n *onnxpb.NodeProto) bool {
		return n.OpType == "DequantizeLinear" && len(n.Input) > 0 && n.Input[0] != "" && constant[n.Input[0]]
	}
}
