package profiler

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"assay/results"
)

// The limits by which a GPU's energy counter is trusted, after notes on cards whose counters were absent, frozen or 40 % off.
const (
	disagreement = 0.15 // between counter and integrated power
	minCoverage  = 0.95 // of the window by power samples
)

// series is one sensor's readings in order of time.
type series struct{ t, v []float64 } // seconds, value

// Summarize reduces samples to one summary a sensor within [start, end] (CLOCK_MONOTONIC, nanoseconds), and says of each figure that a
// report wants why it is not there. closing is nil where the sampler broke off.
func Summarize(samples []results.Sample, closing *Closing, start, end int64) ([]results.SensorSummary, map[string]string) {
	all := map[string]*series{}
	slices.SortStableFunc(samples, func(a, b results.Sample) int { return int(min(max(a.NS-b.NS, -1), 1)) })
	for _, s := range samples {
		if all[s.Sensor] == nil {
			all[s.Sensor] = &series{}
		}
		all[s.Sensor].t = append(all[s.Sensor].t, float64(s.NS)/1e9)
		all[s.Sensor].v = append(all[s.Sensor].v, s.Value)
	}
	w := window{float64(start) / 1e9, float64(end) / 1e9}
	out := hostSummaries(all, w)
	missing := map[string]string{}
	gpuEnergy, gpuMemory, cpuEnergy := false, false, false
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		switch {
		case strings.HasPrefix(name, "gpu.") && strings.HasSuffix(name, ".power"):
			device := strings.TrimSuffix(name, ".power")
			sum, why := gpuEnergyOf(device, all, w)
			if why != "" {
				missing["energy.per_inference"] = why
			} else {
				out = append(out, sum)
				gpuEnergy = true
			}
			out = append(out, s.gauge(name, "W", w)...)
		case strings.HasSuffix(name, ".memory.used"):
			g := s.gauge(name, "B", w)
			gpuMemory = gpuMemory || len(g) > 0
			out = append(out, g...)
		case strings.HasSuffix(name, ".utilization"):
			out = append(out, s.gauge(name, "ratio", w)...)
		case strings.HasPrefix(name, "cpu.") && strings.HasSuffix(name, ".energy"):
			if d, ok := s.delta(w); ok && d > 0 {
				out = append(out, results.SensorSummary{Sensor: name, Unit: "J", Method: "counter", Value: d, N: len(s.t)})
				cpuEnergy = true
			} else {
				missing["energy.cpu_package.per_inference"] = "the CPU's energy counter did not advance"
			}
		}
	}
	explain(missing, closing, gpuEnergy, gpuMemory, cpuEnergy)
	return out, missing
}

// explain gives every figure that is not there its reason.
func explain(missing map[string]string, closing *Closing, gpuEnergy, gpuMemory, cpuEnergy bool) {
	why := func(source string) string {
		switch {
		case closing == nil:
			return "the sampler ended early"
		case closing.Unavailable[source] != "":
			return closing.Unavailable[source]
		}
		return "the sensor gave no readings within measure"
	}
	set := func(there bool, key, source string) {
		if there {
			delete(missing, key)
		} else if missing[key] == "" {
			missing[key] = why(source)
		}
	}
	set(gpuEnergy, "energy.per_inference", sourceNVML)
	set(gpuMemory, "memory.gpu.peak", sourceNVML)
	set(cpuEnergy, "energy.cpu_package.per_inference", sourceRAPL)
}

func hostSummaries(all map[string]*series, w window) []results.SensorSummary {
	var out []results.SensorSummary
	total, steal := all["host.cpu.total"], all["host.cpu.steal"]
	if total != nil && steal != nil {
		t, ok1 := total.delta(w)
		s, ok2 := steal.delta(w)
		if ok1 && ok2 && t > 0 {
			out = append(out, results.SensorSummary{Sensor: "host.steal", Unit: "ratio", Method: "counter", Value: s / t, N: len(total.t)})
		}
	}
	if idle, own := all["host.cpu.idle"], all["process.cpu"]; total != nil && steal != nil && idle != nil && own != nil {
		t, ok1 := total.delta(w)
		s, ok2 := steal.delta(w)
		i, ok3 := idle.delta(w)
		p, ok4 := own.delta(w)
		if ok1 && ok2 && ok3 && ok4 && w.length() > 0 {
			out = append(out, results.SensorSummary{Sensor: "host.others", Unit: "cores", Method: "counter", Value: max(0, t-s-i-p) / w.length(), N: len(idle.t)})
		}
	}
	if s := all["cgroup.throttled"]; s != nil {
		if d, ok := s.delta(w); ok {
			out = append(out, results.SensorSummary{Sensor: "cgroup.throttled", Unit: "s", Method: "counter", Value: d, N: len(s.t)})
		}
	}
	if s := all["process.cpu"]; s != nil {
		if d, ok := s.delta(w); ok {
			out = append(out, results.SensorSummary{Sensor: "process.cpu", Unit: "s", Method: "counter", Value: d, N: len(s.t)})
		}
	}
	for name, unit := range map[string]string{"host.load": "processes", "process.rss": "B"} {
		if s := all[name]; s != nil {
			out = append(out, s.gauge(name, unit, w)...)
		}
	}
	slices.SortFunc(out, func(a, b results.SensorSummary) int { return strings.Compare(a.Sensor, b.Sensor) })
	return out
}

type window struct{ from, to float64 }

func (w window) length() float64 { return w.to - w.from }

// gauge is a sampled value's mean and maximum within the window; nothing where there is no sample in it.
func (s *series) gauge(name, unit string, w window) []results.SensorSummary {
	sum, most, n := 0.0, math.Inf(-1), 0
	for i, t := range s.t {
		if t >= w.from && t <= w.to {
			sum += s.v[i]
			most = max(most, s.v[i])
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []results.SensorSummary{{Sensor: name, Unit: unit, Method: "sampled", Value: sum / float64(n), Max: most, N: n}}
}

// at interpolates linearly; beyond the readings it extends the last step by at most twice that step.
func (s *series) at(t float64) (float64, bool) {
	n := len(s.t)
	if n < 2 {
		return 0, false
	}
	i, _ := slices.BinarySearch(s.t, t)
	i = min(max(i, 1), n-1)
	step := s.t[i] - s.t[i-1]
	if step <= 0 || t < s.t[0]-2*step || t > s.t[n-1]+2*step {
		return 0, false
	}
	return s.v[i-1] + (s.v[i]-s.v[i-1])*(t-s.t[i-1])/step, true
}

// delta is how far a counter came within the window.
func (s *series) delta(w window) (float64, bool) {
	a, ok1 := s.at(w.from)
	b, ok2 := s.at(w.to)
	return b - a, ok1 && ok2
}

// ticks are the instants at which a counter was seen to change: half way between the poll before and the poll that saw it.
func (s *series) ticks() (out series, back bool) {
	for i := 1; i < len(s.t); i++ {
		switch {
		case s.v[i] < s.v[i-1]:
			return out, true
		case s.v[i] > s.v[i-1]:
			out.t = append(out.t, (s.t[i-1]+s.t[i])/2)
			out.v = append(out.v, s.v[i])
		}
	}
	return out, false
}

// integral is the area under sampled power by the trapezoid rule, ends interpolated, and the share of the window that samples cover.
func (s *series) integral(w window) (joules, coverage float64) {
	if len(s.t) < 2 || w.length() <= 0 {
		return 0, 0
	}
	gaps := make([]float64, 0, len(s.t)-1)
	for i := 1; i < len(s.t); i++ {
		gaps = append(gaps, s.t[i]-s.t[i-1])
	}
	slices.Sort(gaps)
	period := gaps[len(gaps)/2]
	covered := 0.0
	for i := 1; i < len(s.t); i++ {
		from, to := max(s.t[i-1], w.from), min(s.t[i], w.to)
		if to <= from {
			continue
		}
		slope := (s.v[i] - s.v[i-1]) / (s.t[i] - s.t[i-1])
		a, b := s.v[i-1]+slope*(from-s.t[i-1]), s.v[i-1]+slope*(to-s.t[i-1])
		joules += (a + b) / 2 * (to - from)
		covered += min(to-from, 3*period)
	}
	last := len(s.t) - 1
	for _, edge := range []struct{ gap, power float64 }{{s.t[0] - w.from, s.v[0]}, {w.to - s.t[last], s.v[last]}} {
		if edge.gap > 0 { // hold the nearest reading for at most a period
			held := min(edge.gap, period)
			joules += edge.power * held
			covered += held
		}
	}
	return joules, covered / w.length()
}

// gpuEnergyOf is a device's energy within the window: its counter, interpolated between ticks, where integrated power confirms it; else
// integrated power, with what is wrong with the counter as a warning.
func gpuEnergyOf(device string, all map[string]*series, w window) (results.SensorSummary, string) {
	power := all[device+".power"]
	joules, coverage := power.integral(w)
	sum := results.SensorSummary{Sensor: device + ".energy", Unit: "J", Method: "power_integral", Value: joules, N: len(power.t)}
	if coverage < minCoverage {
		return sum, fmt.Sprintf("power samples cover %.0f %% of measure, and %.0f %% are needed", 100*coverage, 100*minCoverage)
	}
	counter := all[device+".energy"]
	if counter == nil {
		sum.Warnings = []string{"the energy counter is not supported on this device; power was integrated instead"}
		return sum, ""
	}
	ticks, back := counter.ticks()
	fromCounter, ok := ticks.delta(w)
	switch {
	case back:
		sum.Warnings = []string{"the energy counter went back (the driver was reloaded?); power was integrated instead"}
	case len(ticks.t) < 2 || fromCounter <= 0:
		sum.Warnings = []string{"the energy counter did not advance; power was integrated instead"}
	case !ok:
		sum.Warnings = []string{"the energy counter was not read at both ends of measure; power was integrated instead"}
	case math.Abs(fromCounter/joules-1) > disagreement:
		sum.Warnings = []string{fmt.Sprintf("the energy counter says %.3g J and integrated power %.3g J; the counter is not trusted", fromCounter, joules)}
	default:
		sum.Method, sum.Value, sum.N = "counter", fromCounter, len(counter.t)
	}
	return sum, ""
}
