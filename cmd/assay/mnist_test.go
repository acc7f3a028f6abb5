package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"assay/results"
	"assay/tensor"
)

// sharedData is the folder of published models and data beside the checkout.
func sharedData(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ASSAY_SHARED_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	if _, err := os.Stat(filepath.Join(dir, "models")); err != nil {
		t.Skipf("no published models and data beside the checkout: %v", err)
	}
	return dir
}

// idx reads a gzipped idx file of bytes (the MNIST format): its dimensions and its content.
func idx(t *testing.T, path string) (dims []int64, data []byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	rank := int(all[3])
	for i := range rank {
		dims = append(dims, int64(binary.BigEndian.Uint32(all[4+4*i:])))
	}
	return dims, all[4+4*rank:]
}

// mnistImages reads the first count test images as raw pixels, and their labels.
func mnistImages(t *testing.T, shared string, count int64) (x, y *tensor.Tensor) {
	t.Helper()
	dims, pixels := idx(t, filepath.Join(shared, "mnist/t10k-images-idx3-ubyte.gz"))
	_, labels := idx(t, filepath.Join(shared, "mnist/t10k-labels-idx1-ubyte.gz"))
	x = &tensor.Tensor{DType: tensor.Float32, Shape: []int64{count, 1, dims[1], dims[2]}}
	for _, p := range pixels[:count*dims[1]*dims[2]] {
		x.Data = binary.LittleEndian.AppendUint32(x.Data, math.Float32bits(float32(p)))
	}
	return x, &tensor.Tensor{DType: tensor.Uint8, Shape: []int64{count}, Data: labels[:count]}
}

// mnistAccuracy scores a model on the 10,000 test images.
func mnistAccuracy(t *testing.T, shared, model string) float64 {
	t.Helper()
	x, y := mnistImages(t, shared, 10000)
	file := filepath.Join(t.TempDir(), "mnist.npz")
	if err := tensor.WriteNPZ(file, []string{"Input3", "y"}, map[string]*tensor.Tensor{"Input3": x, "y": y}); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run([]string{"bench", model, "--dataset", file, "--label", "y", "--metrics", "accuracy", "--fast",
		"--json", "--out", filepath.Join(t.TempDir(), "run")}, nil, &stdout, &stderr)
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	var rep results.Report
	if err := json.Unmarshal(stdout.Bytes(), &rep); err != nil {
		t.Fatal(err)
	}
	m := rep.Arms[0].Metrics["quality.accuracy"]
	if m.N != 10000 {
		t.Errorf("%d examples, want 10000", m.N)
	}
	return m.Value
}

// TestMNISTAccuracy scores the published mnist model on the 10,000 test images: 9,891 are right on raw pixels.
func TestMNISTAccuracy(t *testing.T) {
	shared := sharedData(t)
	if a := mnistAccuracy(t, shared, filepath.Join(shared, "models/mnist.onnx")); a != 0.9891 {
		t.Errorf("accuracy %v, want 0.9891", a)
	}
}

// TestMNISTQuantizedAccuracy quantizes the published model, which is of opset 8, with the defaults and 200 of the test images, and wants
// 9,880 of the 10,000 right.
func TestMNISTQuantizedAccuracy(t *testing.T) {
	shared := sharedData(t)
	x, _ := mnistImages(t, shared, 200)
	dir := t.TempDir()
	examples, out := filepath.Join(dir, "examples.npz"), filepath.Join(dir, "mnist.int8.onnx")
	if err := tensor.WriteNPZ(examples, []string{"Input3"}, map[string]*tensor.Tensor{"Input3": x}); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run([]string{"quantize", filepath.Join(shared, "models/mnist.onnx"), "-o", out, "--calibration", examples, "--examples", "200", "--json"}, nil, &stdout, &stderr)
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	a := mnistAccuracy(t, shared, out)
	t.Logf("accuracy %v", a)
	if a < 0.988 {
		t.Errorf("accuracy %v, want at least 0.988\n%s", a, stdout.String())
	}
}
