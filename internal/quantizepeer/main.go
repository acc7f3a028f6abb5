// Quantizepeer measures `assay quantize` beside onnxruntime.quantization, each as a whole process on the same models and examples, in
// alternation: time and memory, or how near the outputs are to the original's. It prints Markdown tables. The reference runs in a Python
// environment that testdata/quantize/peer.py describes.
//
//	go run ./internal/quantizepeer -assay bin/assay -python VENV/bin/python -library $(bin/assay runtime path) MODEL...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"assay/backend/ort"
	"assay/internal/madeup"
)

// examples is how many a model is calibrated on and compared on.
const examples = 16

// peers are the two tools and where they work.
type peers struct {
	assay, python, script string
	dir                   string
	rounds                int
	ways                  *regexp.Regexp // those of error
}

func main() {
	p := peers{}
	flag.StringVar(&p.assay, "assay", "bin/assay", "the program")
	flag.StringVar(&p.python, "python", "", "interpreter with onnxruntime, of the versions in the script")
	flag.StringVar(&p.script, "script", "testdata/quantize/peer.py", "the reference as a program")
	library := flag.String("library", "", "ONNX Runtime library")
	what := flag.String("what", "speed", "speed: time and memory; error: distance from the original's outputs")
	ways := flag.String("ways", "", "for error: only the ways whose names match this regular expression")
	flag.IntVar(&p.rounds, "rounds", 5, "times that each is run for speed")
	flag.Parse()
	p.ways = regexp.MustCompile(*ways)
	if err := p.run(*library, *what, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "quantizepeer:", err)
		os.Exit(1)
	}
}

func (p *peers) run(library, what string, models []string) error {
	table, known := map[string]func([]string) error{"speed": p.speed, "error": p.error}[what]
	switch {
	case !known:
		return fmt.Errorf("-what %q: want speed or error", what)
	case len(models) == 0:
		return errors.New("name the models")
	case p.python == "":
		return errors.New("give -python, an interpreter with onnxruntime")
	}
	b, err := ort.Open(ort.Config{Library: library})
	if err != nil {
		return err
	}
	defer b.Close()
	if p.dir, err = os.MkdirTemp("", "quantizepeer"); err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	for _, model := range models {
		if err := madeup.WriteExamples(context.Background(), b, model, p.examples(model), examples); err != nil {
			return fmt.Errorf("%s: %w", model, err)
		}
	}
	return table(models)
}

func name(model string) string { return strings.TrimSuffix(filepath.Base(model), ".onnx") }

// file is a file of ours about a model.
func (p *peers) file(model, suffix string) string { return filepath.Join(p.dir, name(model)+suffix) }

func (p *peers) examples(model string) string { return p.file(model, ".npz") }

// ours and reference are command lines that quantize a model to a file.
func (p *peers) ours(model, out string, flags ...string) []string {
	return append([]string{p.assay, "quantize", model, "-o", out}, flags...)
}

func (p *peers) reference(model, out string, flags ...string) []string {
	return append([]string{p.python, p.script, model, out}, flags...)
}
