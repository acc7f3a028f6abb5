package live

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Definition is one metric as docs/metrics.md lists it.
type Definition struct {
	Name   string
	Type   string // counter, gauge, histogram
	Help   string
	Labels []string
}

// armLabels name the arm that a request belongs to. Runs, hosts and processes are no labels: their number has no bound.
var armLabels = []string{"variant", "provider", "batch", "threads", "load"}

func withArm(labels ...string) []string { return append(slices.Clone(armLabels), labels...) }

var (
	buildInfo       = Definition{"assay_build_info", "gauge", "The program that measures: always 1.", []string{"version", "goversion"}}
	runInfo         = Definition{"assay_run_info", "gauge", "The run in progress: always 1.", []string{"name"}}
	runStart        = Definition{"assay_run_start_timestamp_seconds", "gauge", "When the run began, in seconds since 1970.", nil}
	runRemaining    = Definition{"assay_run_remaining_seconds", "gauge", "How long the run will still take, by the trials so far; absent before one has ended.", nil}
	runTrials       = Definition{"assay_run_trials", "gauge", "Trials of the run: planned, completed, or failed.", []string{"state"}}
	trialInfo       = Definition{"assay_trial_info", "gauge", "The arm of the trial in progress: 1.", withArm()}
	trialPhase      = Definition{"assay_trial_phase", "gauge", "1 for the phase that the trial in progress is in, 0 for the others.", []string{"phase"}}
	requestsTotal   = Definition{"assay_requests_total", "counter", "Requests that were due in measured windows: ok, or failed, which includes dropped and timed out ones.", withArm("outcome")}
	requestDuration = Definition{"assay_request_duration_seconds", "histogram", "Latency of requests in measured windows, from the instant they were due.", withArm()}
	issueLateness   = Definition{"assay_issue_lateness_seconds", "histogram", "How late requests of open loads were issued in measured windows: the generator's own part of their latency.", withArm()}
	outstanding     = Definition{"assay_requests_outstanding", "gauge", "Requests of the trial in progress that are due and not answered.", nil}
	trialVerdicts   = Definition{"assay_trial_verdicts_total", "counter", "Trials that ended well, by the verdict of their certificate: valid, suspect or invalid.", []string{"verdict"}}
	gpuPower        = Definition{"assay_gpu_power_watts", "gauge", "Power that the GPU draws; absent where no sensor answers.", []string{"gpu"}}
	gpuMemory       = Definition{"assay_gpu_memory_used_bytes", "gauge", "GPU memory in use; absent where no sensor answers.", []string{"gpu"}}
	gpuUtilization  = Definition{"assay_gpu_utilization_ratio", "gauge", "Share of time in which the GPU ran a kernel; absent where no sensor answers.", []string{"gpu"}}
	gpuTemperature  = Definition{"assay_gpu_temperature_celsius", "gauge", "Temperature of the GPU; absent where no sensor answers.", []string{"gpu"}}
)

// Definitions lists every metric that a Server can show, in the order of the docs.
func Definitions() []Definition {
	return []Definition{buildInfo, runInfo, runStart, runRemaining, runTrials, trialInfo, trialPhase, requestsTotal, requestDuration,
		issueLateness, outstanding, trialVerdicts,
		gpuPower, gpuMemory, gpuUtilization, gpuTemperature}
}

// sensorMetrics maps the last parts of a sensor's name (gpu.N.power) to its metric.
var sensorMetrics = map[string]Definition{
	"power": gpuPower, "memory.used": gpuMemory, "utilization": gpuUtilization, "temperature": gpuTemperature,
}

// Phases are a trial's, in order, as results.Phase names them.
var Phases = []string{"environment", "session", "first", "warmup", "measure", "drain"}

func (d Definition) desc() *prometheus.Desc {
	return prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
}
