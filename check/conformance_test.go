//go:build cgo && linux

package check

import (
	"os"
	"path/filepath"
	"testing"

	"assay/backend/ort/install"
)

// The ONNX backend tests of v1.22.0 on ONNX Runtime 1.30.0: 1,705 passed when this was written. What does not pass is
// named by the runtime: newer operator sets, missing kernels, operators and locales, and a few outputs that differ.
const (
	conformanceCases = 1905
	conformanceFloor = 1690
)

// installed returns the CPU's library, or skips.
func installed(t *testing.T) install.Library {
	t.Helper()
	dir, err := install.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	library, err := install.Find(dir)
	if err != nil {
		t.Skip(err)
	}
	return library
}

func TestConformance(t *testing.T) {
	shared := os.Getenv("ASSAY_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared", "data")
	}
	archive := filepath.Join(shared, "onnx-backend-tests-v1.22.0.tar.gz")
	if _, err := os.Stat(archive); err != nil {
		t.Skipf("the ONNX backend tests are not there: %v", err)
	}
	library := installed(t)
	dir := t.TempDir()
	if err := Unpack(t.Context(), archive, dir); err != nil {
		t.Fatal(err)
	}
	cases, err := Discover(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != conformanceCases {
		t.Fatalf("%d cases, want %d", len(cases), conformanceCases)
	}
	s, err := Workers{Command: workerCommand(t, "ort", library.Path)}.RunAll(t.Context(), cases, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d passed, %d failed, %d unsupported, %d errors", s.Passed, s.Failed, s.Unsupported, s.Errors)
	if s.Passed < conformanceFloor {
		t.Errorf("%d cases passed, want at least %d", s.Passed, conformanceFloor)
	}
	if n := s.Passed + s.Failed + s.Unsupported + s.Errors; n != len(cases) || len(s.Cases) != n {
		t.Errorf("%d cases are counted, %d listed, of %d", n, len(s.Cases), len(cases))
	}
	for _, r := range s.Cases {
		if r.Status != Passed && r.Detail == "" {
			t.Errorf("%s is %s without a reason", r.Name, r.Status)
		}
		if r.Status == Failed || r.Status == Error {
			t.Logf("%s %s: %s", r.Status, r.Name, r.Detail)
		}
	}
}
