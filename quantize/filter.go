package quantize

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"assay/onnx/onnxpb"
)

// AllTypes in Options.OpTypes stands for every type that onnxruntime.quantization quantizes.
const AllTypes = "all"

// furtherTypes are operator types that static quantization takes where they are asked for, besides those of the reference.
var furtherTypes = []string{"DepthToSpace", "Div", "Expand", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Max", "Min", "PRelu", "ReduceMax",
	"ReduceMean", "ReduceMin", "Sin", "Sub", "Sum", "Tanh", "Tile"}

// KnownTypes lists the operator types that Options.OpTypes of static quantization may name, in order.
func KnownTypes() []string {
	return slices.Sorted(slices.Values(slices.Concat(referenceTypes, furtherTypes)))
}

// filter is what Include, Exclude and OpTypes say together.
type filter struct {
	include, exclude   *regexp.Regexp
	types              map[string]bool
	literal            bool              // the types are all there is: nothing else carries values on
	convolutional      bool              // the graph has a Conv
	included, excluded bool              // a node matched
	float              map[string]string // nodes that stay float, by nodeKey, and why
}

// chooses reports whether nodes were chosen by their names.
func (f *filter) chooses() bool { return f.include != nil || f.exclude != nil }

func (o *Options) filter() (*filter, error) {
	f := &filter{types: map[string]bool{}, float: o.float}
	var err error
	if o.Include != "" {
		if f.include, err = regexp.Compile(o.Include); err != nil {
			return nil, fmt.Errorf("--include: %w", err)
		}
	}
	if o.Exclude != "" {
		if f.exclude, err = regexp.Compile(o.Exclude); err != nil {
			return nil, fmt.Errorf("--exclude: %w", err)
		}
	}
	types := o.OpTypes
	if len(types) == 0 {
		types = heavyTypes
	}
	for _, name := range types {
		f.types[name] = true
	}
	return f, nil
}

// static reads the operator types as static quantization does. Types with weights alone bring along what carries their values on; a list
// that names others is taken as it stands.
func (f *filter) static(types []string) error {
	if slices.Contains(types, AllTypes) {
		if len(types) > 1 {
			return fmt.Errorf("--op-types: %s stands for every type; name no others beside it", AllTypes)
		}
		f.literal = true
		for _, name := range referenceTypes {
			f.types[name] = true
		}
		return nil
	}
	var errs []error
	known := KnownTypes()
	for _, name := range types {
		f.literal = f.literal || !slices.Contains(heavyTypes, name) && name != "ConvTranspose"
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("--op-types: %q is no operator type that is quantized%s", name, hint(name, known)))
		}
	}
	return errors.Join(errs...)
}

// look notes whether a node is one that Include or Exclude means.
func (f *filter) look(n *onnxpb.NodeProto) {
	f.included = f.included || f.include != nil && f.include.MatchString(nodeName(n))
	f.excluded = f.excluded || f.exclude != nil && f.exclude.MatchString(nodeName(n))
}

// unused refuses expressions that matched nothing.
func (f *filter) unused() error {
	var errs []error
	if f.include != nil && !f.included {
		errs = append(errs, fmt.Errorf("--include %q matches no node of the prepared graph", f.include))
	}
	if f.exclude != nil && !f.excluded {
		errs = append(errs, fmt.Errorf("--exclude %q matches no node of the prepared graph", f.exclude))
	}
	return errors.Join(errs...)
}

// refuses says why a node may not be quantized, "" where it may. What only carries values on needs no mention in Include.
func (f *filter) refuses(n *onnxpb.NodeProto, named bool) string {
	if why := f.float[nodeKey(n)]; why != "" {
		return why
	}
	switch {
	case named && f.include != nil && !f.include.MatchString(nodeName(n)):
		return "not matched by --include"
	case f.exclude != nil && f.exclude.MatchString(nodeName(n)):
		return "matched by --exclude"
	}
	return ""
}

// hint is `; did you mean X?` for the known word nearest to got, "" where none is near.
func hint(got string, known []string) string {
	best, limit := "", max(2, len(got)/3)+1
	for _, word := range known {
		if d := editDistance(strings.ToLower(got), strings.ToLower(word)); d < limit {
			best, limit = word, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance counts the insertions, deletions and replacements that turn a into b. Words past 128 bytes are cut.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), 128)], b[:min(len(b), 128)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}
