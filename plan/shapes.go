package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"assay/results"
)

// Turns are sizes of a dimension that requests take in turn; mostly there is one.
type Turns = []Size

// Shapes are shapes of an input that requests take in turn; mostly there is one. A list of sizes is one shape, a list of lists several.
type Shapes []Sizes

func (m *Shapes) decodeNode(s *source, n *yaml.Node, path string) {
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			var shape Sizes
			s.decode(item, fmt.Sprintf("%s[%d]", path, i), reflect.ValueOf(&shape).Elem())
			*m = append(*m, shape)
		}
		return
	}
	var shape Sizes
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 { // a scalar
		*m = Shapes{{}}
		return
	}
	s.decode(n, path, reflect.ValueOf(&shape).Elem())
	*m = Shapes{shape}
}

// turns is how many sets of shapes requests take in turn, and false where inputs disagree on it.
func (e *Experiment) turns() (n int, ok bool) {
	n = 1
	for _, k := range slices.Concat(counts(e.Shapes), counts(e.Dims)) {
		if k != 1 && n != 1 && k != n {
			return 0, false
		}
		n = max(n, k)
	}
	return n, true
}

func counts[T any, L ~[]T](m map[string]L) (out []int) {
	for _, list := range m {
		out = append(out, len(list))
	}
	return out
}

// shapesOf fills an input's shapes and dimensions: the first of each, and where there are several, all of them in turn.
func (e *Experiment) shapesOf(in *results.Input) {
	in.Dims, in.Shapes = map[string]int64{}, map[string][]int64{}
	n, ok := e.turns()
	if !ok {
		e.source.add("shapes", "shapes and dims: requests take %s in turn, so every list must have as many entries, or one", slices.Sorted(maps.Keys(e.Shapes)))
		return
	}
	turns := make([]results.InputTurn, n)
	for i := range turns {
		turns[i] = results.InputTurn{Shapes: map[string][]int64{}, Dims: map[string]int64{}}
		for name, shapes := range e.Shapes {
			shape := []int64{}
			for _, size := range shapes[min(i, len(shapes)-1)] {
				shape = append(shape, int64(size))
			}
			turns[i].Shapes[name] = shape
		}
		for name, sizes := range e.Dims {
			turns[i].Dims[name] = int64(sizes[min(i, len(sizes)-1)])
		}
	}
	in.Shapes, in.Dims = turns[0].Shapes, turns[0].Dims
	if n > 1 {
		in.Turns = turns
	}
}
