// Schemetable quantizes every model of a folder by every scheme and prints a Markdown table of what became of it: how near the outputs
// are to the original's and how large the file is, or why the scheme was refused. Examples are generated from the models' input types.
//
//	go run ./internal/schemetable -assay bin/assay -library $(bin/assay runtime path) MODEL...
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"assay/backend/ort"
	"assay/internal/madeup"
	"assay/onnx"
	"assay/quantize"
)

func main() {
	assay := flag.String("assay", "bin/assay", "the program")
	library := flag.String("library", "", "ONNX Runtime library")
	flag.Parse()
	if err := table(*assay, *library, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "schemetable:", err)
		os.Exit(1)
	}
}

// table prints the rows of all models, and then the reasons of refusals, numbered.
func table(assay, library string, models []string) error {
	if len(models) == 0 {
		return errors.New("name the models")
	}
	b, err := ort.Open(ort.Config{Library: library})
	if err != nil {
		return err
	}
	defer b.Close()
	dir, err := os.MkdirTemp("", "schemetable")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("| model | opset | %s |\n| --- | ---: |%s\n", strings.Join(quantize.Schemes, " | "), strings.Repeat(" --- |", len(quantize.Schemes)))
	var reasons []string
	for _, model := range models {
		examples := filepath.Join(dir, "examples.npz")
		if err := madeup.WriteExamples(context.Background(), b, model, examples, 8); err != nil {
			return fmt.Errorf("%s: %w", model, err)
		}
		cells := []string{strings.TrimSuffix(filepath.Base(model), ".onnx"), opset(model)}
		for _, scheme := range quantize.Schemes {
			cell, reason := try(assay, model, scheme, examples, filepath.Join(dir, "out.onnx"))
			if reason != "" {
				cell = fmt.Sprintf("refused (%d)", note(&reasons, reason))
			}
			cells = append(cells, cell)
		}
		fmt.Printf("| %s |\n", strings.Join(cells, " | "))
	}
	fmt.Println()
	for i, reason := range reasons {
		fmt.Printf("%d. %s\n", i+1, reason)
	}
	return nil
}

// note gives a reason its number; equal reasons share one.
func note(reasons *[]string, reason string) int {
	for i, r := range *reasons {
		if r == reason {
			return i + 1
		}
	}
	*reasons = append(*reasons, reason)
	return len(*reasons)
}

func opset(model string) string {
	m, err := onnx.Open(model)
	if err != nil {
		return "?"
	}
	defer m.Close()
	return fmt.Sprint(m.Opset(""))
}

// try makes one variant and says how near and how large it is, or why it was refused.
func try(assay, model, scheme, examples, out string) (cell, refused string) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(assay, "quantize", model, "-o", out, "--scheme", scheme, "--calibration", examples, "--json")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		reason := strings.TrimPrefix(lines[len(lines)-1], "assay: ")
		return "", strings.ReplaceAll(reason, "model "+model+": ", "")
	}
	var r quantize.Result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		return "", err.Error()
	}
	near := "equal"
	if r.Quality.SQNR != nil {
		near = fmt.Sprintf("%.1f dB", *r.Quality.SQNR)
	}
	return fmt.Sprintf("%s, x%.2f", near, float64(r.Bytes.After)/float64(r.Bytes.Before)), ""
}
