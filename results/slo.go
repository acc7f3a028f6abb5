package results

import (
	"strconv"
	"strings"
	"time"
)

// SLO is an objective: a limit on one quantile of latency, or on the share of requests that fail.
type SLO struct {
	Load   string        `json:"load,omitempty"`          // that it holds for; all where ""
	Metric string        `json:"metric"`                  // latency.p99, or error
	AtMost time.Duration `json:"at_most_ns,omitempty"`    // of a quantile
	Share  float64       `json:"at_most_share,omitempty"` // of error: 0.001
}

// ErrorShare is the metric of objectives on failures.
const ErrorShare = "error"

// Quantile is the level that the objective is on: 0.99 for latency.p99, 0 for one on failures.
func (o SLO) Quantile() float64 {
	percent, err := strconv.ParseFloat(strings.TrimPrefix(o.Metric, "latency.p"), 64)
	if err != nil {
		return 0
	}
	return percent / 100
}

// Allowed is the share of requests that may miss the objective: slower than AtMost, or failed.
func (o SLO) Allowed() float64 {
	if o.Metric == ErrorShare {
		return o.Share
	}
	return 1 - o.Quantile()
}

// Within is an objective on failures as it stands where a request fails when it has not ended in time, too: at most that share may take longer.
func (o SLO) Within(timeout time.Duration) SLO {
	percent := strconv.FormatFloat(100*(1-o.Share), 'g', 10, 64)
	return SLO{Load: o.Load, Metric: "latency.p" + percent, AtMost: timeout}
}

// String is p99<=20ms or error<=0.1%.
func (o SLO) String() string {
	if o.Metric == ErrorShare {
		return "error<=" + strconv.FormatFloat(100*o.Share, 'g', 6, 64) + "%"
	}
	return strings.TrimPrefix(o.Metric, "latency.") + "<=" + o.AtMost.String()
}

// ObjectivesText joins objectives: p99<=20ms,error<=0.1%.
func ObjectivesText(objectives []SLO) string {
	texts := make([]string, len(objectives))
	for i, o := range objectives {
		texts[i] = o.String()
	}
	return strings.Join(texts, ",")
}
