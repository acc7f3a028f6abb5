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
	// Elements that are infinite or NaN: in one of the two while the other has something else, and alike in both. SQNR, Cosine and MaxAbs
	// leave them out.
	NonFinite, NonFiniteBoth int64
}

// compared is how many elements SQNR, Cosine and MaxAbs are of.
func (d Difference) compared() int64 { return d.Elements - d.NonFinite - d.NonFiniteBoth }

// MarshalJSON writes what is not a finite number as null: nothing differs, or nothing can be said. nonfinite counts the elements that are
// infinite or NaN in either of the two, nonfinite_both those that are alike in both.
func (d Difference) MarshalJSON() ([]byte, error) {
	finite := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	maxAbs := d.MaxAbs
	if d.Elements > 0 && d.compared() == 0 {
		maxAbs = math.NaN()
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
		Both      int64    `json:"nonfinite_both"`
	}{d.Name, finite(d.SQNR), finite(d.Cosine), finite(maxAbs), finite(d.Agreement), d.Elements, d.Identical, d.NonFinite + d.NonFiniteBoth, d.NonFiniteBoth})
}

// An Accumulator gathers the difference of one output over many requests. The zero value is ready; it is not safe for
// concurrent use.
//
// The prediction of a float output is the argmax over the last axis longer than 1 (axis 0 only where there is no other: it
// holds the examples); of any other output, each element. An output of one float an example has no prediction. Scores with a NaN among
// them predict nothing, so they agree with nothing, not even with a NaN.
type Accumulator struct {
	signal, noise     float64 // sums of squares of the reference, and of the difference
	dot, other        float64 // sum of products, and of squares of the other
	maxAbs            float64
	elements          int64
	different         int64 // elements that are not equal, non-finite ones among them
	nonFinite         int64 // in one of the two, and the other has something else
	nonFiniteBoth     int64
	predictions, same int64 // those of a NaN are in predictions alone
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
	equal := x == y || math.IsNaN(x) && math.IsNaN(y)
	if !equal {
		a.different++
	}
	switch {
	case isFinite(x) && isFinite(y):
	case equal:
		a.nonFiniteBoth++
		return
	default:
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
		Name: name, Elements: a.elements, NonFinite: a.nonFinite, NonFiniteBoth: a.nonFiniteBoth, MaxAbs: a.maxAbs, Identical: a.different == 0,
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

// argmax returns the index of the largest value along the axis for every other index, in row-major order; the first of equals, and NaN
// where one of the values is.
func argmax(v []float64, shape []int64, axis int) []float64 {
	n, inner := int(shape[axis]), 1
	for _, d := range shape[axis+1:] {
		inner *= int(d)
	}
	rows := make([]float64, 0, len(v)/n)
	for outer := 0; outer < len(v); outer += n * inner {
		for k := range inner {
			best, top := 0.0, v[outer+k]
			for i := 1; i < n; i++ {
				if x := v[outer+i*inner+k]; x > top || math.IsNaN(x) {
					best, top = float64(i), x
				}
			}
			if math.IsNaN(top) {
				best = top
			}
			rows = append(rows, best)
		}
	}
	return rows
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
