package runner

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"assay/results"
)

// heavyOperators carry a model's work: when one of them runs on another provider than the one asked for, the figures are not that
// provider's.
var heavyOperators = []string{"Conv", "ConvTranspose", "Gemm", "MatMul", "Attention", "LSTM", "GRU", "RNN",
	"QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "FusedConv", "FusedMatMul", "FusedGemm", "NhwcConv", "MatMulNBits", "MultiHeadAttention"}

// judge gives a trial its verdict from what is known of it, and its reasons. Reasons of the host begin with `host.`.
func judge(t *results.Trial, asked string, p50Latency float64) {
	invalid := false
	say := func(code, format string, args ...any) {
		t.Reasons = append(t.Reasons, code+": "+fmt.Sprintf(format, args...))
	}
	if len(t.NodesElsewhere) > 0 {
		invalid = judgePlacement(t, asked, say)
	}
	if late, ok := t.Lateness["p99"]; ok {
		switch {
		case late > max(1e-3, 0.05*p50Latency):
			invalid = true
			say("host.late", "the generator issued requests late: p99 %.3g ms, allowed %.3g ms", late*1e3, max(1e-3, 0.05*p50Latency)*1e3)
		case late > max(0.3e-3, 0.02*p50Latency):
			say("host.late", "the generator issued requests late: p99 %.3g ms, good is below %.3g ms", late*1e3, max(0.3e-3, 0.02*p50Latency)*1e3)
		}
	}
	if c := t.Certificate; c != nil {
		measure, _ := t.Phase("measure")
		invalid = judgeClocks(c.ClockRatio, measure.Seconds(), say) || invalid
	}
	if t.Counts.Dropped > 0 {
		invalid = true
		say("load.overloaded", "%d of %d requests were dropped: the model cannot keep the rate of %.4g/s", t.Counts.Dropped, t.Counts.Scheduled, t.Rate)
	}
	if t.Process.GCCycles > 0 {
		say("load.gc", "the garbage collector ran %d times within measure, pausing %.3g ms", t.Process.GCCycles, t.Process.GCPauseSeconds*1e3)
	}
	switch {
	case invalid:
		t.Verdict = "invalid"
	case len(t.Reasons) > 0:
		t.Verdict = "suspect"
	default:
		t.Verdict = "valid"
	}
}

// judgeClocks holds the monotonic clock against the wall's, by the limits of mlcommons/inference loadgen/loadgen.cc: off by a thousandth is suspect, by a
// hundredth invalid. A millisecond is not judged: the two are read one after the other.
func judgeClocks(ratio, seconds float64, say func(code, format string, args ...any)) (invalid bool) {
	off := math.Abs(ratio - 1)
	if off <= 1e-3 || off*seconds < 1e-3 {
		return false
	}
	say("host.clock", "the wall clock advanced %.4f s for each second of the monotonic clock in measure; one of them was set or stopped", ratio)
	return off > 1e-2
}

// judgePlacement judges fallback: nothing on the provider asked for is invalid, heavy operators elsewhere are suspect, other nodes are
// only listed in the record.
func judgePlacement(t *results.Trial, asked string, say func(code, format string, args ...any)) (invalid bool) {
	var elsewhere []string
	total, away := 0, 0
	for _, n := range t.NodesByProvider {
		total += n
	}
	for op, n := range t.NodesElsewhere {
		away += n
		if slices.Contains(heavyOperators, op) {
			elsewhere = append(elsewhere, fmt.Sprintf("%s x%d", op, n))
		}
	}
	if away == total {
		say("provider.none", "no node ran on %s; the runtime put all %d elsewhere", asked, total)
		return true
	}
	if len(elsewhere) > 0 {
		slices.Sort(elsewhere)
		say("provider.fallback", "nodes that carry the work ran on another provider than %s: %s", asked, strings.Join(elsewhere, ", "))
	}
	return false
}
