package quantize

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// The goldens are what onnxruntime.quantization makes of the same models and ranges; testdata/quantize/golden.py writes them.
const goldenDir = "../testdata/quantize"

func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldenDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func float(t *testing.T, text string) float32 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 32)
	if err != nil {
		t.Fatal(err)
	}
	return float32(v)
}

func floats(t *testing.T, texts []string) []float32 {
	t.Helper()
	out := make([]float32, len(texts))
	for i, s := range texts {
		out[i] = float(t, s)
	}
	return out
}
