package child

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/backend"
	"assay/backend/null"
	"assay/results"
	"assay/tensor"
)

// withInputs is a null session that takes one input.
type withInputs struct{ backend.Session }

func (withInputs) Inputs() []backend.ValueInfo { return []backend.ValueInfo{{Name: "x"}} }

// TestInputsOfATrace: as many are made as a trace names, and where data have fewer the trace is refused with the line that asks for most.
func TestInputsOfATrace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(file, []byte("s,input\n0,3\n1,39\n2,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := 100
	tools := Tools{Feeds: func(_ string, _ []backend.ValueInfo, in results.Input, _ int, _ uint64) ([][]tensor.Value, map[string]string, error) {
		return make([][]tensor.Value, min(data, max(in.Different, 4))), nil, nil
	}}
	session, err := (null.Backend{}).Open(t.Context(), file, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Load: results.Load{Arrivals: "trace:" + file, Inputs: 40}}
	feeds, _, err := c.feeds(withInputs{session}, tools, 1)
	if err != nil || len(feeds) != 40 || c.enoughInputs(1, len(feeds)) != nil {
		t.Errorf("%d inputs, %v; want the 40 that are named", len(feeds), err)
	}
	data = 20
	feeds, _, _ = c.feeds(withInputs{session}, tools, 1)
	if err := c.enoughInputs(1, len(feeds)); err == nil || !strings.Contains(err.Error(), "line 3 asks for input 39, and there are 20, from 0 to 19") {
		t.Errorf("%d inputs, %v", len(feeds), err)
	}
	if err := c.enoughInputs(0, 1); err != nil {
		t.Errorf("a model without inputs: %v", err)
	}
}
