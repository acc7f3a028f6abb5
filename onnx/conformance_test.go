package onnx

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// backendModels hands out the models of the ONNX backend tests.
func backendModels(t *testing.T, use func(name string, file []byte)) {
	t.Helper()
	dir := os.Getenv("ASSAY_SHARED_DATA")
	if dir == "" {
		dir = "../../shared/data"
	}
	f, err := os.Open(filepath.Join(dir, "onnx-backend-tests-v1.22.0.tar.gz"))
	if err != nil {
		t.Skipf("the ONNX backend tests are not there: %v", err)
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(zipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".onnx") {
			continue
		}
		file, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		use(h.Name, file)
	}
}

// Every operator's test model passes the check, opens to what was saved, and is sorted already.
func TestBackendModels(t *testing.T) {
	count := 0
	backendModels(t, func(name string, file []byte) {
		count++
		m, err := Parse(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := Parse(saved(t, m))
		if err != nil || len(all(again)) != len(all(m)) {
			t.Errorf("%s: saved and opened: %v", name, err)
		}
	})
	t.Logf("%d models", count)
	if count < 1000 {
		t.Errorf("only %d models", count)
	}
}
