package quantize

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

// Fidelity is how near a quantized model's outputs are to the original's, over the examples compared.
type Fidelity struct {
	SQNR      *float64 `json:"sqnr_db,omitempty"` // signal to quantization noise of the first float output, decibels; absent where there is no noise
	Cosine    *float64 `json:"cosine,omitempty"`
	MaxAbs    float64  `json:"max_abs"`
	Agreement *float64 `json:"agreement,omitempty"` // share of rows with the same largest element along the last axis longer than 1
	Examples  int      `json:"examples"`
}

// maxCompared bounds how many examples the outputs are compared on.
const maxCompared = 64

// faintSQNR is the signal to noise ratio in dB below which the error is more than a third of the signal, by their root mean squares.
const faintSQNR = 10

// verify loads the result as it will be used, counts what the runtime fused, and compares outputs with the original's.
func (q *Request) verify(ctx context.Context, be backend.Backend, made, dir string, res *Result) error {
	cpu := backend.Provider{Name: "cpu"}
	optimized := filepath.Join(dir, "optimized.onnx")
	variant, err := be.Open(ctx, made, backend.Options{Provider: cpu, OptimizedPath: optimized})
	if err != nil {
		return err
	}
	defer variant.Close()
	leftover := 0
	if res.Fused, leftover, err = count(optimized); err != nil {
		return err
	}
	if len(res.Fused) == 0 {
		res.Warnings = append(res.Warnings, "the runtime fused none of the quantized nodes; expect no gain")
	}
	if leftover > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("%d QuantizeLinear and DequantizeLinear nodes remain in the optimised graph; each costs time at a border between 8 bits and float", leftover))
	}
	if q.Examples == nil {
		res.Warnings = append(res.Warnings, "outputs were not compared with the original's: there are no examples")
		return nil
	}
	original, err := be.Open(ctx, q.Model, backend.Options{Provider: cpu})
	if err != nil {
		return err
	}
	defer original.Close()
	return q.compare(ctx, original, variant, res)
}

func (q *Request) compare(ctx context.Context, original, variant backend.Session, res *Result) error {
	var c comparison
	for i := 0; i < maxCompared; i++ {
		feeds, more, err := q.Examples(original.Inputs(), i)
		if err != nil || !more {
			break // calibration has read these examples already
		}
		want, err := original.Run(ctx, feeds)
		if err != nil {
			return fmt.Errorf("run the original: %w", err)
		}
		got, err := variant.Run(ctx, feeds)
		if err != nil {
			return err
		}
		c.add(want, got)
		if c.broken > 0 {
			return fmt.Errorf("on example %d, %d elements of its output are NaN or infinite that are finite in the original's; keep what leads there in float with --exclude", i, c.broken)
		}
	}
	res.Quality = c.fidelity()
	if db := res.Quality.SQNR; db != nil && *db < faintSQNR {
		res.Warnings = append(res.Warnings, fmt.Sprintf("the outputs are far from the original's: %.1f dB; keep the most sensitive nodes in float with --exclude, and look at the quality on your task", *db))
	}
	return nil
}

// comparison adds up over examples.
type comparison struct {
	signal, noise, dot, squares, max float64
	rows, agree, examples, broken    int
}

func (c *comparison) add(want, got []tensor.Value) {
	for i := range want {
		if want[i].Tensor == nil || want[i].Tensor.DType != tensor.Float32 || got[i].Tensor == nil || len(got[i].Tensor.Data) != len(want[i].Tensor.Data) {
			continue
		}
		a, b := float32s(want[i].Tensor), float32s(got[i].Tensor)
		for k := range a {
			if a[k]-a[k] != 0 { // not finite: an error that the original makes too
				continue
			}
			if b[k]-b[k] != 0 {
				c.broken++
				continue
			}
			d := b[k] - a[k]
			c.signal += a[k] * a[k]
			c.noise += d * d
			c.dot += a[k] * b[k]
			c.squares += b[k] * b[k]
			c.max = max(c.max, math.Abs(d))
		}
		c.addRows(a, b, lastWidth(want[i].Tensor.Shape))
		c.examples++
		return // the first float output stands for the model
	}
}

func (c *comparison) addRows(a, b []float64, width int) {
	if width < 2 {
		return
	}
	for at := 0; at+width <= len(a); at += width {
		c.rows++
		if largest(a[at:at+width]) == largest(b[at:at+width]) {
			c.agree++
		}
	}
}

func (c *comparison) fidelity() Fidelity {
	f := Fidelity{MaxAbs: c.max, Examples: c.examples}
	if c.noise > 0 && c.signal > 0 {
		v := 10 * math.Log10(c.signal/c.noise)
		f.SQNR = &v
	}
	if c.signal > 0 && c.squares > 0 {
		v := c.dot / math.Sqrt(c.signal*c.squares)
		f.Cosine = &v
	}
	if c.rows > 0 {
		v := float64(c.agree) / float64(c.rows)
		f.Agreement = &v
	}
	return f
}

func lastWidth(shape []int64) int {
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] > 1 {
			return int(shape[i])
		}
	}
	return 1
}

func largest(v []float64) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}

func float32s(t *tensor.Tensor) []float64 {
	out := make([]float64, len(t.Data)/4)
	for i := range out {
		out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:])))
	}
	return out
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
