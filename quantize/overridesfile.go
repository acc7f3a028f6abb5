package quantize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"go.yaml.in/yaml/v3"

	"assay/tensor"
)

// overrideEntry is what a file of overrides says of one tensor.
type overrideEntry struct {
	Float      bool        `yaml:"float"`
	Type       string      `yaml:"type"`
	Range      *[2]float64 `yaml:"range"`
	Scale      *float64    `yaml:"scale"`
	Zero       *int32      `yaml:"zero_point"`
	Symmetric  *bool       `yaml:"symmetric"`
	Axis       *int        `yaml:"axis"`
	PerChannel *bool       `yaml:"per_channel"`
}

// ReadOverrides reads overrides from YAML: a mapping from tensor names to any of `float: true`, `type: int8`, `range: [low, high]`, `scale` with
// `zero_point`, `symmetric`, `axis` and `per_channel`. All mistakes are reported together, each with its line. The order is the file's.
func ReadOverrides(src []byte) (Overrides, error) {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(src))
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty; want tensor names, each with what it does otherwise")
		}
		return nil, err
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode || len(root.Content) == 0 {
		return nil, fmt.Errorf("line %d: want a mapping from tensor names to what they do otherwise", root.Line)
	}
	var out Overrides
	var problems []error
	seen := map[string]bool{}
	for i := 0; i < len(root.Content); i += 2 {
		name, value := root.Content[i], root.Content[i+1]
		o, err := readOverride(name.Value, value)
		switch {
		case seen[name.Value]:
			problems = append(problems, fmt.Errorf("line %d: tensor %q stands there twice", name.Line, name.Value))
		case err != nil:
			problems = append(problems, fmt.Errorf("line %d: tensor %q: %w", value.Line, name.Value, err))
		}
		seen[name.Value] = true
		out = append(out, o)
	}
	return out, errors.Join(problems...)
}

func readOverride(name string, value *yaml.Node) (Override, error) {
	// A node alone cannot be told to refuse unknown keys: its text can.
	text, err := yaml.Marshal(value)
	if err != nil {
		return Override{}, err
	}
	var e overrideEntry
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&e); err != nil {
		var wrong *yaml.TypeError
		if errors.As(err, &wrong) {
			return Override{}, errors.New("want some of float, type, range: [low, high], scale with zero_point, symmetric, axis, per_channel")
		}
		return Override{}, err
	}
	return e.override(name)
}

// override checks an entry.
func (e *overrideEntry) override(name string) (Override, error) {
	o := Override{Tensor: name, Float: e.Float, Zero: e.Zero, Symmetric: e.Symmetric, Axis: e.Axis, PerChannel: e.PerChannel}
	var problems []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	types := map[string]tensor.DType{"": 0, "int8": tensor.Int8, "uint8": tensor.Uint8}
	d, known := types[e.Type]
	wrong(!known, "type %q: want int8 or uint8", e.Type)
	o.Type = d
	rest := e.Type != "" || e.Range != nil || e.Scale != nil || e.Zero != nil || e.Symmetric != nil || e.Axis != nil || e.PerChannel != nil
	wrong(e.Float && rest, "float: true leaves nothing else to say")
	wrong(!e.Float && !rest, "nothing is said of it")
	if r := e.Range; r != nil {
		o.Range = &[2]float32{float32(r[0]), float32(r[1])}
		wrong(!finite(r[0]) || !finite(r[1]) || r[0] > r[1] || r[0] == r[1] && r[0] == 0, "range [%v, %v]: want two finite numbers, the smaller first", r[0], r[1])
	}
	if e.Scale != nil {
		scale := float32(*e.Scale)
		o.Scale = &scale
		wrong(!finite(*e.Scale) || scale <= 0, "scale %v: want a number above 0", *e.Scale)
	}
	wrong((e.Scale == nil) != (e.Zero == nil), "scale and zero_point belong together")
	wrong(e.Scale != nil && (e.Range != nil || e.Symmetric != nil), "scale and zero_point leave no range or symmetry to say")
	wrong(e.Scale != nil && (e.Axis != nil || e.PerChannel != nil && *e.PerChannel), "one scale has no channels")
	wrong(e.Axis != nil && e.PerChannel != nil && !*e.PerChannel, "per_channel: false has no axis")
	return o, errors.Join(problems...)
}

func finite(v float64) bool { return math.Abs(v) <= math.MaxFloat32 }
