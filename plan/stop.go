package plan

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"assay/results"
	"assay/results/stats"
)

// Until is a rule by which measuring stops: `mlperf` for windows, `ci=2%` or `ci=2%:latency.p99` for blocks.
type Until string

// mlperf is the rule of MLPerf: a window lasts until its least duration and its least number of requests are both reached, and its
// percentile is then judged by early stopping.
const mlperf Until = "mlperf"

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *Until) UnmarshalText(text []byte) error {
	if Until(text) != mlperf {
		if _, err := parsePrecision(string(text)); err != nil {
			return err
		}
	}
	*u = Until(text)
	return nil
}

// precisionMetrics are those whose interval over trials may end a run.
var precisionMetrics = func() (names []string) {
	for _, kind := range []string{"latency", "service", "queue_wait"} {
		for _, q := range []string{"p50", "p90", "p95", "p99", "p99.9", "mean"} {
			names = append(names, kind+"."+q)
		}
	}
	return append(names, "throughput", "cpu.per_inference")
}()

// parsePrecision reads `ci=2%` and `ci=2%:latency.p99`.
func parsePrecision(text string) (*results.Precision, error) {
	rest, ok := strings.CutPrefix(text, "ci=")
	if !ok {
		return nil, fmt.Errorf("%q is no stop rule; write ci=2%% (the half-width of an interval), ci=2%%:latency.p99 or mlperf", text)
	}
	width, metric, _ := strings.Cut(rest, ":")
	v, base, err := parseQuantity(width)
	switch {
	case err != nil || base != "ratio":
		return nil, fmt.Errorf("stop rule %q: %q is no percentage; write it like ci=2%%", text, width)
	case !(v > 0 && v < 1):
		return nil, fmt.Errorf("stop rule %q: the half-width must be between 0 and 100%%", text)
	}
	metric = cmp.Or(metric, "latency.p50")
	if !slices.Contains(precisionMetrics, metric) {
		return nil, fmt.Errorf("stop rule %q: unknown metric `%s`%s", text, metric, suggestion(metric, precisionMetrics))
	}
	return &results.Precision{Metric: metric, HalfWidth: v}, nil
}

// Batching puts requests together in front of the session.
type Batching struct {
	Max   Count `json:"max" jsonschema:"description=The most requests in a batch."`
	Delay Wait  `json:"delay,omitempty" jsonschema:"description=How long the first request of a batch waits for others. Default: 0s."`
}

// maxBatching bounds batches: each worker keeps a prepared batch of every size.
const maxBatching = 128

// UnmarshalText reads max=8,delay=2ms.
func (b *Batching) UnmarshalText(text []byte) error {
	const usage = "write it like max=8,delay=2ms"
	for _, part := range strings.Split(string(text), ",") {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "max":
			err = b.Max.UnmarshalText([]byte(value))
		case "delay":
			err = b.Delay.UnmarshalText([]byte(value))
		default:
			err = errors.New(usage)
		}
		if err != nil {
			return fmt.Errorf("batching %q: %w", text, err)
		}
	}
	if b.Max == 0 {
		return fmt.Errorf("batching %q has no max; %s", text, usage)
	}
	return nil
}

// decodeNode reads a mapping, or the text that a flag takes.
func (b *Batching) decodeNode(s *source, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		if err := b.UnmarshalText([]byte(n.Value)); err != nil {
			s.add(path, "%s: %v", path, err)
		}
		return
	}
	s.decodeStruct(n, path, reflect.ValueOf(b).Elem())
}

// OnOverload says what becomes of a window that asks for more than is served.
type OnOverload string

// stopOnOverload ends it as soon as nothing else can come of it.
const stopOnOverload OnOverload = "stop"

var onOverload = []string{string(stopOnOverload), "continue"}

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *OnOverload) UnmarshalText(text []byte) error {
	return oneOf(o, "choice on overload", text, onOverload)
}

// Spinning says whether the model's threads spin while they wait for work: on or off.
type Spinning string

// spinningKey is the runtime's entry for it (microsoft/onnxruntime onnxruntime_session_options_config_keys.h).
const spinningKey = "session.intra_op.allow_spinning"

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Spinning) UnmarshalText(text []byte) error {
	return oneOf(s, "spinning", text, []string{"on", "off"})
}

// entries are the session entries of a load alone.
func (l Load) entries() Texts {
	if l.Spinning == "" {
		return l.Config
	}
	value := "1"
	if l.Spinning == "off" {
		value = "0"
	}
	return merged(l.Config, Texts{spinningKey: value})
}

// checkDelivery refuses what a load's scenario has no use for, of how its requests are delivered.
func (e *Experiment) checkDelivery(path string, l Load) {
	s := e.source
	if b := l.Batching; b != nil {
		switch {
		case l.Scenario != Server:
			s.add(path+".batching", "%s.batching: only server loads put requests together; the others send a batch with --batch", path)
		case b.Max == 0:
			s.require(path+".batching.max", "the most requests in a batch")
		case b.Max < 2 || b.Max > maxBatching:
			s.add(path+".batching.max", "%s.batching: max must be 2 to %d, not %d", path, maxBatching, b.Max)
		}
		if n, _ := e.turns(); n > 1 {
			s.add(path+".batching", "%s.batching: requests of %d shapes cannot be put together; give one shape, and measure the others in runs of their own", path, n)
		}
		for _, n := range append(slices.Clone(l.Batch), e.Sweep.Batch...) {
			if n > 1 {
				s.add(path+".batching", "%s.batching: requests hold one example each; leave the batch of %d out", path, n)
			}
		}
	}
	if l.OnOverload != "" && l.Scenario != Server {
		s.add(path+".on_overload", "%s.on_overload: only server loads can ask for more than is served", path)
	}
	if l.Spinning != "" && l.Config[spinningKey] != "" {
		s.add(path+".spinning", "%s.spinning: session_config sets %s already", path, spinningKey)
	}
	if l.Timeout != 0 && l.Scenario == Offline {
		s.add(path+".timeout", "%s.timeout: nobody waits for a request of an offline load", path)
	}
	if l.Until != "" && l.Until != mlperf {
		s.add(path+".until", "%s.until: a load's window lasts until `mlperf` only; precision counts blocks, so it stands under design", path)
	}
	if e.ruleOf(l) == mlperf && l.Scenario == Concurrency {
		s.add(path, "%s: MLPerf has no scenario that keeps N requests outstanding; use single-stream, multi-stream, server or offline", path)
	}
}

// ruleOf is the rule by which a load's windows stop, "" for its duration and requests.
func (e *Experiment) ruleOf(l Load) Until {
	if l.Until == mlperf || e.Design.Until == mlperf {
		return mlperf
	}
	return ""
}

// What MLPerf asks of a window at least (mlcommons/inference_policies, inference_rules.adoc): ten minutes, and as many requests as early
// stopping needs to say something, or 24,576 samples offline. A window ends after a day whatever was reached.
const (
	mlperfDuration = 10 * time.Minute
	mlperfOffline  = 24576
)

// mlperfPercentiles are the tails that MLPerf judges.
var mlperfPercentiles = map[Scenario]float64{SingleStream: 0.9, MultiStream: 0.99, Server: 0.99}

// stopByMLPerf makes a load's duration and requests the least that a window has.
func stopByMLPerf(l *results.Load, scenario Scenario, given Load, batch int) {
	l.Rule, l.Longest = string(mlperf), maxDuration
	l.Duration = cmp.Or(time.Duration(given.Duration), mlperfDuration)
	l.MinRequests, l.Requests = int(given.Requests), 0
	if l.MinRequests > 0 {
		return
	}
	if p, ok := mlperfPercentiles[scenario]; ok {
		l.MinRequests = stats.MLPerf(p).Needed(1)
		return
	}
	l.MinRequests = (mlperfOffline + batch - 1) / batch
}

// looks are the block counts at which a run may stop. Under a rule of precision they are declared beforehand like those of gates: some, and
// the last.
func (e *Experiment) looks(blocks int) []int {
	var looks []int
	for _, look := range e.Design.Looks {
		looks = append(looks, int(look))
	}
	if len(looks) > 0 {
		return looks
	}
	if e.Design.Until != "" && e.Design.Until != mlperf {
		for look := 5; look < blocks; look *= 2 {
			looks = append(looks, look)
		}
	}
	return append(looks, blocks)
}
