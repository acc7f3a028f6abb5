package quantize

import (
	"math"
	"sync"
)

// columnSpans widens lows and highs, of each column of a matrix, by its values, and reports whether all of them are finite. Rows are read one
// after another, by as many cores as there are.
func columnSpans(values, lows, highs []float32) bool {
	columns := len(lows)
	var mu sync.Mutex
	finite := true
	parallel(rowsOf(values, columns), rowGrain(columns), func(from, to int) {
		low, high := make([]float32, columns), make([]float32, columns)
		ok := widenColumns(values[from*columns:to*columns], low, high)
		mu.Lock()
		defer mu.Unlock()
		for i := range lows {
			lows[i], highs[i] = min(lows[i], low[i]), max(highs[i], high[i])
		}
		finite = finite && ok
	})
	return finite
}

// widenRowPlainly takes one row in. A difference of a value and itself is 0 where the value is finite, and NaN where it is not.
func widenRowPlainly(row, low, high []float32) bool {
	low, high = low[:len(row)], high[:len(row)]
	var odd float32
	for i, x := range row {
		odd += x - x
		if x < low[i] {
			low[i] = x
		}
		if x > high[i] {
			high[i] = x
		}
	}
	return odd == 0
}

// quantizeColumns writes the integers of a matrix whose columns have parameters of their own, with the bits of quantizeInto, on all cores.
func quantizeColumns(out []byte, values []float32, p *parts) {
	columns := len(p.scales)
	parallel(rowsOf(values, columns), rowGrain(columns), func(from, to int) {
		quantizeByColumn(out[from*columns:to*columns], values[from*columns:to*columns], p)
	})
}

func quantizeByColumnPlainly(out []byte, values []float32, p *parts) {
	columns := len(p.scales)
	full := fullRange(p.kind)
	shifts := make([]int32, columns)
	for i, z := range p.zeros {
		shifts[i] = z - full.min - int32(math.Float32bits(rounder))
	}
	low := byte(full.min)
	for ; len(values) >= columns; values, out = values[columns:], out[columns:] {
		scales, shifts := p.scales[:columns], shifts[:columns]
		for i, v := range values[:columns] {
			code := uint32(int32(math.Float32bits(v/scales[i]+rounder)) + shifts[i])
			if code > math.MaxUint8 {
				quantizeInto(out[i:i+1], values[i:i+1], Params{scales[i], p.zeros[i]}, p.kind)
				continue
			}
			out[i] = byte(code) ^ low
		}
	}
}

func rowsOf(values []float32, columns int) int {
	if columns == 0 {
		return 0
	}
	return len(values) / columns
}

// rowGrain is how many rows of a matrix are worth a part of their own.
func rowGrain(columns int) int { return max(1, 1<<14/max(columns, 1)) }

// turn exchanges the rows and columns of each of a stack of matrices of bytes.
func turn(q []byte, rows, columns int) []byte {
	const tile = 64 // whose cells stay in the nearest cache
	out := make([]byte, len(q))
	for from := 0; from < len(q); from += rows * columns {
		in, out := q[from:from+rows*columns], out[from:from+rows*columns]
		parallel(rows, tile, func(first, last int) {
			for j := 0; j < columns; j += tile {
				for i := first; i < last; i++ {
					for k, v := range in[i*columns+j : i*columns+min(j+tile, columns)] {
						out[(j+k)*rows+i] = v
					}
				}
			}
		})
	}
	return out
}
