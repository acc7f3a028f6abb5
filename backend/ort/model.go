//go:build cgo && linux

package ort

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"assay/backend"
)

// lookAtFile recognises files that the runtime would only call unparsable.
func lookAtFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &backend.Error{Op: "load " + path, Code: backend.CodeNoSuchFile, Message: "there is no such file"}
	}
	if err != nil {
		return fmt.Errorf("load the model: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("load the model: %w", err)
	}
	if info.IsDir() {
		return &backend.Error{Op: "load " + path, Code: backend.CodeInvalidArgument, Message: "it is a folder, not an ONNX file"}
	}
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0:
		return &backend.Error{Op: "load " + path, Code: backend.CodeInvalidProtobuf, Message: "the file is empty"}
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("load the model: %w", err)
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return &backend.Error{Op: "load " + path, Code: backend.CodeInvalidProtobuf, Message: "it is a git-LFS pointer, not the model; fetch the file with `git lfs pull`"}
	}
	return nil
}

// openError says what the runtime said of a model, without the binding's steps before it.
func openError(path string, code backend.Code, err error, log string) error {
	message := strings.TrimPrefix(err.Error(), "Error creating C session from file: ")
	if i := strings.Index(message, " failed:"); strings.HasPrefix(message, "Load model from") && i > 0 {
		message = message[i+len(" failed:"):]
	}
	message = plain(message)
	e := &backend.Error{Op: "load " + path, Code: code, Message: message}
	if code == backend.CodeInvalidProtobuf {
		e.Message += ": the file is no ONNX model, or it is truncated"
	}
	if strings.Contains(message, "is not a registered function/op") {
		e.Message += "; ONNX Runtime has no operator of that name and version, and operators of other libraries cannot be loaded"
	}
	if !strings.Contains(message, log) {
		e.Log = log
	}
	return e
}
