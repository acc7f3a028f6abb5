package live

import "time"

// pace estimates how long a run still takes from the trials that it has seen end.
type pace struct {
	planned, done int
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

// left is the mean trial's length times the trials left, less what the one in progress has had; not known before a trial has ended.
func (p *pace) left(now time.Time) (time.Duration, bool) {
	if p.seen == 0 || p.done > p.planned {
		return 0, false
	}
	mean := p.spent / time.Duration(p.seen)
	left := time.Duration(p.planned-p.done) * mean
	if !p.began.IsZero() {
		left -= min(now.Sub(p.began), mean)
	}
	return max(left, 0), true
}
