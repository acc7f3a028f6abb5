package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"assay/quantize"
	"assay/results"
	"assay/tensor"
)

// optionFlags are the flags that shape a quantized model. An experiment file sets them by the same names.
type optionFlags struct {
	scheme, method, activation, weightType, include, exclude, prepare, overrides, target, weightMethod, form string
	opTypes                                                                                                  []string
	perChannel, reduceRange, symmetric, keepIO                                                               bool
	percentile                                                                                               float64
	block, accuracyLevel, keepFloat                                                                          int
	changed                                                                                                  func(flag string) bool
}

// register adds the flags with their defaults.
func (o *optionFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.scheme, "scheme", quantize.SchemeInt8Static, "one of "+strings.Join(quantize.Schemes, ", "))
	f.StringVar(&o.method, "method", quantize.MethodMinMax, "how ranges come from calibration data: "+strings.Join(quantize.Methods, ", "))
	f.Float64Var(&o.percentile, "percentile", quantize.DefaultPercentile, "share of values in percent that --method percentile keeps")
	f.StringVar(&o.activation, "activation", "uint8", "type of activations: uint8 or int8")
	f.StringVar(&o.weightType, "weight-type", "int8", "type of weights: int8 or uint8")
	f.BoolVar(&o.perChannel, "per-channel", true, "one scale a channel for weights")
	f.BoolVar(&o.reduceRange, "reduce-range", false, "weights in 7 bits, for x86 processors without VNNI")
	f.BoolVar(&o.symmetric, "symmetric", false, "symmetric ranges for activations; in weight-only schemes, weights without zero points")
	f.StringVar(&o.target, "target", "", "what the model is made for: "+strings.Join(quantize.TargetNames(), ", ")+"; sets what is not given")
	f.StringVar(&o.include, "include", "", "only nodes whose names match this regular expression")
	f.StringVar(&o.exclude, "exclude", "", "no nodes whose names match this regular expression")
	f.StringSliceVar(&o.opTypes, "op-types", nil, "operator types to quantize, or all for the choice of onnxruntime.quantization (default Conv,Gemm,MatMul and what joins them)")
	f.StringVar(&o.overrides, "overrides", "", "YAML file of what single tensors do otherwise: type, range, scale, symmetric, axis, float")
	f.IntVar(&o.keepFloat, "keep-float", 0, "leave the N most sensitive units float")
	f.IntVar(&o.block, "block", 32, "weights that share a scale in weight-only schemes: 16 to 256")
	f.StringVar(&o.weightMethod, "weight-method", quantize.WeightNearest, "how blocks of weights get their scales: "+strings.Join(quantize.WeightMethods, ", "))
	f.IntVar(&o.accuracyLevel, "accuracy-level", 0, "of weight-only products: 0 computes in float, 4 with 8-bit activations")
	f.StringVar(&o.form, "form", quantize.FormNBits, "of weight-only models: nbits (operators of the runtime) or qdq (blocked DequantizeLinear, opset 21)")
	f.BoolVar(&o.keepIO, "keep-io", false, "of fp16: inputs and outputs stay float32")
	f.StringVar(&o.prepare, "prepare", "auto", "auto folds constants and BatchNormalization first, never takes the graph as it is")
	o.changed = f.Changed
}

// flagSchemes are the schemes of the flags that not every scheme has.
var flagSchemes = map[string][]string{
	"method":         staticScheme,
	"percentile":     staticScheme,
	"activation":     staticScheme,
	"weight-type":    byteSchemes,
	"per-channel":    byteSchemes,
	"reduce-range":   byteSchemes,
	"keep-io":        {quantize.SchemeFP16},
	"keep-float":     rankedSchemes,
	"sensitivity":    rankedSchemes,
	"target":         staticScheme,
	"overrides":      staticScheme,
	"ranges":         staticScheme,
	"save-ranges":    staticScheme,
	"symmetric":      {quantize.SchemeInt8Static, quantize.SchemeInt4Weight, quantize.SchemeInt8Weight},
	"block":          weightSchemes,
	"weight-method":  weightSchemes,
	"accuracy-level": weightSchemes,
	"form":           weightSchemes,
}

var (
	staticScheme  = []string{quantize.SchemeInt8Static}
	byteSchemes   = []string{quantize.SchemeInt8Static, quantize.SchemeInt8Dynamic}
	rankedSchemes = []string{quantize.SchemeInt8Static, quantize.SchemeInt8Dynamic, quantize.SchemeInt4Weight, quantize.SchemeInt8Weight}
	weightSchemes = []string{quantize.SchemeInt4Weight, quantize.SchemeInt8Weight}
)

// options checks the flags' values; all mistakes are reported together.
func (o *optionFlags) options() (quantize.Options, error) {
	out := quantize.Options{Scheme: o.scheme, PerChannel: o.perChannel, ReduceRange: o.reduceRange, Symmetric: o.symmetric, Include: o.include, Exclude: o.exclude,
		OpTypes: o.opTypes, Prepare: o.prepare != "never", KeepFloat: o.keepFloat}
	var problems []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	known := slices.Contains(quantize.Schemes, o.scheme)
	wrong(!known, "--scheme %q is not there; use %s", o.scheme, strings.Join(quantize.Schemes, ", "))
	for _, name := range slices.Sorted(maps.Keys(flagSchemes)) {
		of := flagSchemes[name]
		wrong(known && o.changed(name) && !slices.Contains(of, o.scheme), "--%s is no flag of scheme %s, but of %s", name, o.scheme, strings.Join(of, ", "))
	}
	out.Activation, out.Weight = byteType(wrong, "activation", o.activation), byteType(wrong, "weight-type", o.weightType)
	wrong(!slices.Contains(quantize.Methods, o.method), "--method %q is not there; use %s", o.method, strings.Join(quantize.Methods, ", "))
	wrong(o.changed("percentile") && o.method != quantize.MethodPercentile && o.method != quantize.MethodAuto, "--percentile is of --method percentile and auto")
	wrong(!(o.percentile > 50 && o.percentile <= 100), "--percentile %v: want more than 50 and at most 100", o.percentile)
	wrong(o.prepare != "auto" && o.prepare != "never", "--prepare %q: want auto or never", o.prepare)
	wrong(o.keepFloat < 0, "--keep-float %d is negative", o.keepFloat)
	if o.target != "" {
		err := out.AimAt(o.target, o.changed)
		wrong(err != nil, "--target: %v", err)
	}
	if o.overrides != "" {
		err := readOverrides(o.overrides, &out)
		wrong(err != nil, "--overrides: %v", err)
	}
	o.narrow(&out)
	if len(problems) == 0 {
		problems = append(problems, out.Validate())
	}
	return out, errors.Join(problems...)
}

// narrow adds what only some schemes have, so that the options of others do not mention it.
func (o *optionFlags) narrow(out *quantize.Options) {
	switch {
	case o.scheme == quantize.SchemeInt8Static:
		out.Method = o.method
		if o.changed("percentile") {
			out.Percentile = o.percentile
		}
	case slices.Contains(weightSchemes, o.scheme):
		out.Block, out.WeightMethod, out.AccuracyLevel, out.Form = o.block, o.weightMethod, o.accuracyLevel, o.form
		out.Activation, out.Weight = 0, 0
	case o.scheme == quantize.SchemeInt8Dynamic:
		out.Activation = 0 // uint8, always
	case o.scheme == quantize.SchemeFP16:
		out.KeepIO, out.PerChannel, out.Activation, out.Weight = o.keepIO, false, 0, 0
	}
}

func byteType(wrong func(bad bool, format string, args ...any), flag, name string) tensor.DType {
	d, known := map[string]tensor.DType{"uint8": tensor.Uint8, "int8": tensor.Int8}[name]
	wrong(!known, "--%s %q: want uint8 or int8", flag, name)
	return d
}

func readOverrides(file string, o *quantize.Options) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if o.Overrides, err = quantize.ReadOverrides(src); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
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

// makeable reads what variants are made with, so that a mistake in it shows before anything is made.
func makeable(spec *results.Spec) error {
	var problems []error
	for _, v := range spec.Variants {
		if v.Quantize == nil {
			continue
		}
		if _, _, err := recipeOptions(v.Quantize); err != nil {
			problems = append(problems, fmt.Errorf("variant %s: %w", v.Name, err))
		}
	}
	return errors.Join(problems...)
}

// optionText writes an option's value as a flag has it: lists with commas.
func optionText(v any) string {
	var words []string
	switch list := v.(type) {
	case []string:
		words = list
	case []any: // as JSON brings it
		for _, w := range list {
			words = append(words, fmt.Sprint(w))
		}
	default:
		return fmt.Sprint(v)
	}
	return strings.Join(words, ",")
}
