package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/spf13/cobra"

	"assay/backend"
	"assay/backend/null"
	"assay/backend/ort"
	"assay/dataset"
	"assay/results"
	"assay/results/quality"
	"assay/runner/child"
	"assay/tensor"
)

// newTrialCmd is what a run starts for each trial; people do not call it.
func newTrialCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "trial",
		Hidden: true,
		Args:   noArgs,
		RunE: func(*cobra.Command, []string) error {
			events := os.NewFile(3, "events")
			if _, err := events.Stat(); err != nil {
				return usageError(errors.New("`assay trial` is started by `assay run` and `assay bench`, not by hand"))
			}
			child.BeFirstToDie()
			return child.Run(a.stdin, events, child.Tools{Open: openBackend, Feeds: makeFeeds, Quality: predict, Quantize: buildVariant})
		},
	}
}

// openBackend loads what serves a provider: nothing for null, ONNX Runtime for every other.
func openBackend(c child.Config) (backend.Backend, error) {
	if c.Provider.Name == "null" {
		return null.Backend{}, nil
	}
	return ort.Open(ort.Config{Library: c.Library, SHA256: c.LibrarySHA256, Preload: c.Preload})
}

// makeFeeds makes the inputs of requests from data, flags, or the model's own types and names.
func makeFeeds(model string, inputs []backend.ValueInfo, in results.Input, batch int, seed uint64) ([][]tensor.Value, map[string]string, error) {
	if len(inputs) == 0 {
		return [][]tensor.Value{nil}, map[string]string{}, nil
	}
	if len(in.Turns) == 0 {
		return dataset.Feeds(inputs, in, batch, seed, inputHints(model))
	}
	return feedsInTurn(inputs, in, batch, seed, inputHints(model))
}

// feedsInTurn makes the inputs of several sets of shapes and deals them out: the first of each set, then the second of each.
func feedsInTurn(inputs []backend.ValueInfo, in results.Input, batch int, seed uint64, hint dataset.Hint) ([][]tensor.Value, map[string]string, error) {
	sets := make([][][]tensor.Value, len(in.Turns))
	described := map[string]string{}
	for i, turn := range in.Turns {
		one := in
		one.Shapes, one.Dims = maps.Clone(in.Shapes), maps.Clone(in.Dims)
		maps.Copy(one.Shapes, turn.Shapes)
		maps.Copy(one.Dims, turn.Dims)
		feeds, how, err := dataset.Feeds(inputs, one, batch, seed+uint64(i), hint)
		if err != nil {
			return nil, nil, err
		}
		sets[i] = feeds
		for name, text := range how {
			if before := described[name]; before != "" && before != text {
				text = before + "; in turn with " + text
			}
			described[name] = text
		}
	}
	var feeds [][]tensor.Value
	for k := 0; ; k++ {
		for _, set := range sets {
			if k >= len(set) {
				return feeds, described, nil
			}
			feeds = append(feeds, set[k])
		}
	}
}

// predict writes a variant's predictions on the labelled data set.
func predict(ctx context.Context, s backend.Session, c child.Config) error {
	d, err := dataset.Open(*c.Dataset)
	if err != nil {
		return err
	}
	if d.Labels() == nil {
		return fmt.Errorf("data set %s names no array of labels; give it `label:` (or --label)", d.Name)
	}
	columns, err := d.Slices()
	if err != nil {
		return err
	}
	reader, err := d.Reader(s.Inputs(), c.Batches[0], inputHints(c.Model))
	if err != nil {
		return err
	}
	var rows []quality.Row
	for lo := 0; lo < d.Len(); lo += reader.Step {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		feed, err := reader.Feed(lo)
		if err != nil {
			return err
		}
		outputs, err := s.Run(ctx, feed)
		if err != nil {
			return fmt.Errorf("example %d of %s: %w", lo, d.Name, err)
		}
		batch, err := quality.Classes(outputs, reader.Step)
		if err != nil {
			return fmt.Errorf("predictions of %s: %w", c.Model, err)
		}
		rows = append(rows, batch[:min(reader.Step, d.Len()-lo)]...)
	}
	return quality.Write(c.Quality, predictions(rows, d.Labels(), columns))
}

// predictions joins what a model said with what is right.
func predictions(rows []quality.Row, labels []int64, columns map[string][]string) []quality.Prediction {
	scores := quality.Scores(rows)
	ps := make([]quality.Prediction, len(rows))
	for i, r := range rows {
		ps[i] = quality.Prediction{Example: int64(i), Label: labels[i], Prediction: r.Class, Score: scores[i], Finite: r.Finite, Slices: map[string]string{}}
		for column, values := range columns {
			ps[i].Slices[column] = values[i]
		}
	}
	return ps
}
