package report

import (
	"slices"
	"strings"

	"assay/results"
)

// metricDefinitions say what each number means. They are the words of docs and contract, shortened.
var metricDefinitions = []definition{
	{"latency", "Time of a request from the instant it was due until its answer: a stall counts against every request that it kept waiting. In closed loops a request is due as soon as its worker is free."},
	{"service", "Time of a request from the start of the call into the runtime until its answer; no waiting is in it."},
	{"queue_wait", "Time between a request being due and the start of its call."},
	{"throughput", "Inferences that were done within the measured window, over its length. An inference is one example: a request of batch 8 is 8 inferences."},
	{"throughput.requests", "Requests that were done within the measured window, over its length."},
	{"cpu.per_inference", "Processor time of the trial's own process within the measured window, over its inferences."},
	{"memory.host.peak", "The most memory that the trial's process held up to the end of the measured window, creation of the session included."},
	{"memory.gpu.peak", "The most GPU memory in use within the measured window."},
	{"energy.per_inference", "Energy within the measured window over its inferences, gross: what the machine draws when idle is in it."},
	{"size.bytes", "The model file with its external data."},
	{"load.session_create", "Time to load the model and make it ready."},
	{"load.first_inference", "Time of the first inference, which pays for allocations that later ones do not."},
	{"quality.accuracy", "Share of examples whose prediction equals the label."},
	{"quality.agreement", "Share of examples whose prediction equals the baseline's."},
	{"quality.ece", "Expected calibration error: how far the predicted probabilities lie from the observed frequencies, on average."},
}

// definitionsOf explains the metrics that the report shows and how its intervals and verdicts come about.
func definitionsOf(r *results.Report) []definition {
	out := []definition{
		{"trial, block", "A trial is one fresh process that loads the model, warms up and takes load. A block is one trial of every arm, in an order drawn from the seed, so that what changes over time meets every arm alike."},
		{"interval", "All intervals are two-sided, 95 %. They are computed over trials, never over single requests, because trials differ more from each other than their requests let expect."},
		{"better, worse, same, unclear", "same: the whole interval lies within 2 % of no change. better, worse: the difference is significant after correction for the number of comparisons (Holm, over latency.p50, latency.p99 and throughput of all arms; other metrics are exploratory and not corrected). unclear: anything else; more blocks may tell."},
		{"pass, fail, inconclusive", "A gate is judged by the end of the interval that is nearest to its bound. Where the interval holds the bound, the gate is inconclusive: it is neither passed nor failed."},
		{"quantile", "Quantiles are interpolated (type 7) on all requests of the measured window together."},
	}
	shown := map[string]bool{}
	methods := map[string][]string{}
	for _, a := range r.Arms {
		for name, m := range a.Metrics {
			shown[name] = true
			family, _, _ := strings.Cut(name, ".")
			for _, key := range []string{name, family} {
				if m.Method != "" && !slices.Contains(methods[key], m.Method) {
					methods[key] = append(methods[key], m.Method)
				}
			}
		}
	}
	for _, d := range metricDefinitions {
		used := shown[d.Term]
		if !strings.Contains(d.Term, ".") && d.Term != "throughput" {
			used = len(methods[d.Term]) > 0
		}
		if !used {
			continue
		}
		if m := methods[d.Term]; len(m) > 0 {
			slices.Sort(m)
			d.Text += " Method: " + printable(strings.Join(m, "; ")) + "."
		}
		out = append(out, d)
	}
	var compared []string
	for _, c := range r.Comparisons {
		if c.Method != "" && !slices.Contains(compared, c.Method) {
			compared = append(compared, c.Method)
		}
	}
	if len(compared) > 0 {
		slices.Sort(compared)
		out = append(out, definition{"comparison", "Each arm is compared with the baseline variant's arm of equal provider, batch, threads and load. Methods: " + printable(strings.Join(compared, "; ")) + "."})
	}
	return out
}
