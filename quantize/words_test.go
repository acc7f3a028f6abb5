package quantize

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestErrorsWithoutTemporaryPaths(t *testing.T) {
	t.Setenv("TMPDIR", "/var/tmp dir")
	for text, want := range map[string]string{
		"load /var/tmp dir/assay-quantize12/plain.onnx: Type Error":                     "load m.onnx: Type Error",
		"Load model from /var/tmp dir/assay-quantize12/quantized.onnx failed":           "Load model from the quantized model failed",
		"/var/tmp dir/assay-quantize12/assay-verify7/optimized.onnx: no such file":      "the optimised model: no such file",
		"open /var/tmp dir/assay-spool123: permission denied":                           "open a temporary file: permission denied",
		"open /var/tmp dir/mine.onnx, /home/assay-quantize1/plain.onnx: not rewritten.": "open /var/tmp dir/mine.onnx, /home/assay-quantize1/plain.onnx: not rewritten.",
	} {
		if got := withoutPaths(errors.New(text), "m.onnx").Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	err := withoutPaths(fmt.Errorf("write /var/tmp dir/assay-quantize12/plain.onnx: the disk is full; plain.onnx takes 9 bytes: %w", syscall.ENOSPC), "m.onnx")
	want := "write a temporary file: the disk is full; it takes 9 bytes: no space left on device; temporary files are in /var/tmp dir: make room there, or set TMPDIR to another folder"
	if err.Error() != want || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
}

// A runtime that could not write says only that; the disk says why. Files that were to be made where they were asked for are not in that folder.
func TestRoomForTemporaryFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	runtime := errors.New("Failed to write")
	if err := unwritten(runtime, os.TempDir()+"/a.onnx"); err != runtime {
		t.Errorf("with room: %v", err)
	}
	err := unwritten(runtime, "/dev/full")
	if !OutOfRoom(err) || !strings.HasSuffix(WhereRoom(err).Error(), "no space left on device; temporary files are in "+os.TempDir()+": make room there, or set TMPDIR to another folder") {
		t.Errorf("%v", err)
	}
	if err := (installing{syscall.ENOSPC}); WhereRoom(err) != error(err) {
		t.Errorf("%v", WhereRoom(err))
	}
}
