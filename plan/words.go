package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The words that experiments are written with. Each type's UnmarshalText refuses others and names the nearest.
type (
	Scenario      string // single-stream, ...
	Scheme        string // of quantization
	Method        string // of calibration
	Activation    string // the type of quantized activations
	Prepare       string // whether a graph is folded before quantization
	QualityMetric string // of a task
	Sampling      string // of inputs
)

// The scenarios, as MLPerf defines them; Concurrency keeps N requests outstanding.
const (
	SingleStream Scenario = "single-stream"
	MultiStream  Scenario = "multi-stream"
	Server       Scenario = "server"
	Offline      Scenario = "offline"
	Concurrency  Scenario = "concurrency"
)

var (
	scenarios      = []string{string(SingleStream), string(MultiStream), string(Server), string(Offline), string(Concurrency)}
	schemes        = []string{"int8-dynamic", "int8-static", "fp16", "int4-weight", "int8-weight"}
	methods        = []string{"minmax", "percentile", "entropy", "mse", "auto"}
	activations    = []string{"uint8", "int8"}
	prepares       = []string{"auto", "never"}
	quantiles      = []string{"min", "p50", "p90", "p95", "p99", "p99.9", "max", "mean"}
	objectives     = []string{"p50", "p90", "p95", "p99", "p99.9", "error"}
	samplings      = []string{"in-turn", "with-replacement", "without-replacement", "issue-same", "issue-unique"}
	qualityMetrics = []string{"accuracy", "agreement", "ece"}
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Scenario) UnmarshalText(text []byte) error { return oneOf(s, "scenario", text, scenarios) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Scheme) UnmarshalText(text []byte) error { return oneOf(s, "scheme", text, schemes) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Method) UnmarshalText(text []byte) error {
	return oneOf(m, "calibration method", text, methods)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Activation) UnmarshalText(text []byte) error {
	return oneOf(a, "activation type", text, activations)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Prepare) UnmarshalText(text []byte) error { return oneOf(p, "value", text, prepares) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *QualityMetric) UnmarshalText(text []byte) error {
	return oneOf(m, "quality metric", text, qualityMetrics)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Sampling) UnmarshalText(text []byte) error {
	return oneOf(s, "sampling", text, samplings)
}

func oneOf[T ~string](dst *T, kind string, text []byte, known []string) error {
	if !slices.Contains(known, string(text)) {
		return fmt.Errorf("unknown %s `%s`%s", kind, text, suggestion(string(text), known))
	}
	*dst = T(text)
	return nil
}

// Arrivals is how requests of a server load are spaced: poisson, constant, gamma:SHAPE or trace:FILE.
type Arrivals string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Arrivals) UnmarshalText(text []byte) error {
	kind, arg, hasArg := strings.Cut(string(text), ":")
	switch kind {
	case "poisson", "constant":
		if hasArg {
			return fmt.Errorf("arrivals `%s` take no argument", kind)
		}
	case "gamma":
		if _, err := parsePositive(arg); err != nil {
			return fmt.Errorf("arrivals `gamma` need a shape greater than zero, such as gamma:0.5: %w", err)
		}
	case "trace":
		if arg == "" {
			return errors.New("arrivals `trace` need a file, such as trace:arrivals.txt")
		}
	default:
		return fmt.Errorf("unknown arrivals `%s`%s", text, suggestion(kind, []string{"poisson", "constant", "gamma:SHAPE", "trace:FILE"}))
	}
	*a = Arrivals(text)
	return nil
}

// Profile is how the rate of a load changes within the measured window: ramp:FROM..TO, steps:A,B,C or sine:AMPLITUDE@PERIOD. What stands
// behind the colon is read where the schedule is drawn.
type Profile string

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Profile) UnmarshalText(text []byte) error {
	kind, arg, _ := strings.Cut(string(text), ":")
	if !slices.Contains([]string{"ramp", "steps", "sine"}, kind) || arg == "" {
		return fmt.Errorf("unknown profile `%s`%s", text, suggestion(kind, []string{"ramp:FROM..TO", "steps:A,B,C", "sine:AMPLITUDE@PERIOD"}))
	}
	*p = Profile(text)
	return nil
}

// Positive is a number above 0.
type Positive float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Positive) UnmarshalText(text []byte) error {
	v, err := parsePositive(string(text))
	if err != nil {
		return err
	}
	*p = Positive(v)
	return nil
}

// Trace returns the file of recorded arrivals, if there is one.
func (a Arrivals) Trace() (file string, ok bool) { return strings.CutPrefix(string(a), "trace:") }

// SLO gives quantiles of latency, such as p99, the most they may be, and `error` the share of requests that may fail.
type SLO = Map[Objective]

// Objective is the most that a quantile of latency may be (20ms), or the share of requests that may fail (0.1%).
type Objective struct {
	AtMost time.Duration
	Share  float64
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Objective) UnmarshalText(text []byte) error {
	number, isShare := strings.CutSuffix(string(text), "%")
	switch v, err := strconv.ParseFloat(number, 64); {
	case err == nil && v == 0 && isShare:
		return errors.New("0% would need more requests than there are; write the share that may fail, such as 0.1%")
	case err == nil && v <= 0, notAboveZero(string(text)):
		return fmt.Errorf("%s must be greater than zero; write a time such as 20ms, or for error a share such as 0.1%%", text)
	case !isShare && finite(number):
		return fmt.Errorf("%s has no unit; write %ss or %sms, or for error a share such as 0.1%%", text, text, text)
	case !isShare:
		return (*Duration)(&o.AtMost).UnmarshalText(text)
	}
	v, err := parsePositive(number)
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if v >= 100 {
		return fmt.Errorf("%s is everything; write it like 0.1%%", text)
	}
	o.Share = v / 100
	return nil
}

func notAboveZero(duration string) bool {
	d, err := time.ParseDuration(duration)
	return err == nil && d <= 0
}

// Limit is what a gate allows, as it was written; parseBound reads it, because what it means depends on the metric.
type Limit string

// Texts are values as they were written, by name.
type Texts map[string]string

// Size is a whole number of 0 or more, such as a dimension.
type Size int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	v, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no whole number", text)
	case v < 0:
		return fmt.Errorf("%d is negative", v)
	}
	*s = Size(v)
	return nil
}

// Sizes is a shape.
type Sizes = []Size

// Alpha is a level of significance, between 0 and 1.
type Alpha float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Alpha) UnmarshalText(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(v > 0 && v < 1) {
		return fmt.Errorf("%q is no level between 0 and 1", text)
	}
	*a = Alpha(v)
	return nil
}
