package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"assay/backend"
	"assay/backend/ort"
	"assay/backend/ort/install"
	"assay/backend/ort/install/installtest"
	"assay/dataset"
	"assay/onnx"
	"assay/results"
)

// openRuntime loads the installed ONNX Runtime once: a process has one.
var openRuntime = sync.OnceValues(func() (backend.Backend, error) {
	dir, err := install.DefaultDir()
	if err != nil {
		return nil, err
	}
	lib, err := install.Find(dir, "cpu")
	if err != nil {
		return nil, err
	}
	return ort.Open(ort.Config{Library: lib.Path, SHA256: lib.SHA256})
})

// TestEveryPublishedModelTakesGeneratedInputs runs each model on what is generated for it, at batch 1 and, where its batch axis is open,
// at batch 3.
func TestEveryPublishedModelTakesGeneratedInputs(t *testing.T) {
	dir := os.Getenv("ASSAY_SHARED_DATA")
	if dir == "" {
		dir = "../../shared/data"
	}
	files, _ := filepath.Glob(filepath.Join(dir, "models", "*.onnx"))
	if len(files) == 0 {
		t.Skipf("no published models in %s/models", dir)
	}
	runtime, err := openRuntime()
	installtest.SkipMissing(t, err)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, err := runtime.Open(t.Context(), file, backend.Options{IntraOpThreads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			m, err := onnx.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			batches := []int{1}
			for _, v := range s.Inputs() {
				if len(v.Dims) > 0 && v.Dims[0].Size < 0 {
					batches = []int{1, 3}
				}
			}
			for _, batch := range batches {
				var in results.Input
				if batch > 1 && filepath.Base(file) == "vespa_random_decoder.onnx" {
					// It adds its causal mask across the batch, so it runs where the batch is 1 or equals the target's length.
					in.Dims = map[string]int64{"target_tokens": int64(batch)}
				}
				feeds, described, err := dataset.Feeds(s.Inputs(), in, batch, 1, m.InputHint)
				if err != nil {
					t.Fatal(err)
				}
				outputs, err := s.Run(t.Context(), feeds[0])
				if err != nil {
					t.Fatalf("batch %d: %v\n%s", batch, err, fmt.Sprint(described))
				}
				t.Logf("batch %d: %s", batch, strings.ReplaceAll(fmt.Sprint(described), "generated: ", ""))
				if ids := described["input_ids"]; strings.HasPrefix(filepath.Base(file), "tiny_gpt2") && !strings.Contains(ids, "uniform in 0..999") {
					t.Errorf("the model shows a vocabulary of 1000, and its ids are %s", ids)
				}
				if first := outputs[0].Tensor; batch > 1 && first != nil && (len(first.Shape) == 0 || first.Shape[0] != int64(batch)) {
					t.Errorf("batch %d: the first output is %v", batch, first.Shape)
				}
			}
		})
	}
}
