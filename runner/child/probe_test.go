package child

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/backend"
	"assay/backend/null"
	"assay/results"
	"assay/tensor"
)

// TestAProbeTellsItsPhases: one that hangs is then known to hang in the first inference.
func TestAProbeTellsItsPhases(t *testing.T) {
	model := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(model, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tools := Tools{
		Open: func(Config) (backend.Backend, error) { return null.Backend{}, nil },
		Feeds: func(string, []backend.ValueInfo, results.Input, int, uint64) ([][]tensor.Value, map[string]string, error) {
			return [][]tensor.Value{nil}, nil, nil
		},
	}
	var events bytes.Buffer
	if _, err := runProbe(t.Context(), Config{Model: model, Batches: []int{1}}, tools, newReporter(&events)); err != nil {
		t.Fatal(err)
	}
	session, first := strings.Index(events.String(), `"session"`), strings.Index(events.String(), `"first"`)
	if session < 0 || first < session {
		t.Errorf("events: %s", events.String())
	}
}
