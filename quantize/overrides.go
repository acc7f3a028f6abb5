package quantize

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"assay/tensor"
)

// Override is what one tensor does otherwise than the options say. What is not set follows the options.
type Override struct {
	Tensor     string       // its name in the prepared graph
	Float      bool         `json:",omitempty"` // it stays float
	Type       tensor.DType `json:",omitzero"`  // int8 or uint8
	Range      *[2]float32  `json:",omitempty"` // the real values that the integers span, in place of calibration or of the data's extremes
	Scale      *float32     `json:",omitempty"` // with Zero, in place of a range
	Zero       *int32       `json:",omitempty"`
	Symmetric  *bool        `json:",omitempty"`
	Axis       *int         `json:",omitempty"` // of a weight's channels, from 0
	PerChannel *bool        `json:",omitempty"` // of a weight: false for one scale over all
}

// Overrides are the tensors that do otherwise, each once.
type Overrides []Override

// params are the parameters that an override fixes, false where it does not.
func (o *Override) params() (Params, bool) {
	if o == nil || o.Scale == nil || o.Zero == nil {
		return Params{}, false
	}
	return Params{Scale: *o.Scale, Zero: *o.Zero}, true
}

// fits refuses a zero point that an 8-bit type does not have.
func fits(p Params, d tensor.DType) error {
	if r := rangeOf(d, false, false); p.Zero < r.min || p.Zero > r.max {
		return fmt.Errorf("the override's zero point %d is none of %s, which has %d to %d", p.Zero, d, r.min, r.max)
	}
	return nil
}

// readOverrides refuses overrides of tensors that the model does not have.
func (s *selection) readOverrides() error {
	names := valueNames(s.model.Proto.Graph)
	var errs []error
	for i := range s.options.Overrides {
		o := &s.options.Overrides[i]
		if !names[o.Tensor] {
			errs = append(errs, fmt.Errorf("an override names tensor %q, which the prepared graph does not have%s", o.Tensor,
				hint(o.Tensor, slices.Sorted(maps.Keys(names)))))
			continue
		}
		if t := s.weight[o.Tensor]; t != nil && o.Axis != nil && (*o.Axis < 0 || *o.Axis >= len(t.Dims)) {
			errs = append(errs, fmt.Errorf("the override of tensor %q asks for channels along axis %d of %d axes", o.Tensor, *o.Axis, len(t.Dims)))
		}
		if s.weight[o.Tensor] == nil && (o.Axis != nil || o.PerChannel != nil) {
			errs = append(errs, fmt.Errorf("the override of tensor %q asks for channels, which only constants have", o.Tensor))
		}
		s.override[o.Tensor] = o
	}
	return errors.Join(errs...)
}

// staysFloat reports whether an override keeps a tensor float.
func (s *selection) staysFloat(name string) bool {
	o := s.override[name]
	return o != nil && o.Float
}

// ownParams reports whether an override says something of a tensor's parameters, so that it can share no other's.
func (s *selection) ownParams(name string) bool {
	o := s.override[name]
	return o != nil && (o.Type != 0 || o.Range != nil || o.Scale != nil || o.Symmetric != nil)
}

// overridden is a constant with its channels along the axis that an override asks for.
func (s *selection) overridden(c constant, rank int) constant {
	o := s.override[c.name]
	switch {
	case o == nil:
	case o.PerChannel != nil && !*o.PerChannel, o.Scale != nil:
		c.axis = -1
	case o.Axis != nil:
		c.axis = *o.Axis
	case o.PerChannel != nil && c.weight && rank > 1 && c.axis < 0:
		c.axis = 0
	}
	return c
}

// idleOverrides names the overridden tensors that are not quantized, so that their overrides changed nothing.
func (s *selection) idleOverrides() []string {
	var idle []string
	for _, o := range s.options.Overrides {
		if !o.Float && !s.quantized(o.Tensor) {
			idle = append(idle, o.Tensor)
		}
	}
	return idle
}
