package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"assay/quantize"
	"assay/results"
	"assay/tensor"
)

// optionFlags are the flags that shape a quantized model. An experiment file sets them by the same names.
type optionFlags struct {
	scheme, method, activation, include, exclude, prepare string
	opTypes                                               []string
	perChannel, reduceRange, symmetric                    bool
}

// register adds the flags with their defaults.
func (o *optionFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.scheme, "scheme", quantize.SchemeInt8Static, "one of "+strings.Join(quantize.Schemes, ", "))
	f.StringVar(&o.method, "method", "minmax", "how ranges come from calibration: minmax")
	f.StringVar(&o.activation, "activation", "uint8", "type of activations: uint8 or int8")
	f.BoolVar(&o.perChannel, "per-channel", true, "one scale a channel for weights")
	f.BoolVar(&o.reduceRange, "reduce-range", false, "weights in 7 bits, for processors without VNNI")
	f.BoolVar(&o.symmetric, "symmetric", false, "symmetric ranges for activations")
	f.StringVar(&o.include, "include", "", "only nodes whose names match this regular expression")
	f.StringVar(&o.exclude, "exclude", "", "no nodes whose names match this regular expression")
	f.StringSliceVar(&o.opTypes, "op-types", nil, "operator types with weights to quantize (default Conv,Gemm,MatMul)")
	f.StringVar(&o.prepare, "prepare", "auto", "auto folds constants and BatchNormalization first, never takes the graph as it is")
}

// options checks the flags' values; all mistakes are reported together.
func (o *optionFlags) options() (quantize.Options, error) {
	out := quantize.Options{Scheme: o.scheme, PerChannel: o.perChannel, ReduceRange: o.reduceRange, Symmetric: o.symmetric, Include: o.include, Exclude: o.exclude,
		OpTypes: o.opTypes, Prepare: o.prepare != "never"}
	var problems []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	activations := map[string]tensor.DType{"uint8": tensor.Uint8, "int8": tensor.Int8}
	known := false
	out.Activation, known = activations[o.activation]
	wrong(!known, "--activation %q: want uint8 or int8", o.activation)
	wrong(!slices.Contains(quantize.Schemes, o.scheme), "--scheme %q is not there; use %s", o.scheme, strings.Join(quantize.Schemes, ", "))
	wrong(o.method != "minmax", "--method %q is not there; use minmax", o.method)
	wrong(o.prepare != "auto" && o.prepare != "never", "--prepare %q: want auto or never", o.prepare)
	for _, name := range out.OpTypes {
		wrong(!slices.Contains([]string{"Conv", "Gemm", "MatMul"}, name), "--op-types: %q has no 8-bit form here; use Conv, Gemm, MatMul", name)
	}
	return out, errors.Join(problems...)
}

// recipeOptions reads a recipe's scheme, calibration method and options, which go by the long names of the flags of `assay quantize`.
func recipeOptions(r *results.QuantizeRecipe) (options quantize.Options, ranges string, err error) {
	var o optionFlags
	f := pflag.NewFlagSet("options", pflag.ContinueOnError)
	o.register(f)
	f.StringVar(&ranges, "ranges", "", "")
	o.scheme = r.Scheme
	if r.Calibration != nil && r.Calibration.Method != "" {
		o.method = r.Calibration.Method
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(r.Options)) {
		if f.Lookup(name) == nil {
			problems = append(problems, fmt.Errorf("option %q is not there", name))
			continue
		}
		if err := f.Set(name, optionText(r.Options[name])); err != nil {
			problems = append(problems, fmt.Errorf("option %s: %w", name, err))
		}
	}
	options, err = o.options()
	return options, ranges, errors.Join(append(problems, err)...)
}

// optionText writes an option's value as a flag has it: lists with commas.
func optionText(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = fmt.Sprint(w)
	}
	return strings.Join(words, ",")
}
