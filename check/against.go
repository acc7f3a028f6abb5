package check

import (
	"context"
	"fmt"
	"slices"

	"assay/backend"
	"assay/tensor"
)

// Against runs two models on the same requests and returns the difference of each output of the reference, in its order.
// Inputs and outputs belong together by name; every feed holds the reference's inputs in its order.
func Against(ctx context.Context, reference, other backend.Session, feeds [][]tensor.Value) ([]Difference, error) {
	inputs, err := positions("input", other.Inputs(), reference.Inputs())
	if err != nil {
		return nil, err
	}
	outputs, err := positions("output", reference.Outputs(), other.Outputs())
	if err != nil {
		return nil, err
	}
	sums := make([]Accumulator, len(outputs))
	for n, feed := range feeds {
		want, err := reference.Run(ctx, feed)
		if err != nil {
			return nil, fmt.Errorf("run the reference on request %d: %w", n, err)
		}
		got, err := other.Run(ctx, reorder(feed, inputs))
		if err != nil {
			return nil, fmt.Errorf("run the other model on request %d: %w", n, err)
		}
		for i, at := range outputs {
			if err := addValues(&sums[i], want[i], got[at]); err != nil {
				return nil, fmt.Errorf("output %s of request %d: %w", reference.Outputs()[i].Name, n, err)
			}
		}
	}
	differences := make([]Difference, len(outputs))
	for i := range sums {
		differences[i] = sums[i].Result(reference.Outputs()[i].Name)
	}
	return differences, nil
}

// positions finds each of wanted among have, by name.
func positions(what string, wanted, have []backend.ValueInfo) ([]int, error) {
	at := make([]int, len(wanted))
	for i, w := range wanted {
		at[i] = slices.IndexFunc(have, func(h backend.ValueInfo) bool { return h.Name == w.Name })
		if at[i] < 0 {
			return nil, fmt.Errorf("%s %s is in one model only; those of the other are %v", what, w.Name, names(have))
		}
	}
	return at, nil
}

func names(infos []backend.ValueInfo) []string {
	list := make([]string, len(infos))
	for i, v := range infos {
		list[i] = v.Name
	}
	return list
}

func reorder(values []tensor.Value, at []int) []tensor.Value {
	ordered := make([]tensor.Value, len(at))
	for i, from := range at {
		ordered[i] = values[from]
	}
	return ordered
}

// addValues adds tensors, the items of sequences, and the values of maps one by one.
func addValues(a *Accumulator, want, got tensor.Value) error {
	if want.Kind != got.Kind || len(want.Items) != len(got.Items) {
		return fmt.Errorf("one model gives %s of %d items, the other %s of %d", kindName(want.Kind), len(want.Items), kindName(got.Kind), len(got.Items))
	}
	switch want.Kind {
	case tensor.KindTensor:
		return a.Add(want.Tensor, got.Tensor)
	case tensor.KindMap:
		if err := (Tolerance{}).Tensor(got.Keys, want.Keys); err != nil {
			return fmt.Errorf("keys of the map: %w", err)
		}
		return a.Add(want.Values, got.Values)
	}
	for i := range want.Items {
		if err := addValues(a, want.Items[i], got.Items[i]); err != nil {
			return err
		}
	}
	return nil
}
