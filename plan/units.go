package plan

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxDuration bounds what one trial or warm-up may take; more is a slip of the pen.
const maxDuration = 24 * time.Hour

// Duration is a time greater than zero, written with its unit: 5s, 20ms, 1m30s.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	if v == 0 {
		return errors.New("must be greater than zero")
	}
	*d = Duration(v)
	return nil
}

// Wait is a time of zero or more, written with its unit.
type Wait time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Wait) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	*w = Wait(v)
	return err
}

// ParseDuration reads a time of 0 to 24 hours with its unit: 5s, 20ms, 1m30s. A number without a unit is refused.
func ParseDuration(text string) (time.Duration, error) {
	if finite(text) {
		return 0, fmt.Errorf("%s has no unit; write %ss or %sms", text, text, text)
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration; write it like 5s, 20ms or 1m30s", text)
	case d < 0:
		return 0, fmt.Errorf("%s is negative", text)
	case d > maxDuration:
		return 0, fmt.Errorf("%s is more than a day", text)
	}
	return d, nil
}

// finite reports whether a text is a number without a unit.
func finite(text string) bool {
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// Rate is how fast requests are sent: absolute, or a share of a closed-loop rate. The zero Rate is none.
type Rate struct {
	PerSecond float64 // requests
	Share     float64 // 0.6 for 60% of the baseline variant's closed-loop rate
	Own       bool    // the share is of each arm's own rate
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// ParseRate reads 200/s, 30/min, 60% or 60%own.
func ParseRate(text string) (Rate, error) {
	const usage = "write it like 200/s, 60% or 60%own"
	if finite(text) {
		return Rate{}, fmt.Errorf("rate %s has no unit; write %s/s for requests a second, or %s%% of what the baseline can do", text, text, text)
	}
	for _, unit := range []struct {
		suffix string
		rate   func(v float64) Rate
	}{
		{"/s", func(v float64) Rate { return Rate{PerSecond: v} }},
		{"/min", func(v float64) Rate { return Rate{PerSecond: v / 60} }},
		{"%own", func(v float64) Rate { return Rate{Share: v / 100, Own: true} }},
		{"%", func(v float64) Rate { return Rate{Share: v / 100} }},
	} {
		number, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		v, err := parsePositive(number)
		if err != nil {
			return Rate{}, fmt.Errorf("rate %q: %w; %s", text, err, usage)
		}
		r := unit.rate(v)
		if r.PerSecond > 1e7 || r.Share > 10 {
			return Rate{}, fmt.Errorf("rate %q is more than 10 million requests a second or ten times what the arm can do", text)
		}
		return r, nil
	}
	return Rate{}, fmt.Errorf("%q is no rate; %s", text, usage)
}

// String is the inverse of ParseRate.
func (r Rate) String() string {
	switch {
	case r.Share > 0 && r.Own:
		return formatNumber(r.Share*100) + "%own"
	case r.Share > 0:
		return formatNumber(r.Share*100) + "%"
	case r.PerSecond > 0:
		return formatNumber(r.PerSecond) + "/s"
	}
	return ""
}

// Count is a whole number of 1 or more.
type Count int

// maxCount bounds counts; more is a slip of the pen, and more requests than a trial records.
const maxCount = 1 << 26

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Count) UnmarshalText(text []byte) error {
	v, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && v > maxCount:
		return fmt.Errorf("%s is more than %d", text, maxCount)
	case err != nil:
		return fmt.Errorf("%q is no whole number", text)
	case v < 1:
		return fmt.Errorf("%d is less than 1", v)
	}
	*c = Count(v)
	return nil
}

var quantityPattern = regexp.MustCompile(`^([0-9.]+(?:[eE][+-]?[0-9]+)?)([^0-9.]*)$`)

// units gives each unit of a quantity, durations apart, its base unit and factor.
var units = map[string]struct {
	base   string
	factor float64
}{
	"/s": {"1/s", 1},
	"B":  {"B", 1}, "kB": {"B", 1e3}, "MB": {"B", 1e6}, "GB": {"B", 1e9}, "KiB": {"B", 1 << 10}, "MiB": {"B", 1 << 20}, "GiB": {"B", 1 << 30},
	"J": {"J", 1}, "mJ": {"J", 1e-3}, "uJ": {"J", 1e-6}, "kJ": {"J", 1e3},
	"%": {"ratio", 0.01}, "pp": {"pp", 0.01}, "x": {"x", 1},
}

// parseQuantity reads a number with its unit and returns it in the base unit: s, 1/s, B, J, ratio (from %), pp (as a fraction), x, or
// "" where no unit is written.
func parseQuantity(text string) (value float64, base string, err error) {
	if d, err := time.ParseDuration(text); err == nil && text != "0" && d >= 0 {
		return d.Seconds(), "s", nil
	}
	m := quantityPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, "", fmt.Errorf("%q is no number with a unit", text)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, "", fmt.Errorf("%q is no number with a unit", text)
	}
	if m[2] == "" {
		return v, "", nil
	}
	u, ok := units[m[2]]
	if !ok {
		return 0, "", fmt.Errorf("%q: unknown unit %q", text, m[2])
	}
	return v * u.factor, u.base, nil
}

func parsePositive(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
		return 0, fmt.Errorf("%q is no number", text)
	case v <= 0:
		return 0, errors.New("must be greater than zero")
	}
	return v, nil
}

// formatNumber prints a number in its shortest decimal form, rounded to 12 digits so that 0.29*100 is 29.
func formatNumber(v float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		rounded = v
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
