package check

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"assay/tensor"
)

// A Difference says how far one model's output is from another's, the reference's, over everything that was compared.
// A figure that is not defined is NaN, and null in JSON.
type Difference struct {
	Name string
	// SQNR is the signal to quantization noise ratio in dB: 10 log10 of the reference's energy over the energy of the
	// difference. +Inf where nothing differs, -Inf where the reference is zero and the other is not.
	SQNR      float64
	Cosine    float64 // of the angle between the two as vectors; NaN where one of them is zero
	MaxAbs    float64 // the largest absolute difference, in the output's own unit
	Agreement float64 // share of equal predictions, 0 to 1; see Accumulator
	Elements  int64   // elements compared
	Identical bool    // not one element differs
	NonFinite int64   // elements that are infinite or NaN in one of the two alone; the other figures leave them out
}

// MarshalJSON writes what is not a finite number as null: nothing differs, or nothing can be said.
func (d Difference) MarshalJSON() ([]byte, error) {
	finite := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Name      string   `json:"name"`
		SQNR      *float64 `json:"sqnr_db"`
		Cosine    *float64 `json:"cosine"`
		MaxAbs    *float64 `json:"max_abs"`
		Agreement *float64 `json:"agreement"`
		Elements  int64    `json:"elements"`
		Identical bool     `json:"identical"`
		NonFinite int64    `json:"nonfinite"`
	}{d.Name, finite(d.SQNR), finite(d.Cosine), finite(d.MaxAbs), finite(d.Agreement), d.Elements, d.Identical, d.NonFinite})
}

// An Accumulator gathers the difference of one output over many requests. The zero value is ready; it is not safe for
// concurrent use.
//
// The prediction of a float output is the argmax over the last axis longer than 1 (axis 0 only where there is no other: it
// holds the examples); of any other output, each element. An output of one float an example has no prediction.
type Accumulator struct {
	signal, noise     float64 // sums of squares of the reference, and of the difference
	dot, other        float64 // sum of products, and of squares of the other
	maxAbs            float64
	elements          int64
	different         int64 // elements that are not equal, non-finite ones among them
	nonFinite         int64
	predictions, same int64
}

// Add takes one request's tensors of one output. They must have the same type of number and the same shape.
func (a *Accumulator) Add(reference, other *tensor.Tensor) error {
	if !slices.Equal(reference.Shape, other.Shape) {
		return fmt.Errorf("shapes differ: %v and %v", reference.Shape, other.Shape)
	}
	if reference.DType == tensor.String || other.DType == tensor.String {
		return a.addStrings(reference, other)
	}
	x, err := numbers(reference)
	if err != nil {
		return err
	}
	y, err := numbers(other)
	if err != nil {
		return err
	}
	for i := range x {
		a.addElement(x[i], y[i])
	}
	if !reference.DType.IsFloat() {
		a.predict(x, y)
		return nil
	}
	axis := predictionAxis(reference.Shape)
	if axis >= 0 {
		a.predict(argmax(x, reference.Shape, axis), argmax(y, reference.Shape, axis))
	}
	return nil
}

func (a *Accumulator) addElement(x, y float64) {
	a.elements++
	if x == y || math.IsNaN(x) && math.IsNaN(y) {
		if isFinite(x) {
			a.signal += x * x
			a.other += x * x
			a.dot += x * x
		}
		return
	}
	a.different++
	if !isFinite(x) || !isFinite(y) {
		a.nonFinite++
		return
	}
	d := x - y
	a.noise += d * d
	a.signal += x * x
	a.other += y * y
	a.dot += x * y
	a.maxAbs = max(a.maxAbs, math.Abs(d))
}

func (a *Accumulator) addStrings(reference, other *tensor.Tensor) error {
	if reference.DType != other.DType {
		return fmt.Errorf("types differ: %s and %s", reference.DType, other.DType)
	}
	for i, s := range reference.Strings {
		a.elements++
		a.predictions++
		if s == other.Strings[i] {
			a.same++
		} else {
			a.different++
		}
	}
	return nil
}

func (a *Accumulator) predict(x, y []float64) {
	for i := range x {
		a.predictions++
		if x[i] == y[i] {
			a.same++
		}
	}
}

// Result is the difference over everything added so far.
func (a *Accumulator) Result(name string) Difference {
	return Difference{
		Name: name, Elements: a.elements, NonFinite: a.nonFinite, MaxAbs: a.maxAbs, Identical: a.different == 0,
		SQNR:      sqnr(a.signal, a.noise),
		Cosine:    cosine(a.dot, a.signal, a.other, a.noise),
		Agreement: float64(a.same) / float64(a.predictions), // 0/0 is NaN: no prediction
	}
}

// Compare is the difference of one pair of tensors.
func Compare(name string, reference, other *tensor.Tensor) (Difference, error) {
	var a Accumulator
	if err := a.Add(reference, other); err != nil {
		return Difference{}, fmt.Errorf("compare %s: %w", name, err)
	}
	return a.Result(name), nil
}

func sqnr(signal, noise float64) float64 {
	if noise == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(signal/noise)
}

// cosine keeps the rounding of three sums from making identical vectors differ or the result leave [-1, 1].
func cosine(dot, x, y, noise float64) float64 {
	switch {
	case x == 0 || y == 0:
		return math.NaN()
	case noise == 0:
		return 1
	}
	return max(-1, min(1, dot/math.Sqrt(x)/math.Sqrt(y)))
}

// predictionAxis is the last axis longer than 1, -1 where there is none.
func predictionAxis(shape []int64) int {
	for i := len(shape) - 1; i >= 1; i-- {
		if shape[i] > 1 {
			return i
		}
	}
	if len(shape) == 1 && shape[0] > 1 {
		return 0
	}
	return -1
}

// argmax returns the index of the largest value along the axis for every other index, in row-major order; the first of equals.
func argmax(v []float64, shape []int64, axis int) []float64 {
	n, inner := int(shape[axis]), 1
	for _, d := range shape[axis+1:] {
		inner *= int(d)
	}
	rows := make([]float64, 0, len(v)/n)
	for outer := 0; outer < len(v); outer += n * inner {
		for k := range inner {
			best := 0
			for i := 1; i < n; i++ {
				if v[outer+i*inner+k] > v[outer+best*inner+k] {
					best = i
				}
			}
			rows = append(rows, float64(best))
		}
	}
	return rows
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
