package results

import (
	"fmt"
	"strconv"
	"time"
)

// CapacityPlan is what a search for the highest rate was asked, in a run's `resolved`.
type CapacityPlan struct {
	Objectives []SLO         `json:"objectives"`
	Arm        Arm           `json:"arm"`                  // what is measured; its load and rate are the probes' own
	Warmup     time.Duration `json:"warmup_ns"`            // of every probe at least
	Length     time.Duration `json:"length_ns,omitempty"`  // of a step of the bisection; 0: chosen from the closed-loop rate
	Servers    int           `json:"servers"`              // requests in flight at most
	Arrivals   string        `json:"arrivals"`             // poisson, constant, gamma:SHAPE
	Sampling   string        `json:"sampling,omitempty"`   // which inputs requests take, as in Load
	Seed       uint64        `json:"seed"`                 // of the search's arrivals; confirmations take others
	Budget     time.Duration `json:"budget_ns"`            // of load, 0: chosen from the closed-loop rate
	Timeout    time.Duration `json:"timeout_ns,omitempty"` // of a request in open loops, from when it was due; 0 for never
}

// The kinds of probes.
const (
	ProbeClosed  = "closed"  // closed loop: the rate that the model can do at most
	ProbeSearch  = "search"  // a step of the bisection, all under the same arrivals
	ProbeExtend  = "extend"  // the same again, longer, because it could not tell
	ProbeConfirm = "confirm" // an end of the band under fresh arrivals
	ProbeMeasure = "measure" // a rate whose measured verdict is wanted, because the calls do not predict what is measured
)

// Probe is one load of the search, as its journal keeps it.
type Probe struct {
	Index   int           `json:"index"`
	Kind    string        `json:"kind"`
	Rate    float64       `json:"rate"`  // requests a second; of a closed loop the measured one
	Seed    uint64        `json:"seed"`  // of the arrivals
	Block   int           `json:"block"` // of its trial; 0 under the search's arrivals, one more for each fresh seed
	Arm     string        `json:"arm"`   // of its trial
	Length  time.Duration `json:"length_ns"`
	Verdict string        `json:"verdict"` // pass, fail, inconclusive; of a closed loop ""
	Reason  string        `json:"reason"`
	// SetAside says that the host disturbed the probe, so that it was sent again and counts for nothing; Repeat counts those before it.
	SetAside bool `json:"set_aside,omitempty"`
	Repeat   int  `json:"repeat,omitempty"`
}

// ProbeReport is a probe with what its samples say.
type ProbeReport struct {
	Probe
	N        int      `json:"n"`
	NEff     float64  `json:"n_eff"`            // independent requests that would say as much
	Missed   float64  `json:"missed"`           // share of requests that missed the binding objective
	Margin   *float64 `json:"margin"`           // 1 - latency over its limit: below 0 is too slow; null where the sample cannot support the quantile
	Latency  *float64 `json:"latency_seconds"`  // at the binding objective's quantile; null likewise
	Median   *float64 `json:"median_seconds"`   // of latency
	Lateness *float64 `json:"lateness_seconds"` // p99 of how late the generator issued; null in a closed loop
	Validity string   `json:"validity"`         // valid, suspect, invalid
	Reasons  []string `json:"reasons,omitempty"`
}

// Band is where the highest rate lies that meets the objectives, in requests a second. A side is nil where there is no such rate.
type Band struct {
	Passes *float64 `json:"passes"`
	Fails  *float64 `json:"fails"`
}

// Width is how far the band's ends are apart, relative to the lower one; NaN would be written as null, so false says that there is none.
func (b Band) Width() (float64, bool) {
	if b.Passes == nil || b.Fails == nil || *b.Passes <= 0 {
		return 0, false
	}
	return *b.Fails / *b.Passes - 1, true
}

// Capacity is the answer of a search.
type Capacity struct {
	SLO       string        `json:"slo"`
	Arm       string        `json:"arm"` // VARIANT.PROVIDER.bBATCH.tTHREADS
	Band      Band          `json:"band"`
	Estimate  *float64      `json:"estimate"` // requests a second
	Verdict   string        `json:"verdict"`  // pass: the band is settled; inconclusive; fail: no rate meets the objectives
	Reason    string        `json:"reason"`
	Binding   string        `json:"binding,omitempty"` // the objective that limits the rate
	Validity  string        `json:"validity"`          // the worst of the probes': valid, suspect, invalid
	Reasons   []string      `json:"reasons"`
	Method    string        `json:"method"`
	Closed    float64       `json:"closed_loop_rate"` // requests a second
	Servers   int           `json:"servers"`
	Agreement *float64      `json:"agreement_z"` // measured misses against predicted ones, in standard errors
	Knee      *float64      `json:"knee"`        // requests a second from which on the quantile is twice what it is without load
	Seconds   float64       `json:"seconds"`     // of load
	Probes    []ProbeReport `json:"probes"`
	Curve     []CurvePoint  `json:"curve,omitempty"`
	SetAside  int           `json:"set_aside"` // probes that the host disturbed and that were sent again
}

// CurvePoint is the predicted latency at the binding objective's quantile at a rate.
type CurvePoint struct {
	Rate    float64 `json:"rate"`
	Latency float64 `json:"latency_seconds"`
}

// ClosedLength is how long a closed loop is measured at first, for a search or for the rate that a percentage is taken of.
const ClosedLength = 3 * time.Second

// LongerClosed says how long a closed loop is measured again that served so many requests a second in length: until it holds a hundred requests, a minute at most. false
// where it has shown what it can.
func LongerClosed(served float64, length time.Duration) (longer time.Duration, again bool) {
	const least, longest = 100, time.Minute
	if served <= 0 || served*length.Seconds() >= least || length >= longest {
		return length, false
	}
	return min(longest, time.Duration(1.2*least/served*1e9).Round(time.Second)+time.Second), true
}

// RateLabel names a rate in arms: four significant digits.
func RateLabel(rate float64) string {
	return strconv.FormatFloat(RoundRate(rate), 'f', -1, 64)
}

// RoundRate keeps four significant digits.
func RoundRate(rate float64) float64 {
	rounded, err := strconv.ParseFloat(fmt.Sprintf("%.4g", rate), 64)
	if err != nil {
		return rate
	}
	return rounded
}
