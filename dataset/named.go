package dataset

import (
	"fmt"
	"maps"
	"slices"

	"assay/backend"
)

// The names by which data sets in the usual form have their examples and their labels.
const (
	usualExamples = "x"
	usualLabels   = "y"
)

// Named is the data set for a model whose every input must be known by name: mapped, or of an array's name, or one whose values follow from its name.
// Only a data set of `x` and `y`, examples and labels, serves a model of one input as it is. Further arrays are allowed. Without this an array of
// another name serves where it alone fits. The error is the user's to mend.
func (d *Dataset) Named(inputs []backend.ValueInfo) (*Dataset, error) {
	src := d.source()
	for _, v := range inputs {
		if _, mapped := d.inputs[v.Name]; mapped || slices.Contains(src.names, v.Name) || followsFromName(v) {
			continue
		}
		if len(inputs) == 1 && slices.Contains(src.names, usualExamples) && d.arrays[usualLabels] != nil {
			named := *d
			named.inputs = maps.Clone(d.inputs)
			if named.inputs == nil {
				named.inputs = map[string]string{}
			}
			named.inputs[v.Name] = usualExamples
			return &named, nil
		}
		return nil, fmt.Errorf("input %s: %s has no array of that name; it has %s, and the model takes %s; save each array under the name of its input",
			v.Name, src.name, listed(src.names), listed(inputNames(inputs)))
	}
	return d, nil
}
