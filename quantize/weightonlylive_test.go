//go:build cgo && linux

package quantize

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/onnx"
	"assay/onnx/onnxpb"
)

// liveBlocks is what testdata/quantize/weightonlylive.py says of one way to quantize a model.
type liveBlocks struct {
	Form, Method string
	Bits, Block  int
	Symmetric    bool
	Nodes        map[string]struct { // by the output of what is computed with a weight
		Op    string
		Parts []string // SHA-256 of codes, scales and zero points
		Error float64  // squared, of kquant
	}
}

// The reference's blocked weights of every published model are ours, byte by byte. Meant to differ are: weights that blocks would make larger, which
// stay float here; Gemm, which it leaves as it is; what is constant but no initializer, which it does not see; and k-quant, whose trial scales and zero
// points are ours: it must not be further from the weights.
func TestWeightOnlyReferenceLive(t *testing.T) {
	python := os.Getenv("ASSAY_PYTHON")
	if os.Getenv("ASSAY_LONG") == "" || python == "" {
		t.Skip("a long check: ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python, see testdata/quantize/weightonly.py")
	}
	compared := map[string]int{}
	some := cmp.Or(os.Getenv("ASSAY_MODELS"), "*")
	for _, path := range chosenModels(t, some) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if holdsHalves(opened(t, path)) {
				t.Skip("it holds float16, which assay leaves as it is")
			}
			out := filepath.Join(t.TempDir(), "reference.json")
			if text, err := exec.CommandContext(t.Context(), python, filepath.Join(goldenDir, "weightonlylive.py"), path, out).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			text, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			var cases []liveBlocks
			if err := json.Unmarshal(text, &cases); err != nil {
				t.Fatal(err)
			}
			for _, c := range cases {
				c.compare(t, path, compared)
			}
		})
	}
	t.Logf("weights compared: %v", compared)
	if some == "*" && len(compared) < 5 {
		t.Errorf("compared are %v; want MatMulNBits, GatherBlockQuantized, DequantizeLinear, kquant and those that stay float", compared)
	}
}

// compare quantizes the model as the reference did, and counts weights that were compared.
func (c *liveBlocks) compare(t *testing.T, path string, compared map[string]int) {
	t.Helper()
	name := fmt.Sprintf("%s %s, %d bits, blocks of %d, symmetric %v", c.Form, c.Method, c.Bits, c.Block, c.Symmetric)
	o := Options{Scheme: SchemeInt4Weight, Form: c.Form, WeightMethod: c.Method, Block: c.Block, Symmetric: c.Symmetric, OpTypes: []string{"MatMul"}}
	if c.Bits == 8 {
		o.Scheme = SchemeInt8Weight
	} else if c.Form == FormNBits {
		o.OpTypes = append(o.OpTypes, "Gather")
	}
	m := opened(t, path)
	j, err := newWeightOnly(m, o)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	left := map[string]string{} // why a node stays float, by its output
	for _, n := range m.Proto.Graph.Node {
		for _, l := range j.counts().LeftFloat {
			if l.Node == nodeName(n) {
				left[n.Output[0]] = l.Why
			}
		}
	}
	if j.nothing() == "" {
		if err := j.rewrite(&Result{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	ours := blockedReaders(m)
	for output, want := range c.Nodes {
		got := ours[output]
		switch {
		case got == nil && strings.Contains(left[output], fmt.Sprintf("in blocks of %d", c.Block)):
			compared["larger in blocks"]++
		case got == nil || got.op != want.Op:
			t.Errorf("%s: what gives %s is quantized by the reference alone: %s", name, output, left[output])
		case c.Method == WeightKQuant:
			compared["kquant"]++
			if e := got.squaredError(t, m, c.float(t, path, output), c.Block); e > want.Error*1.0001 {
				t.Errorf("%s: the squared error of the weight of %s is %g, and the reference's %g", name, output, e, want.Error)
			}
		default:
			compared[want.Op]++
			for i, part := range want.Parts {
				if sum := fmt.Sprintf("%x", sha256.Sum256(got.part(t, m, i))); sum != part {
					t.Errorf("%s: part %d of the weight of %s has other bytes", name, i, output)
				}
			}
		}
	}
}

// float are the values of the weight of the product that gives output, by rows.
func (c *liveBlocks) float(t *testing.T, path, output string) []float32 {
	t.Helper()
	m := opened(t, path)
	for _, n := range m.Proto.Graph.Node {
		if n.Output[0] == output {
			values, err := m.Float32s(m.Initializer(n.Input[1]))
			if err != nil {
				t.Fatal(err)
			}
			return values
		}
	}
	t.Fatalf("nothing gives %s", output)
	return nil
}

// blockedReader is a node that reads a blocked weight: its codes, scales and zero points.
type blockedReader struct {
	op    string
	parts []string
}

// blockedReaders finds them by the output of what is computed with the weight.
func blockedReaders(m *onnx.Model) map[string]*blockedReader {
	out, products := map[string]*blockedReader{}, map[string]*onnxpb.NodeProto{}
	for _, n := range m.Proto.Graph.Node {
		if n.OpType == "MatMul" {
			products[n.Input[1]] = n
		}
	}
	for _, n := range m.Proto.Graph.Node {
		switch n.OpType {
		case "MatMulNBits":
			out[n.Output[0]] = &blockedReader{n.OpType, n.Input[1:]}
		case "GatherBlockQuantized":
			out[n.Output[0]] = &blockedReader{n.OpType, append([]string{n.Input[0]}, n.Input[2:]...)}
		case "DequantizeLinear":
			if p := products[n.Output[0]]; p != nil {
				out[p.Output[0]] = &blockedReader{n.OpType, n.Input}
			}
		}
	}
	return out
}

// part is the data of one of the parts, nil where there is none.
func (r *blockedReader) part(t *testing.T, m *onnx.Model, i int) []byte {
	t.Helper()
	if i >= len(r.parts) {
		return nil
	}
	data, err := m.Tensor(m.Initializer(r.parts[i]))
	if err != nil {
		t.Fatal(err)
	}
	return data.Data
}

// squaredError is that of codes of 4 bits with zero points, beside the values that they stand for.
func (r *blockedReader) squaredError(t *testing.T, m *onnx.Model, values []float32, block int) (sum float64) {
	t.Helper()
	codes, scales, zeros := r.part(t, m, 0), r.part(t, m, 1), r.part(t, m, 2)
	columns := int(m.Initializer(r.parts[1]).Dims[0])
	rows, blocks := len(values)/columns, len(scales)/4/columns
	nibble := func(b []byte, i int) int { return int(b[i/2]>>(4*(i%2))) & 15 }
	for k := range columns {
		zero := zeros[k*len(zeros)/columns:]
		for i := range rows {
			at := k*blocks + i/block
			scale := math.Float32frombits(binary.LittleEndian.Uint32(scales[4*at:]))
			x := float64(nibble(codes, k*blocks*block+i)-nibble(zero, i/block)) * float64(scale)
			d := x - float64(values[i*columns+k])
			sum += d * d
		}
	}
	return sum
}
