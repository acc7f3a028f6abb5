package live

import "time"

// pace estimates how long a run still takes from the trials that it has seen end.
type pace struct {
	planned, done int
	expected      time.Duration // of a trial before any has ended; 0 where nobody knows
	seen          int
	spent         time.Duration
	began         time.Time // of the trial in progress
}

func (p *pace) begin(now time.Time) { p.began = now }

func (p *pace) end(now time.Time) {
	if !p.began.IsZero() {
		p.spent += now.Sub(p.began)
		p.seen++
	}
	p.done++
	p.began = time.Time{}
}

// left is the mean trial's length, or the expected one before a trial has ended, times the trials left, less what the one in progress has had.
func (p *pace) left(now time.Time) (time.Duration, bool) {
	mean := p.expected
	if p.seen > 0 {
		mean = p.spent / time.Duration(p.seen)
	}
	if mean == 0 || p.done > p.planned {
		return 0, false
	}
	left := time.Duration(p.planned-p.done) * mean
	if !p.began.IsZero() {
		left -= min(now.Sub(p.began), mean)
	}
	return max(left, 0), true
}
