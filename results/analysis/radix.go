package analysis

import "slices"

const (
	digitBits   = 11
	digitCount  = (64 + digitBits - 1) / digitBits
	fewIntegers = 1 << 10 // below, the counts cost more than comparisons
)

// sortIntegers puts values in ascending order, by their digits from the last to the first: a pass over them for each digit in which they differ, 3 for
// times of up to 8 s. scratch is as long as values; what it holds is lost.
func sortIntegers(values, scratch []int64) {
	if len(values) < fewIntegers {
		slices.Sort(values)
		return
	}
	const sign = 1 << 63 // turned, it makes negative values the small ones
	differ := uint64(0)
	for _, v := range values {
		differ |= uint64(v) ^ uint64(values[0])
	}
	from, to := values, scratch[:len(values)]
	for digit := range digitCount {
		shift := digit * digitBits
		if differ>>shift == 0 {
			break
		}
		if differ>>shift&(1<<digitBits-1) == 0 {
			continue
		}
		var place [1 << digitBits]int
		for _, v := range from {
			place[(uint64(v)^sign)>>shift&(1<<digitBits-1)]++
		}
		next := 0
		for i, n := range place {
			place[i] = next
			next += n
		}
		for _, v := range from {
			d := (uint64(v) ^ sign) >> shift & (1<<digitBits - 1)
			to[place[d]] = v
			place[d]++
		}
		from, to = to, from
	}
	if &from[0] != &values[0] {
		copy(values, from)
	}
}
