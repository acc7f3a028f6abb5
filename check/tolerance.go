package check

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"assay/tensor"
)

// Tolerance says how far a float may be from the expected one: Absolute + Scaled x the largest finite magnitude expected in
// the tensor + Relative x the expected magnitude. Everything but floats must be equal. NaN equals NaN, an infinity itself.
type Tolerance struct {
	Relative float64 `json:"rtol"`
	Absolute float64 `json:"atol"`
	Scaled   float64 `json:"atol_scaled"`
}

// DefaultTolerance scales with the tensor: transforms leave an error of the largest element's last digits on the smallest.
var DefaultTolerance = Tolerance{Relative: 1e-3, Scaled: 1e-5}

// differenceError says where an output is not the expected one.
type differenceError struct{ text string }

func (e *differenceError) Error() string { return e.text }

func differ(format string, args ...any) error { return &differenceError{fmt.Sprintf(format, args...)} }

// Value compares an output with the expected one. The error says where they differ; nil means that they do not.
func (t Tolerance) Value(got, want tensor.Value) error {
	if got.Kind != want.Kind {
		return differ("it is %s, expected is %s", kindName(got.Kind), kindName(want.Kind))
	}
	switch want.Kind {
	case tensor.KindTensor:
		return t.Tensor(got.Tensor, want.Tensor)
	case tensor.KindSequence:
		if len(got.Items) != len(want.Items) {
			return differ("the sequence has %d items, expected are %d", len(got.Items), len(want.Items))
		}
		for i := range want.Items {
			if err := t.Value(got.Items[i], want.Items[i]); err != nil {
				return differ("item %d: %v", i, err)
			}
		}
	case tensor.KindMap:
		return t.mapping(got, want)
	}
	return nil
}

func kindName(k tensor.Kind) string {
	return map[tensor.Kind]string{tensor.KindTensor: "a tensor", tensor.KindSequence: "a sequence", tensor.KindMap: "a map",
		tensor.KindOptional: "an empty optional"}[k]
}

// mapping compares maps by key, whatever the order.
func (t Tolerance) mapping(got, want tensor.Value) error {
	if got.Keys.DType != want.Keys.DType || got.Keys.Len() != want.Keys.Len() {
		return differ("the map has %d keys of %s, expected are %d of %s", got.Keys.Len(), got.Keys.DType, want.Keys.Len(), want.Keys.DType)
	}
	sorted := func(v tensor.Value) (*tensor.Tensor, *tensor.Tensor) {
		order := make([]int, v.Keys.Len())
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return compareKeys(v.Keys, a, b) })
		return pick(v.Keys, order), pick(v.Values, order)
	}
	gotKeys, gotValues := sorted(got)
	wantKeys, wantValues := sorted(want)
	if err := t.Tensor(gotKeys, wantKeys); err != nil {
		return differ("keys of the map: %v", err)
	}
	if err := t.Tensor(gotValues, wantValues); err != nil {
		return differ("values of the map by sorted key: %v", err)
	}
	return nil
}

// compareKeys orders map keys, which are strings or integers.
func compareKeys(keys *tensor.Tensor, a, b int) int {
	if keys.DType == tensor.String {
		return slices.Compare([]byte(keys.Strings[a]), []byte(keys.Strings[b]))
	}
	return slices.Compare(element(keys, a), element(keys, b))
}

func element(t *tensor.Tensor, i int) []byte {
	size := t.DType.Bits() / 8
	return t.Data[i*size : (i+1)*size]
}

// pick returns a vector of the elements in the order given. Map values are of whole bytes.
func pick(t *tensor.Tensor, order []int) *tensor.Tensor {
	p := &tensor.Tensor{DType: t.DType, Shape: []int64{int64(len(order))}}
	for _, i := range order {
		if t.DType == tensor.String {
			p.Strings = append(p.Strings, t.Strings[i])
		} else {
			p.Data = append(p.Data, element(t, i)...)
		}
	}
	return p
}

// Tensor compares two tensors.
func (t Tolerance) Tensor(got, want *tensor.Tensor) error {
	if got.DType != want.DType {
		return differ("its type is %s, expected is %s", got.DType, want.DType)
	}
	if !slices.Equal(got.Shape, want.Shape) {
		return differ("its shape is %v, expected is %v", got.Shape, want.Shape)
	}
	switch want.DType {
	case tensor.String:
		for i, s := range want.Strings {
			if got.Strings[i] != s {
				return differ("%q at %v, expected is %q", got.Strings[i], position(i, want.Shape), s)
			}
		}
		return nil
	case tensor.Int64, tensor.Uint64: // past 2^53 a float64 does not tell them apart
		for i := range int(want.Len()) {
			if g, w := element(got, i), element(want, i); !slices.Equal(g, w) {
				return differ("%s at %v, expected is %s", integer(want.DType, g), position(i, want.Shape), integer(want.DType, w))
			}
		}
		return nil
	}
	return t.floats(got, want)
}

func integer(d tensor.DType, b []byte) string {
	v := binary.LittleEndian.Uint64(b)
	if d == tensor.Int64 {
		return fmt.Sprint(int64(v))
	}
	return fmt.Sprint(v)
}

// floats compares numbers element by element; only floats have a tolerance.
func (t Tolerance) floats(got, want *tensor.Tensor) error {
	g, err := numbers(got)
	if err != nil {
		return fmt.Errorf("read the output: %w", err)
	}
	w, err := numbers(want)
	if err != nil {
		return fmt.Errorf("read the expected output: %w", err)
	}
	if !want.DType.IsFloat() && want.DType != tensor.Complex64 && want.DType != tensor.Complex128 {
		t = Tolerance{}
	}
	floor := t.Absolute + t.Scaled*largest(w)
	count, worst, excess := 0, 0, math.Inf(-1)
	for i := range w {
		allowed := floor + t.Relative*math.Abs(w[i])
		d := math.Abs(g[i] - w[i])
		switch {
		case g[i] == w[i] || math.IsNaN(g[i]) && math.IsNaN(w[i]):
			continue
		case math.IsNaN(d) || math.IsInf(d, 0):
			d, allowed = math.Inf(1), 0
		case d <= allowed:
			continue
		}
		count++
		if d-allowed > excess {
			worst, excess = i, d-allowed
		}
	}
	if count == 0 {
		return nil
	}
	at := worst
	if len(w) > 0 && int64(len(w)) == 2*want.Len() {
		at = worst / 2 // of a complex number, whose parts are compared one by one
	}
	return differ("%d of %d elements differ, most at %v: %.9g, expected is %.9g, allowed is a difference of %.3g",
		count, len(w), position(at, want.Shape), g[worst], w[worst], floor+t.Relative*finiteAbs(w[worst]))
}

func finiteAbs(v float64) float64 {
	if !isFinite(v) {
		return 0
	}
	return math.Abs(v)
}

// largest is the largest finite magnitude, 0 of nothing.
func largest(v []float64) (m float64) {
	for _, x := range v {
		m = max(m, finiteAbs(x))
	}
	return m
}

// position turns a row-major index into one index an axis.
func position(i int, shape []int64) []int64 {
	at := make([]int64, len(shape))
	for axis := len(shape) - 1; axis >= 0; axis-- {
		at[axis] = int64(i) % shape[axis]
		i /= int(shape[axis])
	}
	return at
}
