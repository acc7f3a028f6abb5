package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"assay/backend/ort/install/installtest"
)

// examplesOf are the lines of a command's help that call the program, as words; what a shell would take for itself is cut off.
func examplesOf(example string) (lines [][]string) {
	for _, line := range strings.Split(example, "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "assay ") {
			continue
		}
		words := shellWords(line)
		if i := slices.Index(words, ">"); i >= 0 {
			words = words[:i]
		}
		lines = append(lines, words[1:])
	}
	return lines
}

// notRun are examples that need more than a folder with files: the network, a GPU's library, or the better part of a minute.
func notRun(words []string) bool {
	long := words[0] == "selftest" || words[0] == "capacity"
	return words[0] == "runtime" && (words[1] == "install" || slices.Contains(words, "--provider") || slices.Contains(words, "--variant")) || long && os.Getenv("ASSAY_LONG") == ""
}

// TestExamplesOfHelpRun runs the examples of every command's help in a folder that has the files they name. Measuring is cut short
// through the environment, as users can do it.
func TestExamplesOfHelpRun(t *testing.T) {
	_, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	examplesFolder(t)
	for name, value := range map[string]string{"ASSAY_DURATION": "20ms", "ASSAY_WARMUP": "5ms", "ASSAY_QUIET": "true"} {
		t.Setenv(name, value)
	}
	call := func(words ...string) {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.Command(os.Args[0], words...) // a process of its own, since one process loads one runtime
		cmd.Env, cmd.Stderr = append(os.Environ(), asProgram+"=1"), &stderr
		var exit *exec.ExitError
		code := exitPass
		if err := cmd.Run(); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if judges := words[0] == "gate" || words[0] == "check"; code != exitPass && !(judges && (code == exitGateFailed || code == exitInconclusive)) {
			t.Errorf("assay %s: exit %d: %s", strings.Join(words, " "), code, stderr.String())
		}
	}
	call("quantize", "model.onnx", "-o", "first.onnx", "--calibration", "calib.npz", "--save-ranges", "ranges.json")
	call("run", "testdata/digits/experiment.yaml", "--out", "assay-runs/demo")
	commands := visible(newRootCmd(&app{}))
	makers := []string{"init", "quantize", "bench", "run"} // of what others read
	slices.SortStableFunc(commands, func(a, b *cobra.Command) int { return rank(makers, a.Name()) - rank(makers, b.Name()) })
	ran := 0
	seen := map[string]bool{}
	for _, c := range commands {
		for _, words := range examplesOf(c.Example) {
			if line := strings.Join(words, " "); !seen[line] && !notRun(words) {
				seen[line] = true
				call(words...)
				ran++
			}
		}
	}
	if ran < 25 {
		t.Errorf("only %d examples ran", ran)
	}
}

func rank(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// examplesFolder makes the folder that the examples are typed in, and goes there.
func examplesFolder(t *testing.T) {
	t.Helper()
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	digits := filepath.Join(repo, "testdata", "digits")
	for name, from := range map[string]string{"model.onnx": "student.onnx", "calib.npz": "calib.npz", "examples.npz": "calib.npz", "testdata/digits/model.onnx": "student.onnx",
		"testdata/digits/calib.npz": "calib.npz"} {
		b, err := os.ReadFile(filepath.Join(digits, from))
		if err != nil {
			t.Fatal(err)
		}
		put(t, name, b)
	}
	put(t, "gates.yaml", []byte("gates: [{metric: latency.p50, arm: int8, at_most: 10s}]\n"))
	put(t, "testdata/digits/experiment.yaml", []byte(`name: digits
variants:
  fp32: {model: model.onnx}
  int8: {quantize: {from: fp32, scheme: int8-static, calibration: {dataset: calib}}}
datasets: {calib: {path: calib.npz, inputs: {image: x}, label: y}}
load: [{scenario: single-stream, duration: 20ms}]
design: {blocks: 2, warmup: 5ms}
gates: [{metric: latency.p50, arm: int8, at_most: 10s}]
`))
	cases := os.DirFS(filepath.Join(repo, "check", "testdata", "cases", "good"))
	if err := os.CopyFS("models/resnet50", cases); err != nil {
		t.Fatal(err)
	}
	put(t, "onnx-backend-tests.tar.gz", archive(t, cases))
}

func put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func archive(t *testing.T, files fs.FS) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	if err := w.AddFS(files); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
