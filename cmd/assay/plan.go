package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"assay/dataset"
	"assay/plan"
	"assay/results"
)

// newPlanCmd prints what an experiment would run.
func newPlanCmd(a *app) *cobra.Command {
	var asJSON, schema bool
	var from string
	cmd := &cobra.Command{
		Use:   "plan EXPERIMENT.yaml",
		Short: "Print what an experiment would run, how long it takes and what it could see",
		Long: `Reads an experiment, reports every mistake in it with its line, and prints its arms and blocks, how long they take, and the smallest
effect that they could see: for a spread between trials of 0.5, 1, 2 and 4 %, or for that of an earlier run. It runs nothing.`,
		Example: `  assay plan testdata/digits/experiment.yaml
  assay plan testdata/digits/experiment.yaml --json
  assay plan --schema > experiment.schema.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 && !schema {
				return usageError(fmt.Errorf("want an experiment file, got %d arguments; see `%s --help`", len(args), cmd.CommandPath()))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if schema {
				return a.printSchema()
			}
			spec, err := readPlan(args[0])
			if err != nil {
				return err
			}
			return a.forecast(spec, from, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&from, "from", "", "a run (directory, name or latest) whose spread between trials is taken in place of supposed ones")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of experiment files, for editors")
	return cmd
}

// readPlan reads an experiment and expands it for this machine.
func readPlan(file string) (*results.Spec, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError(fmt.Errorf("read the experiment: %w", err))
	}
	e, err := plan.Parse(src, file)
	if err != nil {
		return nil, usageError(err)
	}
	spec, err := e.Resolve(plan.Host{Cores: usableCores(), BaseDir: filepath.Dir(file)})
	if err == nil {
		err = makeable(spec)
	}
	return spec, usageError(err)
}

// forecast prints what a resolved experiment would run; from names an earlier run, or is empty.
func (a *app) forecast(spec *results.Spec, from string, asJSON bool) error {
	var spreads []plan.Spread
	if from != "" {
		dir, err := findRun(from)
		if err != nil {
			return err
		}
		if spreads, err = plan.SpreadOf(results.Dir(dir)); err != nil {
			return usageError(fmt.Errorf("take the spread between trials: %w", err))
		}
	}
	examples, err := qualityExamples(spec)
	if err != nil {
		return usageError(err)
	}
	f := plan.ForecastOf(spec, examples, spreads)
	if !asJSON {
		return f.Text(a.stdout)
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(f)
}

// qualityExamples counts the examples of the quality data set, and reports what is wrong with any data set.
func qualityExamples(spec *results.Spec) (int, error) {
	n := 0
	var mistakes []error
	for _, s := range spec.Datasets {
		d, err := dataset.Open(s)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		if spec.Quality != nil && s.Name == spec.Quality.Dataset {
			n = d.Len()
		}
	}
	return n, errors.Join(mistakes...)
}

func (a *app) printSchema() error {
	schema, err := plan.Schema()
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(schema)
	return err
}
