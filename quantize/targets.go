package quantize

import (
	"fmt"
	"slices"
	"strings"

	"assay/tensor"
)

// Target is a processor or a provider that a static model is made for, and the choices that serve it. Applied, it sets what was not given.
type Target struct {
	Name string
	Why  string
	sets []setting
}

// setting is one choice of a target, by the name of its flag where there is one.
type setting struct {
	name  string
	apply func(*Options)
	value func(*Options) any
}

func byteActivations(d tensor.DType) setting {
	return setting{"activation", func(o *Options) { o.Activation = d }, func(o *Options) any { return o.Activation }}
}

// choose is a setting of a truth value.
func choose(name string, value bool, field func(*Options) *bool) setting {
	return setting{name, func(o *Options) { *field(o) = value }, func(o *Options) any { return *field(o) }}
}

var (
	signedWeights = setting{"weight-type", func(o *Options) { o.Weight = tensor.Int8 }, func(o *Options) any { return o.Weight }}
	byChannel     = choose("per-channel", true, func(o *Options) *bool { return &o.PerChannel })
	sevenBits     = choose("reduce-range", true, func(o *Options) *bool { return &o.ReduceRange })
	eightBits     = choose("reduce-range", false, func(o *Options) *bool { return &o.ReduceRange })
	symmetric     = choose("symmetric", true, func(o *Options) *bool { return &o.Symmetric })
	asymmetric    = choose("symmetric", false, func(o *Options) *bool { return &o.Symmetric })
	floatBiases   = choose("float-biases", true, func(o *Options) *bool { return &o.FloatBias })
	floatOutputs  = choose("inputs-only", true, func(o *Options) *bool { return &o.InputsOnly })
	weightPairs   = choose("weight-pairs", true, func(o *Options) *bool { return &o.PairWeights })
)

// Targets lists the targets there are.
var Targets = []Target{
	{"cpu-vnni", "x86 with VNNI adds 8-bit products without loss, fastest of unsigned activations with signed weights",
		[]setting{byteActivations(tensor.Uint8), signedWeights, byChannel, eightBits, asymmetric}},
	{"cpu-avx2", "x86 without VNNI adds pairs of 8-bit products in 16 bits: weights of 7 bits never overflow them",
		[]setting{byteActivations(tensor.Uint8), signedWeights, byChannel, sevenBits, asymmetric}},
	{"arm", "64-bit ARM adds signed 8-bit products without loss",
		[]setting{byteActivations(tensor.Int8), signedWeights, byChannel, eightBits, asymmetric}},
	{"cuda", "the CUDA provider computes these operators in float between conversions, so there are as few of those as can be",
		[]setting{byteActivations(tensor.Int8), signedWeights, byChannel, eightBits, symmetric, floatBiases, floatOutputs}},
	{"tensorrt", "TensorRT wants symmetric ranges, weights behind pairs, float biases, and fuses outputs by itself",
		[]setting{byteActivations(tensor.Int8), signedWeights, byChannel, eightBits, symmetric, floatBiases, floatOutputs, weightPairs}},
}

// TargetNames lists the targets' names.
func TargetNames() []string {
	names := make([]string, len(Targets))
	for i, t := range Targets {
		names[i] = t.Name
	}
	return names
}

// Settings says what the target sets, by the names of flags; float-biases, inputs-only and weight-pairs are Options.FloatBias, InputsOnly and
// PairWeights.
func (t *Target) Settings() []string {
	var o Options
	for _, s := range t.sets {
		s.apply(&o)
	}
	return o.settings(t)
}

// settings are what options say where a target sets them.
func (o *Options) settings(t *Target) []string {
	out := make([]string, len(t.sets))
	for i, s := range t.sets {
		out[i] = fmt.Sprintf("%s=%v", s.name, s.value(o))
	}
	return out
}

// TargetSettings is what a model was made for, and what became of the target's settings; some may have been given otherwise.
type TargetSettings struct {
	Name     string   `json:"name"`
	Settings []string `json:"settings"`
}

// target describes the target of options, nil where there is none.
func (o *Options) target() *TargetSettings {
	for i := range Targets {
		if Targets[i].Name == o.Target {
			return &TargetSettings{o.Target, o.settings(&Targets[i])}
		}
	}
	return nil
}

// AimAt applies a target to options, but for what given says was chosen already, by the flags' names, and notes it in them.
func (o *Options) AimAt(name string, given func(flag string) bool) error {
	i := slices.IndexFunc(Targets, func(t Target) bool { return t.Name == name })
	if i < 0 {
		return fmt.Errorf("target %q is not there; use %s", name, strings.Join(TargetNames(), ", "))
	}
	for _, s := range Targets[i].sets {
		if !given(s.name) {
			s.apply(o)
		}
	}
	o.Target = name
	return nil
}

// targetWarning says what a target makes of static quantization, "" where it is what it promises.
func targetWarning(o Options) string {
	if o.Target == "cuda" {
		return "the CUDA provider has no 8-bit convolutions and products of this form: expect a smaller file and no gain in speed; fp16, or TensorRT with --target tensorrt, is what GPUs are fast with"
	}
	return ""
}
