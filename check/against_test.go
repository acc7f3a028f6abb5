package check

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"assay/backend"
	"assay/tensor"
)

// model is a session made of its names and what it computes.
type model struct {
	backend.Session
	inputs, outputs []string
	run             func(feeds []tensor.Value) ([]tensor.Value, error)
}

func infos(names []string) (list []backend.ValueInfo) {
	for _, n := range names {
		list = append(list, backend.ValueInfo{Name: n})
	}
	return list
}

func (m model) Inputs() []backend.ValueInfo  { return infos(m.inputs) }
func (m model) Outputs() []backend.ValueInfo { return infos(m.outputs) }
func (m model) Run(_ context.Context, feeds []tensor.Value) ([]tensor.Value, error) {
	return m.run(feeds)
}

func same(feeds []tensor.Value) ([]tensor.Value, error) { return slices.Clone(feeds), nil }

func TestAgainst(t *testing.T) {
	reference := model{inputs: []string{"a", "b"}, outputs: []string{"p", "q"}, run: same}
	// The other names them the other way round, and is 1 off on q.
	other := model{inputs: []string{"b", "a"}, outputs: []string{"q", "p", "extra"}, run: func(feeds []tensor.Value) ([]tensor.Value, error) {
		v, err := numbers(feeds[0].Tensor)
		v[0]++
		return []tensor.Value{tensor.Of(vector(v...)), feeds[1], feeds[1]}, err
	}}
	feeds := [][]tensor.Value{
		{tensor.Of(vector(1, 2)), tensor.Of(vector(3, 4))},
		{tensor.Of(vector(5, 6)), tensor.Of(vector(7, 8))},
	}
	got, err := Against(t.Context(), reference, other, feeds)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "p" || !got[0].Identical || got[1].Name != "q" || got[1].MaxAbs != 1 || got[1].Elements != 4 {
		t.Errorf("differences %+v", got)
	}
	for name, c := range map[string]struct {
		other model
		feeds [][]tensor.Value
		want  string
	}{
		"an input of its own":  {model{inputs: []string{"a", "c"}, outputs: []string{"p", "q"}, run: same}, feeds, "input c is in one model only; those of the other are [a b]"},
		"an output is missing": {model{inputs: []string{"a", "b"}, outputs: []string{"p"}, run: same}, feeds, "output q is in one model only"},
		"it fails": {model{inputs: []string{"a", "b"}, outputs: []string{"p", "q"},
			run: func([]tensor.Value) ([]tensor.Value, error) { return nil, errors.New("broke") }}, feeds, "run the other model on request 0: broke"},
		"another kind": {model{inputs: []string{"a", "b"}, outputs: []string{"p", "q"}, run: func(feeds []tensor.Value) ([]tensor.Value, error) {
			return []tensor.Value{{Kind: tensor.KindSequence}, feeds[1]}, nil
		}}, feeds, "output p of request 0: one model gives a tensor of 0 items, the other a sequence of 0"},
	} {
		if _, err := Against(t.Context(), reference, c.other, c.feeds); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
}

func TestAgainstMapsAndSequences(t *testing.T) {
	rows := func(scores ...float64) tensor.Value {
		return tensor.Value{Kind: tensor.KindSequence, Items: []tensor.Value{
			{Kind: tensor.KindMap, Keys: int64s(0, 1), Values: vector(scores...)}}}
	}
	give := func(v tensor.Value) model {
		return model{outputs: []string{"p"}, run: func([]tensor.Value) ([]tensor.Value, error) { return []tensor.Value{v}, nil }}
	}
	got, err := Against(t.Context(), give(rows(0.25, 0.75)), give(rows(0.5, 0.75)), [][]tensor.Value{nil})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].MaxAbs != 0.25 || got[0].Elements != 2 || got[0].Agreement != 1 {
		t.Errorf("differences %+v", got)
	}
	swapped := rows(0.25, 0.75)
	swapped.Items[0].Keys = int64s(1, 0)
	if _, err := Against(t.Context(), give(rows(0.25, 0.75)), give(swapped), [][]tensor.Value{nil}); err == nil {
		t.Error("maps of different keys were compared")
	}
}
