package loadgen

// gapFloor is the least lateness of the control loop, which wakes every 20 ms, that counts as the process not having run: a busy host
// makes sleepers some milliseconds late, a stopped process or machine makes all of them late at once.
const gapFloor = int64(50e6)

// gaps adds up when the process did not run although it wanted to: stopped by a signal, with its machine, or starved of processors. It
// is used from one goroutine.
type gaps struct {
	total, longest int64
}

// woke takes when the control loop wanted to go on, and when it did; what lies outside of measure does not count.
func (s *gaps) woke(wanted, did, start, end int64) {
	gap := min(did, end) - max(wanted, start)
	if start == notYet || gap < gapFloor {
		return
	}
	s.total += gap
	s.longest = max(s.longest, gap)
}
