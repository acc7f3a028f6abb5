// Package madeup writes examples for models that come without data, for the programs that measure quantization.
package madeup

import (
	"context"

	"assay/backend"
	"assay/dataset"
	"assay/onnx"
	"assay/results"
	"assay/tensor"
)

// WriteExamples writes count examples or a few more, made from the types and names of the model's inputs, to an .npz file: one array an
// input, whose first axis counts whole feeds. Equal models get equal examples.
func WriteExamples(ctx context.Context, b backend.Backend, model, path string, count int) error {
	s, err := b.Open(ctx, model, backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: "disable"})
	if err != nil {
		return err
	}
	defer s.Close()
	m, err := onnx.Open(model)
	if err != nil {
		return err
	}
	defer m.Close()
	inputs := s.Inputs()
	var feeds [][]tensor.Value
	for seed := uint64(1); len(feeds) < count; seed++ {
		more, _, err := dataset.Feeds(inputs, results.Input{}, 1, seed, m.InputHint)
		if err != nil {
			return err
		}
		feeds = append(feeds, more...)
	}
	arrays := map[string]*tensor.Tensor{}
	var names []string
	for i, v := range inputs {
		first := feeds[0][i].Tensor
		all := &tensor.Tensor{DType: first.DType, Shape: append([]int64{int64(len(feeds))}, first.Shape...)}
		for _, feed := range feeds {
			all.Data = append(all.Data, feed[i].Tensor.Data...)
		}
		arrays[v.Name], names = all, append(names, v.Name)
	}
	return tensor.WriteNPZ(path, names, arrays)
}
