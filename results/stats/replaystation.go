package stats

// station is a first-come first-served queue: when each of its servers is free.
type station []float64

func newStation(servers int) station { return make(station, servers) }

// next is the server that a request takes which comes at an instant, and how many servers are busy then.
func (q station) next(at float64) (first, busy int) {
	for s, f := range q {
		if f < q[first] {
			first = s
		}
		if f > at {
			busy++
		}
	}
	return first, busy
}

// serve keeps a server busy for so long and gives how long the request took from when it came.
func (q station) serve(server int, at, length float64) float64 {
	q[server] = max(at, q[server]) + length
	return q[server] - at
}
