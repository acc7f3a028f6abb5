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
	what := flag.String("what", "speed", "speed: time and memory; error: distance from the original's outputs; examples: write those of MODEL to FILE")
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
	if what == "examples" && len(models) == 2 {
		return writeExamples(library, models[0], models[1])
	}
	table, known := map[string]func([]string) error{"speed": p.speed, "error": p.error}[what]
	switch {
	case !known:
		return fmt.Errorf("-what %q: want speed or error", what)
	case len(models) == 0:
		return errors.New("name the models")
	case p.python == "":
		return errors.New("give -python, an interpreter with onnxruntime")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "quantizepeer"); err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	for _, model := range models {
		// In a process of its own: Linux counts the memory of the process that starts another into the peak of that.
		if _, err := measure([]string{self, "-library", library, "-what", "examples", model, p.examples(model)}); err != nil {
			return err
		}
	}
	return table(models)
}

func writeExamples(library, model, path string) error {
	b, err := ort.Open(ort.Config{Library: library})
	if err != nil {
		return err
	}
	defer b.Close()
	return madeup.WriteExamples(context.Background(), b, model, path, examples)
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
