package quantize

import "math"

// entropyOf gives the range around zero whose quantized distribution diverges least from that of all values, those outside counted at its
// ends. levels is the number of quantized levels; there are as many candidates as half of the bins exceed half of the levels, and one more.
// Formulas of onnxruntime.quantization (microsoft/onnxruntime, python/tools/quantization/calibrate.py), whose defaults of 128 bins and 128
// levels leave one candidate: everything.
func entropyOf(b bins, levels int) [2]float32 {
	n := len(b.counts)
	zero := n / 2
	sums := make([]int64, n+1)
	for i, c := range b.counts {
		sums[i+1] = sums[i] + c
	}
	p, q, work := make([]int64, n), make([]int64, n), make([]float32, 2*n)
	best, low, high := math.Inf(1), 0, n
	for i := levels / 2; i <= zero; i++ {
		from, to := zero-i, min(zero+i+1, n)
		size := to - from
		copy(p, b.counts[from:to])
		p[0] += sums[from]
		p[size-1] += sums[n] - sums[to]
		coarsen(q[:size], p[:size], sums[from:to+1], levels)
		if d := float64(divergence(p[:size], q[:size], work)); d < best || i == levels/2 {
			best, low, high = d, from, to
		}
	}
	return b.within(b.edges[low], b.edges[high])
}

// coarsen gives every bin of a level the level's mean count over the bins that are not empty in p, in whole numbers. sums are running sums
// of the counts without what lies outside. Bins behind the last whole level are 0, though their counts are in it.
func coarsen(q, p, sums []int64, levels int) {
	width := len(q) / levels
	clear(q)
	for level := range levels {
		from, to := level*width, (level+1)*width
		end := to
		if level == levels-1 {
			end = len(q)
		}
		filled := int64(0)
		for _, c := range p[from:to] {
			if c != 0 {
				filled++
			}
		}
		if filled == 0 {
			continue
		}
		mean := (sums[end] - sums[from]) / filled
		for k := from; k < to; k++ {
			q[k] = mean
		}
	}
}

// divergence is the Kullback-Leibler divergence of p from q after smoothing, in float32; infinite where one of them is empty.
func divergence(p, q []int64, work []float32) float32 {
	smoothP, smoothQ := work[:len(p)], work[len(p):len(p)+len(q)]
	if !smooth(smoothP, p) || !smooth(smoothQ, q) {
		return float32(math.Inf(1))
	}
	sumP, sumQ := pairwise(smoothP), pairwise(smoothQ)
	lastP, lastQ, last := float32(0), float32(0), float32(0)
	for i, x := range smoothP {
		if y := smoothQ[i]; x != lastP || y != lastQ { // most bins far from zero are empty
			share := x / sumP
			lastP, lastQ, last = x, y, share*float32(math.Log(float64(share/(y/sumQ))))
		}
		smoothP[i] = last
	}
	return pairwise(smoothP)
}

// smooth takes a little from bins that are not empty and gives it to those that are. It fails where nothing is left to take from.
func smooth(out []float32, counts []int64) bool {
	const little = 0.0001
	filled := 0
	for _, c := range counts {
		if c != 0 {
			filled++
		}
	}
	if filled == 0 {
		return false
	}
	taken := little * float64(len(counts)-filled) / float64(filled)
	if taken >= 1 {
		return false
	}
	for i, c := range counts {
		if c == 0 {
			out[i] = float32(little)
		} else {
			out[i] = float32(c) + float32(-taken)
		}
	}
	return true
}

// pairwise adds in numpy's order: blocks of up to 128 in eight sums, halves beyond (numpy/numpy, numpy/_core/src/umath/loops_utils.h.src).
func pairwise(v []float32) float32 {
	const unrolled, block = 8, 128
	switch {
	case len(v) < unrolled:
		sum := float32(0)
		for _, x := range v {
			sum += x
		}
		return sum
	case len(v) <= block:
		r := [unrolled]float32(v[:unrolled])
		i := unrolled
		for ; i+unrolled <= len(v); i += unrolled {
			for k := range unrolled {
				r[k] += v[i+k]
			}
		}
		sum := ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
		for ; i < len(v); i++ {
			sum += v[i]
		}
		return sum
	}
	half := len(v) / 2
	half -= half % unrolled
	return pairwise(v[:half]) + pairwise(v[half:])
}
