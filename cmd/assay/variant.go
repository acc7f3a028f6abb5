package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"assay/backend"
	"assay/dataset"
	"assay/quantize"
	"assay/results"
	"assay/runner"
	"assay/runner/child"
	"assay/tensor"
)

// buildVariant quantizes a model as its recipe says, or finds the result of an earlier run in the cache.
func buildVariant(ctx context.Context, b backend.Backend, c child.Config) (child.Built, error) {
	options, ranges, err := recipeOptions(c.Recipe)
	if err != nil {
		return child.Built{}, err
	}
	sha, _, err := identifyModel(c.Model)
	if err != nil {
		return child.Built{}, err
	}
	q := quantize.Request{Model: c.Model, Options: options}
	examples := 0
	if c.Recipe.Calibration != nil {
		examples = c.Recipe.Calibration.Examples
	}
	calibration, forget, err := takeCalibration(&q, c.Dataset, examples, ranges)
	if err != nil {
		return child.Built{}, err
	}
	defer forget()
	q.Lineage = quantize.Lineage(sha, calibration, options, version())
	defer verifyWith(&q, runner.Library{Path: c.Library, SHA256: c.LibrarySHA256, Preload: c.Preload}, c.Dataset, examples).Close()
	q.Lineage[quantize.LineageRuntime] = b.Info().Version // it folds the graph and computes the ranges
	path, warnings, cached, err := quantize.Cached(ctx, b, q, c.Cache)
	if err != nil {
		return child.Built{}, err
	}
	lineage := map[string]any{}
	for key, value := range q.Lineage {
		lineage[key] = value
	}
	return child.Built{Path: path, Lineage: lineage, Cached: cached, Warnings: warnings}, nil
}

// takeCalibration gives a request its examples, or the ranges of a file in place of them, and returns what identifies them. forget, which is
// never nil, ends the use of the examples.
func takeCalibration(q *quantize.Request, d *results.Dataset, examples int, rangesFile string) (identity quantize.Calibrated, forget func() error, err error) {
	forget = func() error { return nil }
	if rangesFile != "" {
		src, err := os.ReadFile(rangesFile)
		if err != nil {
			return identity, forget, fmt.Errorf("read the ranges: %w", err)
		}
		if q.Ranges, err = quantize.ReadRanges(src); err != nil {
			return identity, forget, fmt.Errorf("read the ranges: %s: %w; want {\"tensor\": [min, max]}", rangesFile, err)
		}
		sum := sha256.Sum256(src)
		identity.Ranges = hex.EncodeToString(sum[:])
	}
	if d == nil {
		return identity, forget, nil
	}
	set, err := dataset.OpenSpooled(*d)
	if err != nil {
		return identity, forget, quantize.WhereRoom(err)
	}
	q.Examples, q.Count = calibrationSource(set, q.Model, examples), func() int { return takenOf(set, examples) }
	identity.Data, identity.Use = set.SHA256, calibrationUse(d.Inputs, examples)
	return identity, set.Close, nil
}

// sourceOf is calibrationSource of a data set that is asked for when the first example is.
func sourceOf(open func() (*dataset.Dataset, error), model string, limit int) quantize.Source {
	var source quantize.Source
	return func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
		if source == nil {
			d, err := open()
			if err != nil {
				return nil, false, err
			}
			source = calibrationSource(d, model, limit)
		}
		return source(inputs, i)
	}
}

// takenOf is how many examples of a data set a limit leaves, 0 for none.
func takenOf(d *dataset.Dataset, limit int) int {
	if limit > 0 {
		return min(d.Len(), limit)
	}
	return d.Len()
}

// calibrationUse tells uses of the same data apart: which array feeds which input, and how many examples are taken (0 for all).
func calibrationUse(inputs map[string]string, examples int) string {
	var uses []string
	for _, input := range slices.Sorted(maps.Keys(inputs)) {
		uses = append(uses, fmt.Sprintf("%q=%q", input, inputs[input]))
	}
	if examples > 0 {
		uses = append(uses, fmt.Sprintf("first %d", examples))
	}
	return strings.Join(uses, " ")
}

// calibrationSource gives the examples of a data set one at a time, at most limit of them (0 for all).
func calibrationSource(d *dataset.Dataset, model string, limit int) quantize.Source {
	readers := map[string]*dataset.Reader{}
	return func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
		key := fmt.Sprint(inputs)
		r := readers[key]
		if r == nil {
			named, err := d.Named(inputs) // what is calibrated on the wrong array looks well and is not
			if err == nil {
				r, err = named.Reader(inputs, 1, inputHints(model))
			}
			if err != nil {
				return nil, false, err
			}
			readers[key] = r
		}
		lo := i * r.Step
		if lo >= d.Len() || limit > 0 && lo >= limit {
			return nil, false, nil
		}
		feed, err := r.Feed(lo)
		return feed, err == nil, err
	}
}
