package quality

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"

	"assay/tensor"
)

// Row is what a classifier said of one example. Whether its scores are probabilities already is settled over all examples, by Scores: a
// single row of logits may add up to 1 by chance.
type Row struct {
	Class         int64
	Finite        bool
	scored        bool    // there are scores at all
	probabilities bool    // the row could be probabilities: none negative, sum 1
	top, softmax  float64 // of the predicted class: its score, and its share after a softmax
}

// Classes reads the predictions of a batch of n examples from a classifier's outputs: an integer output as it is, else the argmax over
// the last axis longer than 1 of the first float output.
func Classes(outputs []tensor.Value, n int) ([]Row, error) {
	for _, o := range outputs {
		if o.Kind == tensor.KindTensor && o.Tensor.DType.IsInt() && o.Tensor.Len() == int64(n) {
			return integers(o.Tensor)
		}
	}
	for _, o := range outputs {
		if o.Kind == tensor.KindTensor && o.Tensor.DType.IsFloat() {
			return argmax(o.Tensor, n)
		}
	}
	return nil, fmt.Errorf("no output is a prediction: a classifier gives integers or a float tensor of scores")
}

// Scores gives the probability of each row's class: its score where all rows are probabilities, else its share after a softmax; NaN
// where there are classes only.
func Scores(rows []Row) []float64 {
	probabilities := true
	for _, r := range rows {
		probabilities = probabilities && (r.probabilities || !r.Finite)
	}
	out := make([]float64, len(rows))
	for i, r := range rows {
		switch {
		case !r.scored:
			out[i] = math.NaN()
		case probabilities:
			out[i] = min(1, r.top)
		default:
			out[i] = r.softmax
		}
	}
	return out
}

func integers(t *tensor.Tensor) ([]Row, error) {
	values, err := numbers(t)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(values))
	for i, v := range values {
		rows[i] = Row{Class: int64(v), Finite: true}
	}
	return rows, nil
}

func argmax(t *tensor.Tensor, n int) ([]Row, error) {
	values, err := numbers(t)
	if err != nil {
		return nil, err
	}
	width := 1
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] > 1 {
			width = int(t.Shape[i])
			break
		}
	}
	if n == 0 || width*n != len(values) {
		return nil, fmt.Errorf("an output of shape %v is not one row of scores for each of %d examples", t.Shape, n)
	}
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = rowOf(values[i*width : (i+1)*width])
	}
	return rows, nil
}

// rowOf takes the first largest score.
func rowOf(scores []float64) Row {
	best, sum, low := 0, 0.0, math.Inf(1)
	for i, v := range scores {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Row{Class: -1, scored: true}
		}
		if v > scores[best] {
			best = i
		}
		sum += v
		low = min(low, v)
	}
	total := 0.0
	for _, v := range scores {
		total += math.Exp(v - scores[best])
	}
	return Row{Class: int64(best), Finite: true, scored: true, probabilities: len(scores) > 1 && low >= 0 && math.Abs(sum-1) < 1e-3, top: scores[best], softmax: 1 / total}
}

// numbers reads a tensor's elements.
func numbers(t *tensor.Tensor) ([]float64, error) {
	out := make([]float64, t.Len())
	d, le := t.Data, binary.LittleEndian
	for i := range out {
		switch t.DType {
		case tensor.Float32:
			out[i] = float64(math.Float32frombits(le.Uint32(d[4*i:])))
		case tensor.Float64:
			out[i] = math.Float64frombits(le.Uint64(d[8*i:]))
		case tensor.Float16:
			out[i] = float64(float16.Frombits(le.Uint16(d[2*i:])).Float32())
		case tensor.BFloat16:
			out[i] = float64(math.Float32frombits(uint32(le.Uint16(d[2*i:])) << 16))
		case tensor.Int64, tensor.Uint64:
			out[i] = float64(int64(le.Uint64(d[8*i:])))
		case tensor.Int32:
			out[i] = float64(int32(le.Uint32(d[4*i:])))
		case tensor.Uint32:
			out[i] = float64(le.Uint32(d[4*i:]))
		case tensor.Int16:
			out[i] = float64(int16(le.Uint16(d[2*i:])))
		case tensor.Uint16:
			out[i] = float64(le.Uint16(d[2*i:]))
		case tensor.Int8:
			out[i] = float64(int8(d[i]))
		case tensor.Uint8:
			out[i] = float64(d[i])
		default:
			return nil, fmt.Errorf("predictions of type %s cannot be read", t.DType)
		}
	}
	return out, nil
}

// Labels reads class labels from an integer array, or from a float one that holds whole numbers; a column of one is taken flat.
func Labels(t *tensor.Tensor) ([]int64, error) {
	if !t.DType.IsInt() && !t.DType.IsFloat() {
		return nil, fmt.Errorf("labels of type %s; want integers", t.DType)
	}
	if len(t.Shape) == 0 || t.Len() != t.Shape[0] {
		return nil, fmt.Errorf("labels of shape %v; want one for each example", t.Shape)
	}
	values, err := numbers(t)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(values))
	for i, v := range values {
		if v != math.Trunc(v) {
			return nil, fmt.Errorf("label %d is %v, not a whole number", i, v)
		}
		out[i] = int64(v)
	}
	return out, nil
}
