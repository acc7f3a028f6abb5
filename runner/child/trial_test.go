package child

import (
	"errors"
	"testing"
	"time"

	"assay/loadgen"
	"assay/results"
)

func TestWhatIsSaidWhereNothingEndedWell(t *testing.T) {
	planted := errors.New("planted")
	for want, c := range map[string]results.Counts{
		"every request failed: planted": {Scheduled: 9, Failed: 9},
		"none of 9 requests ended well: 7 timed out, 2 failed; the first error: planted":                 {Scheduled: 9, Failed: 2, Timeout: 7},
		"none of 9 requests ended well: 4 timed out, 2 failed, 3 were dropped; the first error: planted": {Scheduled: 9, Failed: 2, Timeout: 4, Dropped: 3},
	} {
		if err := nothingEnded(loadgen.Outcome{Counts: c, FirstError: planted}); err == nil || err.Error() != want || !errors.Is(err, planted) {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
	for _, c := range []results.Counts{{Scheduled: 9, Timeout: 9}, {Scheduled: 9, OK: 1, Failed: 8}, {Scheduled: 9, Dropped: 9}} {
		if err := nothingEnded(loadgen.Outcome{Counts: c, FirstError: planted}); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestHangLimit(t *testing.T) {
	for _, c := range []struct{ first, timeout, patience, want time.Duration }{
		{0, 0, 0, time.Minute},
		{10 * time.Second, 0, 0, 200 * time.Second},
		{time.Millisecond, 100 * time.Millisecond, 0, 10 * time.Second},
		{time.Second, 100 * time.Millisecond, 0, 20 * time.Second},
		{time.Millisecond, 2 * time.Second, 0, 40 * time.Second},
		{time.Millisecond, 5 * time.Second, 0, time.Minute},
		{time.Millisecond, 1 << 62, 0, time.Minute},
		{time.Millisecond, 100 * time.Millisecond, 4 * time.Second, 2 * time.Second},
	} {
		r := trial{first: int64(c.first), config: Config{Load: results.Load{Timeout: c.timeout}, Patience: c.patience}}
		if got := r.hangLimit(); got != c.want {
			t.Errorf("first inference %v, timeout %v, patience %v: %v, want %v", c.first, c.timeout, c.patience, got, c.want)
		}
	}
}
