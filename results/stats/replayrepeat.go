package stats

import (
	"math"
	"math/rand/v2"
)

// Repeat replays arrivals as they were, so many times under fresh draws, and counts how many requests are late each time: take longer than the
// limit, or fail. due are their instants in seconds, ascending; the first lead of them only fill the queue and are not counted.
func (r *Replay) Repeat(due []float64, lead int, limit float64, times int, rng *rand.Rand) []int {
	late := make([]int, times)
	piece := r.calls.piece()
	for k := range late {
		q := newStation(r.servers)
		from, place := float32(0), piece
		for i, at := range due {
			if place++; place >= piece {
				from, place = rng.Float32(), 0
			}
			first, busy := q.next(at)
			length := r.calls.take(busy, rng.Float32(), from, place)
			isLate := q[first]-at > r.patience
			if !isLate {
				isLate = q.serve(first, at, math.Abs(length)) > limit || length < 0
			}
			if i >= lead && isLate {
				late[k]++
			}
		}
	}
	return late
}
