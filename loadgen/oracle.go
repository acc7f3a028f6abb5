package loadgen

import "container/heap"

// An Oracle says how long each request of a first-come first-served queue waits, given when it is due and how long its service takes: the
// recursion of Kiefer and Wolfowitz (of Lindley with one server). Instants and lengths are in nanoseconds. It is not safe for concurrent use.
type Oracle struct{ free freeTimes }

// NewOracle returns the oracle of a queue with as many servers as instants are given, each free from then on.
func NewOracle(free ...int64) *Oracle {
	o := &Oracle{free: append(freeTimes(nil), free...)}
	heap.Init(&o.free)
	return o
}

// Wait returns the wait of the next request; requests come in the order in which they are due.
func (o *Oracle) Wait(due, service int64) int64 {
	start := max(due, o.free[0])
	o.free[0] = start + service
	heap.Fix(&o.free, 0)
	return start - due
}

// freeTimes is a heap of when servers are free.
type freeTimes []int64

func (f freeTimes) Len() int           { return len(f) }
func (f freeTimes) Less(i, j int) bool { return f[i] < f[j] }
func (f freeTimes) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *freeTimes) Push(any)          {} // the number of servers does not change
func (f *freeTimes) Pop() any          { return nil }
