//go:build cgo && linux

package ort

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
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

// openError finds the runtime's own words in the binding's error and gives them their code.
func openError(path string, err error, log string) error {
	message := err.Error()
	for _, prefix := range []string{"Error creating C session from file: ", "Error creating session: ", "Error creating C session: "} {
		message = strings.TrimPrefix(message, prefix)
	}
	message = strings.TrimSpace(message)
	if i := strings.Index(message, " failed:"); strings.HasPrefix(message, "Load model from") && i > 0 {
		message = strings.TrimSpace(message[i+len(" failed:"):])
	}
	e := &backend.Error{Op: "load " + path, Code: codeOf(message), Message: message}
	if e.Code == backend.CodeInvalidProtobuf {
		e.Message += "; the file is no ONNX model, or it is truncated"
	}
	if !strings.Contains(message, log) {
		e.Log = log
	}
	return e
}

// codes recognise what the binding drops: it keeps the message of a failed session and loses its code.
var codes = []struct {
	pattern *regexp.Regexp
	code    backend.Code
}{
	{regexp.MustCompile(`Protobuf parsing failed|does not have a graph`), backend.CodeInvalidProtobuf},
	{regexp.MustCompile(`Could not find an implementation for|is not implemented|not implemented`), backend.CodeNotImplemented},
	{regexp.MustCompile(`is not a registered function/op|No Op registered|No opset import|Opset \d+ is under development|unsupported|Unsupported`), backend.CodeNotImplemented},
	{regexp.MustCompile(`[Tt]his is an invalid model|invalid graph|Type Error|Node .* has .* inputs? .* expected|ShapeInferenceError|TypeInferenceError`), backend.CodeInvalidGraph},
	{regexp.MustCompile(`doesn't exist|No such file`), backend.CodeNoSuchFile},
}

func codeOf(message string) backend.Code {
	for _, c := range codes {
		if c.pattern.MatchString(message) {
			return c.code
		}
	}
	return backend.CodeFail
}
