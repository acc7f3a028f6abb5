package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"assay/onnx"
	"assay/plan"
)

// newInitCmd writes a first experiment file for a model.
func newInitCmd(a *app) *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "init MODEL",
		Short: "Write a commented experiment file for a model",
		Long: `Writes an experiment that measures the model as it is, with what else could be said beside it, commented out: variants, loads,
quality, gates. assay plan takes the file at once.`,
		Example: `  assay init model.onnx
  assay init model.onnx -o nightly.yaml
  assay plan experiment.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(fmt.Errorf("want a model, got %d arguments; see `%s --help`", len(args), cmd.CommandPath()))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := starterFor(args[0], out)
			if err != nil {
				return usageError(err)
			}
			if err := writeNew(out, text, force); err != nil {
				return usageError(err)
			}
			_, err = fmt.Fprintf(a.stdout, "wrote %s; see what it would run with `assay plan %s`\n", out, out)
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "experiment.yaml", "the file to write")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file where there is one")
	return cmd
}

// starterFor describes a model's inputs in an experiment that is to stand at out.
func starterFor(model, out string) ([]byte, error) {
	m, err := onnx.Open(model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var inputs []plan.StarterInput
	batch := ""
	for _, v := range m.Info().Inputs {
		in := plan.StarterInput{Name: v.Name, Type: v.Type}
		var dims []string
		for i, d := range v.Dims {
			dims = append(dims, fmt.Sprint(d))
			symbol, open := d.(string)
			switch {
			case open && i == 0 && batch == "":
				batch = symbol
			case open && symbol != "?" && symbol != batch:
				in.Dims = append(in.Dims, symbol)
			}
		}
		if v.Dims != nil {
			in.Type += "[" + strings.Join(dims, " ") + "]"
		}
		inputs = append(inputs, in)
	}
	path, err := pathFrom(out, model)
	if err != nil {
		return nil, err
	}
	return plan.Starter(path, inputs), nil
}

// pathFrom is how a file at out names another file: relative to its own folder where that needs no way up, absolute otherwise.
func pathFrom(out, file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	folder, err := filepath.Abs(filepath.Dir(out))
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(folder, abs); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel), nil
	}
	return filepath.ToSlash(abs), nil
}

// writeNew writes a file that must not be there yet, unless force says that it may.
func writeNew(path string, text []byte, force bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; choose another file with -o, or replace it with --force", path)
	}
	if err != nil {
		return fmt.Errorf("write the experiment: %w", err)
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return fmt.Errorf("write the experiment: %w", err)
	}
	return f.Close()
}
