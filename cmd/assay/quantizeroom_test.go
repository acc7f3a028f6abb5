//go:build cgo && linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/backend/ort/install/installtest"
)

// TestQuantizeWithoutRoom: temporary files that cannot be written whole, by this program or by the runtime, which does not say why, are blamed on no
// model. A limit on the size of files stands in for a disk that becomes full in the middle.
func TestQuantizeWithoutRoom(t *testing.T) {
	_, err := libraryFinder("")([]string{"cpu"})
	installtest.SkipMissing(t, err)
	digits, err := filepath.Abs("../../testdata/digits")
	if err != nil {
		t.Fatal(err)
	}
	calibration := []string{"--calibration", filepath.Join(digits, "calib.npz")}
	for name, c := range map[string]struct {
		args []string
		kib  []int // of the largest file that can be written
	}{
		"folded":     {calibration, []int{4, 40, 70}},
		"calibrated": {append([]string{"--prepare", "never"}, calibration...), []int{20, 60}},
		"ranked":     {append([]string{"--sensitivity"}, calibration...), []int{16, 40}},
		"tried":      {[]string{"--prepare", "never", "--scheme", "int8-dynamic", "--op-types", "Conv,Gemm"}, []int{24}},
		"halved":     {[]string{"--scheme", "fp16", "--prepare", "never"}, []int{20, 44, 70}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kib := range c.kib {
				temporary, out := t.TempDir(), filepath.Join(t.TempDir(), "out.onnx")
				args := append([]string{"quantize", filepath.Join(digits, "student.onnx"), "-o", out}, c.args...)
				cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-c", fmt.Sprintf(`ulimit -f %d; exec "$0" "$@"`, kib), os.Args[0]}, args...)...)
				cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+temporary)
				text, _ := cmd.CombinedOutput()
				want := fmt.Sprintf("file too large; temporary files are in %s: make room there, or set TMPDIR to another folder\n", temporary)
				if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.HasSuffix(string(text), want) || strings.Contains(string(text), "does not work") {
					t.Errorf("%d KiB: exit %d, %s", kib, code, text)
				}
				if left := listing(t, temporary) + listing(t, filepath.Dir(out)); left != "" {
					t.Errorf("%d KiB: left %s", kib, left)
				}
			}
		})
	}
}
