package live

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/loadgen"
)

// loadState is what a trial's load has done, and how fast it went of late.
type loadState struct {
	now  *loadgen.Progress // nil before the load began
	rate float64           // requests a second since the progress before
}

func (s *loadState) update(l *loadgen.Progress) {
	last := int64(0)
	done := l.OK + l.Failed
	if s.now != nil {
		last = s.now.NS
		done -= min(done, s.now.OK+s.now.Failed)
	}
	if l.NS > last {
		s.rate = float64(done) / (float64(l.NS-last) / 1e9)
	}
	s.now = l
}

// part is a piece of a line; where the line is too long, those that matter least go first.
type part struct {
	text    string
	matters int
}

// fit joins the parts that a line of so many columns has room for.
func fit(parts []part, columns int) string {
	for least := 0; ; least++ {
		var texts []string
		for _, p := range parts {
			if p.text != "" && p.matters >= least {
				texts = append(texts, p.text)
			}
		}
		text := strings.Join(texts, "  ")
		if len([]rune(text)) <= columns || len(texts) <= 1 {
			return text
		}
	}
}

// parts are the load's figures: quantiles of latency so far, of how late requests were issued, and what waits.
func (s *loadState) parts() []part {
	l := s.now
	if l == nil || l.OK+l.Failed == 0 {
		return nil
	}
	parts := []part{{fmt.Sprintf("%d measured", l.OK+l.Failed), 1}} // warm-up's are not counted
	if s.rate > 0 {
		parts = append(parts, part{rateText(s.rate), 8})
	}
	if l.Failed > 0 {
		parts = append(parts, part{fmt.Sprintf("%d lost", l.Failed), 10})
	}
	parts = append(parts, part{fmt.Sprintf("%d in flight", l.Outstanding), 2})
	if l.P99 > 0 {
		parts = append(parts, part{"p50 " + rough(l.P50), 3}, part{"p99 " + rough(l.P99), 9})
	}
	if slices.Max(l.Late[:]) > 0 {
		parts = append(parts, part{"late p99 " + rough(l.LateP99), 2})
	}
	return parts
}

// latencies are the quantiles of a trial that has ended, for its line in a log.
func (s *loadState) latencies() string {
	if s.now == nil || s.now.P99 == 0 {
		return ""
	}
	return fmt.Sprintf(", p50 %s, p99 %s", rough(s.now.P50), rough(s.now.P99))
}

func rateText(perSecond float64) string {
	if perSecond >= 100 {
		return fmt.Sprintf("%.0f/s", perSecond)
	}
	return fmt.Sprintf("%.3g/s", perSecond)
}

// rough prints a duration with two digits.
func rough(seconds float64) string {
	d := time.Duration(seconds * 1e9)
	for unit := time.Nanosecond; ; unit *= 10 {
		if d < 100*unit {
			return strings.Replace(d.Round(unit).String(), "µ", "u", 1)
		}
	}
}
