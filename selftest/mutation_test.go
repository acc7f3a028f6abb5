package selftest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestACopyThatMeasuresFromSendFails builds the generator with one line changed, so that a request counts from when it was sent, as most load
// generators have it, and runs the test of the planted stall on it: the test, which the package's own tests see pass, must fail.
func TestACopyThatMeasuresFromSendFails(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the generator again")
	}
	const honest, dishonest = "DueNS: rec.due - r.origin", "DueNS: rec.started - r.origin"
	dir := t.TempDir()
	replace := map[string]string{}
	for _, name := range sources(t, "../loadgen") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), honest) {
			continue
		}
		mutant := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(mutant, []byte(strings.ReplaceAll(string(text), honest, dishonest)), 0o600); err != nil {
			t.Fatal(err)
		}
		original, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		replace[original] = mutant
	}
	if len(replace) != 1 {
		t.Fatalf("the line that says from when a request counts stands in %d files; this test changes one", len(replace))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	const stall = "TestPlantedStallShowsInLatencyAndNotInService"
	out, err := exec.Command("go", "test", "-vet=off", "-overlay", file, "-run", "^"+stall+"$", "-v", "../loadgen").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--- FAIL: "+stall) {
		t.Errorf("measured from send, and the planted stall's test does not fail: %v\n%s", err, out)
	}
}

// sources are a package's files without its tests.
func sources(t *testing.T, dir string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if !strings.HasSuffix(f, "_test.go") {
			files = append(files, f)
		}
	}
	return files
}
