//go:build cgo && linux

package quantize

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"assay/backend"
	"assay/onnx"
	"assay/onnx/onnxpb"
	"assay/tensor"
)

const (
	mebibyte = 1 << 20
	// childEnv tells the test binary to quantize alone: MODEL,OUT,SCHEME.
	childEnv = "ASSAY_TEST_QUANTIZE"
	wide     = 16384
	narrow   = 1280
	pairs    = 9
)

// largeModel writes a model of 2 GB beside its weights: a product of 512 MiB, and pairs of 80 MiB. The largest and the first pair hold random numbers,
// the rest is a hole in the file; so are they where filled is false.
func largeModel(t testing.TB, dir string, filled bool) (path string, random []string, largest int64) {
	t.Helper()
	n := newNetwork(17).input("x", 1, 8192)
	data, err := os.Create(filepath.Join(dir, "weights.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	var offset int64
	add := func(name string, rows, columns int64, numbers bool) {
		size := 4 * rows * columns
		if filled && numbers {
			random = append(random, name)
			fill(t, data, offset, size)
		}
		n.model.Graph.Initializer = append(n.model.Graph.Initializer, &onnxpb.TensorProto{Name: name, DataType: int32(tensor.Float32), Dims: []int64{rows, columns},
			DataLocation: onnxpb.TensorProto_EXTERNAL, ExternalData: []*onnxpb.StringStringEntryProto{{Key: "location", Value: "weights.bin"},
				{Key: "offset", Value: strconv.FormatInt(offset, 10)}, {Key: "length", Value: strconv.FormatInt(size, 10)}}})
		offset += size
		largest = max(largest, size)
	}
	add("first", 8192, wide, true)
	n.node("MatMul x first > y0")
	for i := range pairs {
		down, up := fmt.Sprint("down", i), fmt.Sprint("up", i)
		add(down, wide, narrow, i == 0)
		add(up, narrow, wide, i == 0)
		n.node(fmt.Sprintf("MatMul y%d %s > z%d", i, down, i)).node(fmt.Sprintf("MatMul z%d %s > y%d", i, up, i+1))
	}
	n.output(fmt.Sprint("y", pairs), 1, wide)
	if err := data.Truncate(offset); err != nil {
		t.Fatal(err)
	}
	if offset < 2e9 {
		t.Fatalf("the model has %d bytes of weights", offset)
	}
	text, err := proto.Marshal(n.model)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "large.onnx")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, random, largest
}

// fill writes seeded random numbers.
func fill(t testing.TB, f *os.File, offset, size int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(offset), 5))
	chunk := make([]byte, mebibyte)
	for at := int64(0); at < size; at += int64(len(chunk)) {
		chunk = chunk[:min(int64(len(chunk)), size-at)]
		for i := 0; i < len(chunk); i += 4 {
			binary.LittleEndian.PutUint32(chunk[i:], math.Float32bits(float32(int32(rng.Uint32())>>8)/(1<<23)))
		}
		if _, err := f.WriteAt(chunk, offset+at); err != nil {
			t.Fatal(err)
		}
	}
}

// peakResident is the most memory that this process has had, in bytes.
func peakResident() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kib << 10, err
}

// TestQuantizeAlone is what a child of the test below does.
func TestQuantizeAlone(t *testing.T) {
	words := strings.Split(os.Getenv(childEnv), ",")
	if len(words) != 3 {
		t.Skip("run by TestLargeModelTakesTheMemoryOfOneTensor")
	}
	q := Request{Model: words[0], Out: words[1], Options: Options{Scheme: words[2], Prepare: true}}
	res, err := Make(t.Context(), loaded(t), q)
	if err != nil {
		t.Fatal(err)
	}
	peak, err := peakResident()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("peak %d seconds %.2f\n", peak, res.Seconds.Quantize)
}

// The child quantizes and loads the result at every level, as it always does; the model is loaded here once more as users load it.
func TestLargeModelTakesTheMemoryOfOneTensor(t *testing.T) {
	if os.Getenv("ASSAY_LONG") == "" {
		t.Skip("writes 3 GB; set ASSAY_LONG=1")
	}
	dir := t.TempDir()
	model, random, largest := largeModel(t, dir, true)
	for _, scheme := range []string{SchemeInt4Weight, SchemeInt8Weight} {
		out := filepath.Join(dir, scheme+".onnx")
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestQuantizeAlone$", "-test.v")
		child.Env = append(os.Environ(), childEnv+"="+model+","+out+","+scheme)
		text, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		var peak int64
		var seconds float64
		_, figures, _ := strings.Cut(string(text), "peak ")
		if _, err := fmt.Sscanf(figures, "%d seconds %f", &peak, &seconds); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		t.Logf("%s: peak resident memory %d MiB, the largest tensor %d MiB, %.1f s", scheme, peak/mebibyte, largest/mebibyte, seconds)
		if peak > largest+200e6 {
			t.Errorf("%s: peak resident memory %d, more than the largest tensor, %d, and 200 MB", scheme, peak, largest)
		}
		compareBlocks(t, model, out, random)
		s, err := loaded(t).Open(t.Context(), out, backend.Options{Provider: backend.Provider{Name: "cpu"}})
		if err != nil {
			t.Fatalf("%s does not load: %v", scheme, err)
		}
		s.Close()
	}
}

// BenchmarkOpenLarge is what the walk over a model of 2 GB takes: its weights beside it, and in its own file, where they are skipped.
func BenchmarkOpenLarge(b *testing.B) {
	if os.Getenv("ASSAY_LONG") == "" {
		b.Skip("writes 2 GB; set ASSAY_LONG=1")
	}
	apart, _, _ := largeModel(b, b.TempDir(), false)
	m, err := onnx.Open(apart)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	whole := filepath.Join(b.TempDir(), "whole.onnx")
	if err := m.SaveDraft(whole, onnx.ExternalNever); err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{"beside": apart, "in one file": whole} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m, err := onnx.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				tensors := 0
				m.EachTensor(func(*onnxpb.TensorProto) { tensors++ })
				if tensors != 1+2*pairs {
					b.Fatalf("%d tensors", tensors)
				}
				m.Close()
			}
		})
	}
}

// compareBlocks compares the weights named with the formula, worked out plainly.
func compareBlocks(t *testing.T, model, out string, names []string) {
	t.Helper()
	a, err := onnx.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := onnx.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	bits := 4
	if b.Initializer(names[0]+"_Q8") != nil {
		bits = 8
	}
	for _, name := range names {
		source := a.Initializer(name)
		values, err := a.Float32s(source)
		if err != nil {
			t.Fatal(err)
		}
		made := map[string][]byte{}
		for _, suffix := range []string{fmt.Sprint("_Q", bits), "_scales", "_zero_points"} {
			v, err := b.Tensor(b.Initializer(name + suffix))
			if err != nil {
				t.Fatal(err)
			}
			made[suffix] = v.Data
		}
		codes, scales, zeros := plainBlocks(values, int(source.Dims[0]), int(source.Dims[1]), bits)
		if !bytes.Equal(codes, made[fmt.Sprint("_Q", bits)]) || !bytes.Equal(floatBytes(scales), made["_scales"]) || !bytes.Equal(zeros, made["_zero_points"]) {
			t.Errorf("%s at %d bits has other blocks than the formula gives", name, bits)
		}
	}
}

// plainBlocks is the formula for asymmetric blocks of 32 down the columns, an even number of them, as one would write it down.
func plainBlocks(values []float32, rows, columns, bits int) (codes []byte, scales []float32, zeros []byte) {
	const block = 32
	top := float64(int(1)<<bits - 1)
	blocks := rows / block
	codes, scales, zeros = make([]byte, columns*rows*bits/8), make([]float32, columns*blocks), make([]byte, columns*blocks*bits/8)
	put := func(packed []byte, i int, q float64) {
		if bits == 8 {
			packed[i] = byte(q)
		} else {
			packed[i/2] |= byte(q) << (4 * (i % 2))
		}
	}
	for n := range columns {
		for b := range blocks {
			low, high := float32(0), float32(0)
			for k := b * block; k < (b+1)*block; k++ {
				low, high = min(low, values[k*columns+n]), max(high, values[k*columns+n])
			}
			scale := (high - low) / float32(top)
			inverse := 1 / scale
			zero := math.Round(float64(-low / scale))
			scales[n*blocks+b] = scale
			put(zeros, n*blocks+b, zero)
			for k := b * block; k < (b+1)*block; k++ {
				y := float32(values[k*columns+n]*inverse) + float32(zero)
				put(codes, n*rows+k, min(max(math.Round(float64(y)), 0), top))
			}
		}
	}
	return codes, scales, zeros
}
