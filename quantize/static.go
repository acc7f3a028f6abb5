package quantize

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
)

// Request is one quantization to static int8.
type Request struct {
	Model    string
	Out      string // not written where empty: a dry run
	Options  Options
	External onnx.External // where the result's weights go
	Examples Source        // calibration data; nil where Ranges are given
	Ranges   Ranges
	Lineage  map[string]string // metadata of the result
	Progress func(text string)
}

// Result says what became of a model.
type Result struct {
	Model         string         `json:"model"`
	Out           string         `json:"out"`
	Scheme        string         `json:"scheme"`
	Nodes         NodeCounts     `json:"nodes"`
	Bytes         ByteCounts     `json:"bytes"`
	Seconds       Times          `json:"seconds"`
	PeakRSSBytes  int64          `json:"peak_rss_bytes"`
	Quality       Fidelity       `json:"quality"`
	Fused         map[string]int `json:"fused"` // 8-bit operators of the graph that the runtime makes of it
	Warnings      []string       `json:"warnings"`
	Ranges        Ranges         `json:"-"`
	ExamplesCount int            `json:"examples"`
}

// NodeCounts counts the nodes of the prepared graph; those within other nodes' graphs are not looked at.
type NodeCounts struct {
	Total     int        `json:"total"`
	Quantized int        `json:"quantized"`
	LeftFloat []NodeLeft `json:"left_float"`
}

// ByteCounts are of the model file and its external data.
type ByteCounts struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Times are what the steps took.
type Times struct {
	Calibrate float64 `json:"calibrate"`
	Quantize  float64 `json:"quantize"`
}

// Static quantizes a model: weights to int8, activations to 8 bits by calibrated ranges, in the QDQ form that runtimes fuse. The result is
// loaded, run on the examples beside the original and compared before it is left at Out; on any error no file is left. Errors say what to
// do.
func Static(ctx context.Context, be backend.Backend, q Request) (*Result, error) {
	src, err := onnx.Open(q.Model)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if src.Info().Quantized {
		return nil, fmt.Errorf("model %s is quantized already; start from its float form", q.Model)
	}
	for _, file := range append(src.ExternalFiles(), q.Model) {
		if sameFile(q.Out, file) || sameFile(q.Out+".data", file) {
			return nil, fmt.Errorf("model %s: %s would replace %s; choose another file", q.Model, q.Out, file)
		}
	}
	dir, err := os.MkdirTemp("", "assay-quantize")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	m, err := prepared(ctx, be, src, q.Options, dir)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", q.Model, err)
	}
	defer m.Close()
	res := &Result{Model: q.Model, Out: q.Out, Scheme: SchemeInt8Static, Fused: map[string]int{}, Warnings: []string{}}
	if _, res.Bytes.Before, err = src.Identity(); err != nil {
		return nil, err
	}
	s, err := selectNodes(m, m.Opset(""), q.Options)
	if err != nil {
		return nil, err
	}
	res.Nodes = s.counts()
	if len(s.activations) == 0 {
		return nil, fmt.Errorf("model %s: nothing can be quantized: %s", q.Model, s.whyNothing())
	}
	if err := q.ranges(ctx, be, m, s, res); err != nil {
		return nil, fmt.Errorf("model %s: %w", q.Model, err)
	}
	if q.Out == "" {
		return res, nil
	}
	return res, q.finish(ctx, be, m, s, res, dir)
}

// prepared folds the graph where that was asked for, and refuses opsets that have no 8-bit form.
func prepared(ctx context.Context, be backend.Backend, src *onnx.Model, o Options, dir string) (*onnx.Model, error) {
	if v := src.Opset(""); v > 0 && v < 10 {
		return nil, fmt.Errorf("its opset is %d, and 8-bit operators begin with opset 10; export it with opset 13 or newer", v)
	}
	if o.Prepare {
		return prepare(ctx, be, src, dir)
	}
	return onnx.Open(src.Path())
}

func (s *selection) counts() NodeCounts {
	c := NodeCounts{Total: len(s.model.Proto.Graph.Node), LeftFloat: []NodeLeft{}}
	for _, n := range s.model.Proto.Graph.Node {
		if s.nodes[n] || s.removed[n] {
			c.Quantized++
			continue
		}
		c.LeftFloat = append(c.LeftFloat, NodeLeft{nodeName(n), s.why(n)})
	}
	return c
}

func (s *selection) whyNothing() string {
	for _, n := range s.model.Proto.Graph.Node {
		if s.left[n] != "" {
			return nodeName(n) + ": " + s.left[n]
		}
	}
	return "it has no Conv, Gemm or MatMul with constant float32 weights"
}

// ranges takes the ranges given, or calibrates.
func (q *Request) ranges(ctx context.Context, be backend.Backend, m *onnx.Model, s *selection, res *Result) error {
	if q.Ranges != nil {
		for _, name := range slices.Sorted(maps.Keys(q.Ranges)) {
			if !s.marked[name] {
				return fmt.Errorf("the ranges name tensor %q, which is not one that is quantized", name)
			}
			if v := q.Ranges[name]; v[0] > v[1] {
				return fmt.Errorf("the range of tensor %q is [%v, %v]; want [smallest, largest]", name, v[0], v[1])
			}
		}
		res.Ranges = q.Ranges
		return nil
	}
	if q.Examples == nil {
		return errors.New("static quantization needs calibration data, or ranges from an earlier run")
	}
	begun := time.Now()
	var err error
	res.Ranges, res.ExamplesCount, err = calibrate(ctx, be, m, s.activations, q.Examples, func(done int) {
		if q.Progress != nil && done%16 == 0 {
			q.Progress(fmt.Sprintf("calibrated on %d examples", done))
		}
	})
	res.Seconds.Calibrate = time.Since(begun).Seconds()
	return err
}

// finish rewrites, writes, checks and moves into place.
func (q *Request) finish(ctx context.Context, be backend.Backend, m *onnx.Model, s *selection, res *Result, dir string) error {
	begun := time.Now()
	if err := newRewriter(s, q.Options, res.Ranges).run(); err != nil {
		return fmt.Errorf("model %s: %w", q.Model, err)
	}
	m.Proto.ProducerName, m.Proto.ProducerVersion = "assay", ""
	m.SetMetadata("onnx.infer", "onnxruntime.quant") // the runtime's own mark of a quantized model
	for _, key := range slices.Sorted(maps.Keys(q.Lineage)) {
		m.SetMetadata(key, q.Lineage[key])
	}
	made := filepath.Join(dir, "quantized.onnx")
	if err := m.Save(made); err != nil {
		return err
	}
	res.Seconds.Quantize = time.Since(begun).Seconds()
	if err := checkFile(made); err != nil {
		return fmt.Errorf("the quantized model breaks the rules of the format, so it was not written: %w", err)
	}
	if err := q.verify(ctx, be, made, dir, res); err != nil {
		return fmt.Errorf("the quantized model does not work, so it was not written: %w", err)
	}
	return q.install(made, res)
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func checkFile(path string) error {
	m, err := onnx.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Check()
}

// install moves the finished file to where it was asked for, whole or not at all.
func (q *Request) install(from string, res *Result) error {
	if err := os.MkdirAll(filepath.Dir(q.Out), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", q.Out, err)
	}
	m, err := onnx.Open(from)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.SaveExternal(q.Out, q.External); err != nil {
		return err
	}
	made, err := onnx.Open(q.Out)
	if err != nil {
		return err
	}
	defer made.Close()
	_, res.Bytes.After, err = made.Identity()
	return err
}

// eightBit are the operators by which the runtime computes in 8 bits, by the beginning of their names.
var eightBit = []string{"QLinear", "QGemm", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "QAttention"}

// count gives the 8-bit operators of an optimised model, and how many Q/DQ nodes were not fused; those at the model's own inputs and
// outputs are not counted, because floats come and go there.
func count(path string) (fused map[string]int, leftover int, err error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer m.Close()
	border := map[string]bool{}
	for _, v := range append(m.Inputs(), m.Proto.Graph.Output...) {
		border[v.Name] = true
	}
	fused = map[string]int{}
	m.EachNode(func(n *onnxpb.NodeProto) {
		if (n.OpType == "QuantizeLinear" && !border[n.Input[0]]) || (n.OpType == "DequantizeLinear" && !border[n.Output[0]]) {
			leftover++
		}
		if slices.ContainsFunc(eightBit, func(prefix string) bool { return strings.HasPrefix(n.OpType, prefix) }) {
			fused[n.OpType]++
		}
	})
	return fused, leftover, nil
}
