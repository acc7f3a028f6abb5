package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"assay/backend"
	"assay/dataset"
	"assay/quantize"
	"assay/runner"
	"assay/runner/child"
	"assay/tensor"
)

// buildVariant quantizes a model as its recipe says, or finds the result of an earlier run in the cache.
func buildVariant(ctx context.Context, b backend.Backend, c child.Config) (child.Built, error) {
	method := ""
	if c.Recipe.Calibration != nil {
		method = c.Recipe.Calibration.Method
	}
	options, err := recipeOptions(c.Recipe.Scheme, method, c.Recipe.Options)
	if err != nil {
		return child.Built{}, err
	}
	if c.Dataset == nil {
		return child.Built{}, fmt.Errorf("%s needs calibration data; give the variant `calibration: {dataset: NAME}`", c.Recipe.Scheme)
	}
	d, err := dataset.Open(*c.Dataset)
	if err != nil {
		return child.Built{}, err
	}
	sha, _, err := identifyModel(c.Model)
	if err != nil {
		return child.Built{}, err
	}
	calibration := calibrationIdentity(d.SHA256, c.Dataset.Inputs, c.Recipe.Calibration.Examples)
	q := quantize.Request{Model: c.Model, Options: options, Examples: calibrationSource(d, c.Model, c.Recipe.Calibration.Examples),
		Lineage: quantize.Lineage(sha, calibration, options, version())}
	q.Verify = verifier(runner.Library{Path: c.Library, SHA256: c.LibrarySHA256, Preload: c.Preload}, c.Dataset, c.Recipe.Calibration.Examples)
	q.Lineage[quantize.LineageRuntime] = b.Info().Version // it folds the graph and computes the ranges
	path, cached, err := quantize.Cached(ctx, b, q, c.Cache)
	if err != nil {
		return child.Built{}, err
	}
	lineage := map[string]any{}
	for key, value := range q.Lineage {
		lineage[key] = value
	}
	return child.Built{Path: path, Lineage: lineage, Cached: cached}, nil
}

// calibrationIdentity tells calibration runs apart: the data, which array feeds which input, and how many examples are taken (0 for all).
func calibrationIdentity(sha string, inputs map[string]string, examples int) string {
	for _, input := range slices.Sorted(maps.Keys(inputs)) {
		sha += fmt.Sprintf(" %q=%q", input, inputs[input])
	}
	if examples > 0 {
		sha += fmt.Sprintf(" first %d", examples)
	}
	return sha
}

// calibrationSource gives the examples of a data set one at a time, at most limit of them (0 for all).
func calibrationSource(d *dataset.Dataset, model string, limit int) quantize.Source {
	readers := map[string]*dataset.Reader{}
	return func(inputs []backend.ValueInfo, i int) ([]tensor.Value, bool, error) {
		key := fmt.Sprint(inputs)
		r := readers[key]
		if r == nil {
			var err error
			if r, err = d.Reader(inputs, 1, vocabularyHint(model)); err != nil {
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
