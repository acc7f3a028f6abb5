package main

import (
	"os"
	"path/filepath"
	"testing"

	"assay/backend/null"
)

// nullModel writes a file that plants options for provider null.
func nullModel(t *testing.T, options string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, []byte(null.Magic+" "+options+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
