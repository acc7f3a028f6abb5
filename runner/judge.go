package runner

import (
	"fmt"
	"slices"
	"strings"

	"assay/results"
)

// judge gives a trial its verdict, the worst that a rule finds, and its reasons. asked is the provider, p50 the median latency in seconds.
func judge(t *results.Trial, asked string, p50 float64) {
	worst := results.Valid
	if len(t.Reasons) > 0 { // the trial's process has its own
		worst = results.Suspect
	}
	for _, r := range rules {
		f := r.find(t, evidence{asked: asked, p50: p50})
		if f.verdict == "" {
			continue
		}
		t.Reasons = append(t.Reasons, r.code+": "+f.text)
		if f.verdict == results.Invalid || worst == results.Valid {
			worst = f.verdict
		}
	}
	t.Verdict = worst
}

// evidence is what is known of a trial beside its record.
type evidence struct {
	asked string
	p50   float64
}

// finding is what a rule says of a trial; the zero finding is nothing.
type finding struct{ verdict, text string }

func suspect(format string, args ...any) finding {
	return finding{results.Suspect, fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) finding {
	return finding{results.Invalid, fmt.Sprintf(format, args...)}
}

// rule looks for one thing that makes a trial's figures doubtful or untrue.
type rule struct {
	code string // of its reason; docs/load.md has a line for each
	find func(t *results.Trial, e evidence) finding
}

// rules are all of them, in the order in which reasons are given.
var rules = []rule{
	{"provider.none", nothingPlaced},
	{"provider.fallback", heavyElsewhere},
	{"host.late", issuedLate},
	{"load.unexplained", unexplained},
	{"host.stopped", stopped},
	{"host.clock", clocksDiffer},
	{"host.busy", busy},
	{"host.preempted", preempted},
	{"host.steal", stolen},
	{"host.throttled", throttled},
	{"host.paging", paging},
	{"host.unwatched", unwatched},
	{"load.overloaded", overloaded},
	{"load.gc", collected},
}

// heavyOperators carry a model's work: when one of them runs on another provider than the one asked for, the figures are not that
// provider's.
var heavyOperators = []string{"Conv", "ConvTranspose", "Gemm", "MatMul", "Attention", "LSTM", "GRU", "RNN",
	"QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "FusedConv", "FusedMatMul", "FusedGemm", "NhwcConv", "MatMulNBits", "MultiHeadAttention"}

// placed counts a trial's nodes, and those that ran on another provider than the one asked for.
func placed(t *results.Trial) (total, away int) {
	for _, n := range t.NodesByProvider {
		total += n
	}
	for _, n := range t.NodesElsewhere {
		away += n
	}
	return total, away
}

func nothingPlaced(t *results.Trial, e evidence) finding {
	if total, away := placed(t); away > 0 && away == total {
		return invalid("no node ran on %s; the runtime put all %d elsewhere", e.asked, total)
	}
	return finding{}
}

// heavyElsewhere finds fallback; nodes that carry no work are only listed in the record.
func heavyElsewhere(t *results.Trial, e evidence) finding {
	var elsewhere []string
	for op, n := range t.NodesElsewhere {
		if slices.Contains(heavyOperators, op) {
			elsewhere = append(elsewhere, fmt.Sprintf("%s x%d", op, n))
		}
	}
	if total, away := placed(t); len(elsewhere) == 0 || away == total {
		return finding{}
	}
	slices.Sort(elsewhere)
	return suspect("nodes that carry the work ran on another provider than %s: %s", e.asked, strings.Join(elsewhere, ", "))
}

func overloaded(t *results.Trial, _ evidence) finding {
	if c := t.Certificate; c != nil && c.Overload != nil {
		o := c.Overload
		text := fmt.Sprintf("in the last two thirds of the window %.1f %% as many requests ended as were due, and %.0f were in flight on average over its last third: ", 100*o.Served, o.InFlight)
		switch {
		case hang(t) != "": // which says nothing of how much can be served
		case o.PerSecond > 0:
			text += fmt.Sprintf("about %.4g/s can be served, and ", o.PerSecond)
		default:
			text += "none ended there, so what can be served cannot be told, and "
		}
		text += "latencies measure the run's length"
		if o.StoppedAfterSeconds > 0 {
			text += fmt.Sprintf("; stopped after %.3g s of %.3g s, %d requests that waited were dropped", o.StoppedAfterSeconds, o.PlannedSeconds, t.Counts.Dropped)
		}
		return finding{results.Invalid, hang(t) + text}
	}
	switch {
	case t.Counts.Dropped == 0:
		return finding{}
	case hang(t) != "":
		return invalid(hang(t)+"%d of %d requests were due behind it and dropped", t.Counts.Dropped, t.Counts.Scheduled)
	}
	return invalid("%d of %d requests were dropped: the model cannot keep the rate of %.4g/s", t.Counts.Dropped, t.Counts.Scheduled, t.Rate)
}

// hang says how long a call did not return, where one did not: that alone keeps others from being served.
func hang(t *results.Trial) string {
	if t.Status != results.TrialTimeout {
		return ""
	}
	what, _, _ := strings.Cut(t.Reason, ";")
	return what + ": "
}

func collected(t *results.Trial, _ evidence) finding {
	if t.Process.GCCycles == 0 {
		return finding{}
	}
	return suspect("the garbage collector ran %d times within measure, pausing %.3g ms", t.Process.GCCycles, t.Process.GCPauseSeconds*1e3)
}
