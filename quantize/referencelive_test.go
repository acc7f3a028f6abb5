//go:build cgo && linux

package quantize

import (
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "keep what the reference makes of the models in testdata/quantize")

// live asks the reference itself: about every model, those whose names match ASSAY_MODELS, or where that holds a slash, those whose paths do.
// One model is prepared, asked about and compared at a time, so that the largest decides what memory it takes.
func (p *parity) live(t *testing.T) {
	python := os.Getenv("ASSAY_PYTHON")
	if os.Getenv("ASSAY_LONG") == "" || python == "" {
		t.Skipf("a long check: ASSAY_LONG=1 ASSAY_PYTHON=VENV/bin/python, see testdata/quantize/%s", p.script)
	}
	some := cmp.Or(os.Getenv("ASSAY_MODELS"), "*")
	paths := chosenModels(t, some)
	if some == "*" && len(paths) < 20 {
		t.Fatalf("only %d models", len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			prepared := filepath.Join(t.TempDir(), filepath.Base(path))
			if err := Prepare(t.Context(), loaded(t), path, prepared, p.options); err != nil {
				t.Skipf("it is not prepared: %v", err)
			}
			p.ask(t, python, prepared)
		})
	}
	for name, made := range p.made {
		if chosen, err := filepath.Match(some, name); err != nil || !chosen {
			continue
		}
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.Rename(made().save(t), path); err != nil {
				t.Fatal(err)
			}
			p.ask(t, python, path)
		})
	}
}

// ask has the reference quantize a prepared model, and compares.
func (p *parity) ask(t *testing.T, python, prepared string) {
	in, out := filepath.Dir(prepared), t.TempDir()
	if holdsHalves(opened(t, prepared)) {
		t.Skip("it holds float16, which assay leaves as it is")
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join(goldenDir, p.script), "--prepared", in, "--out", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	golden := filepath.Join(out, p.prefix+strings.TrimSuffix(filepath.Base(prepared), ".onnx")+".json")
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var g goldenModel
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", golden, err)
	}
	p.compare(t, g, prepared)
	if *update && slices.Contains(p.kept, g.Model) {
		if err := os.WriteFile(filepath.Join(goldenDir, filepath.Base(golden)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// chosenModels are the models of the repository and those published beside it whose names match a pattern, or what a pattern of paths matches.
func chosenModels(t *testing.T, pattern string) []string {
	t.Helper()
	dirs := []string{""}
	if !strings.Contains(pattern, "/") {
		dirs = []string{"../testdata/digits", filepath.Dir(modelFile(t, "mnist.onnx"))}
	}
	var out []string
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.DeleteFunc(found, func(path string) bool { return filepath.Ext(path) != ".onnx" })...)
	}
	return out
}
