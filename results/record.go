package results

import (
	"encoding/json"
	"time"
)

// The schema names of the files of a run.
const (
	RunSchema    = "assay.run/1"
	TrialSchema  = "assay.trial/1"
	ReportSchema = "assay.report/1"
)

// Run is run.json: what was asked, what it became, where it ran.
type Run struct {
	Schema  string     `json:"schema"`
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	// Resumed is when the last session of a run that was taken up again began, and BusySeconds how long the sessions before it worked.
	Resumed     *time.Time      `json:"resumed,omitempty"`
	BusySeconds float64         `json:"busy_seconds,omitempty"`
	Command     string          `json:"command"`
	Assay       string          `json:"assay"`
	Status      string          `json:"status"` // running, complete, incomplete, interrupted
	Reason      string          `json:"reason,omitempty"`
	Settled     int             `json:"settled,omitempty"` // the block after which no gate was open, where the run ended there before its last
	Asked       json.RawMessage `json:"asked,omitempty"`   // the experiment as it was given: a JSON string holding the file's text
	Resolved    Spec            `json:"resolved"`
	Environment Environment     `json:"environment"`
	Pilots      []Pilot         `json:"pilots,omitempty"`
	// Nodes tells for each variant and provider ("VARIANT PROVIDER OPTIONS") where nodes run, as found before the first trial.
	Nodes map[string]*Nodes `json:"nodes,omitempty"`
	// Findings tells by variant what its quantization and the outputs of its first run showed against it.
	Findings map[string][]string `json:"findings,omitempty"`
}

// Session is when the run's last session began.
func (r *Run) Session() time.Time {
	if r.Resumed != nil {
		return *r.Resumed
	}
	return r.Started
}

// Seconds is how long the run was worked on up to an instant of its last session: the time between its sessions does not count.
func (r *Run) Seconds(until time.Time) float64 {
	return r.BusySeconds + max(0, until.Sub(r.Session()).Seconds())
}

// Nodes counts the nodes that ran, by provider, and those that ran on another provider than the one asked for, by operator type.
type Nodes struct {
	ByProvider map[string]int `json:"by_provider"`
	Elsewhere  map[string]int `json:"elsewhere,omitempty"`
}

// Pilot is the closed-loop rate that a percentage was taken of.
type Pilot struct {
	Arm               string  `json:"arm"`
	RequestsPerSecond float64 `json:"requests_per_second"`
}

// Environment splits what the machine is (hashed) from how it was found (recorded).
type Environment struct {
	Identity     map[string]any `json:"identity"`
	IdentityHash string         `json:"identity_hash"` // SHA-256 of the canonical JSON of Identity
	State        map[string]any `json:"state"`
	StateAfter   map[string]any `json:"state_after,omitempty"`
	Provenance   map[string]any `json:"provenance,omitempty"`
	Runtime      Runtime        `json:"runtime"`
}

// Runtime is the library that executed the models.
type Runtime struct {
	Name          string   `json:"name"`
	Version       string   `json:"version"`
	Build         string   `json:"build,omitempty"`
	Variant       string   `json:"variant,omitempty"` // cpu, gpu, webgpu
	LibrarySHA256 string   `json:"library_sha256"`
	Providers     []string `json:"providers"`
}

// The words for how a trial ended.
const (
	TrialOK          = "ok"
	TrialFailed      = "failed"
	TrialKilled      = "killed"
	TrialOOM         = "oom"
	TrialTimeout     = "timeout"
	TrialInterrupted = "interrupted"
)

// The verdicts of a trial and of a run.
const (
	Valid   = "valid"
	Suspect = "suspect"
	Invalid = "invalid"
)

// Trial is RUN/trials/bNNN-ARM.json: one fresh process, its phases and counters.
// Every instant is absolute CLOCK_MONOTONIC in nanoseconds unless its name says otherwise.
type Trial struct {
	Schema          string             `json:"schema"`
	Run             string             `json:"run"`
	Block           int                `json:"block"`
	Position        int                `json:"position"` // within the block
	Arm             string             `json:"arm"`
	Seed            uint64             `json:"seed"`
	PID             int                `json:"pid"`
	Started         time.Time          `json:"started"`
	StartNS         int64              `json:"start_ns"` // the zero of the sample files' columns
	Status          string             `json:"status"`
	Reason          string             `json:"reason,omitempty"`
	Phases          []Phase            `json:"phases"`
	Counts          Counts             `json:"counts"`
	Rate            float64            `json:"rate_per_second,omitempty"` // scheduled, server scenarios
	Concurrency     int                `json:"concurrency,omitempty"`
	Process         Process            `json:"process"`
	Sampler         *Sampler           `json:"sampler,omitempty"`
	Sensors         []SensorSummary    `json:"sensors,omitempty"`
	NotMeasured     map[string]string  `json:"not_measured,omitempty"` // metric -> reason
	NodesByProvider map[string]int     `json:"nodes_by_provider,omitempty"`
	NodesElsewhere  map[string]int     `json:"nodes_elsewhere,omitempty"` // operator type -> nodes that ran on another provider than the one asked for
	Runtime         Runtime            `json:"runtime"`
	Threads         map[string]any     `json:"threads,omitempty"` // intra, inter, spinning
	Inputs          map[string]string  `json:"inputs,omitempty"`  // input -> how it was made
	Notes           []string           `json:"notes,omitempty"`   // what the load did that its options do not say
	Affinity        *Affinity          `json:"affinity,omitempty"`
	Batching        *Batches           `json:"batching,omitempty"`         // where requests were put together
	Lateness        map[string]float64 `json:"lateness_seconds,omitempty"` // p50, p99, max of issued - due
	Certificate     *Certificate       `json:"certificate,omitempty"`
	Verdict         string             `json:"verdict"`           // valid, suspect, invalid
	Reasons         []string           `json:"reasons,omitempty"` // code: text
}

// Certificate says how far what was measured is true: what the generator, the host and the clocks did in `measure`. A figure that the
// machine does not give is absent.
type Certificate struct {
	// Overload is there when an open load asked for more than was served.
	Overload *Overload `json:"overload,omitempty"`
	// Of open loads: the rate that was asked for, under a profile on average over the window, and how many requests a second were due in the
	// window, which Poisson arrivals let differ by chance. Of all: how many a second were done in it.
	ScheduledPerSecond float64 `json:"scheduled_per_second,omitempty"`
	DuePerSecond       float64 `json:"due_per_second,omitempty"`
	AchievedPerSecond  float64 `json:"achieved_per_second"`
	// Of open loads: Lateness is issued - due, Unexplained what a request waited longer than in an ideal first-come first-served queue with the
	// same services: p50, p99, max, seconds. GeneratorShare is the latter's part of all latency.
	Lateness       map[string]float64 `json:"lateness_seconds,omitempty"`
	Unexplained    map[string]float64 `json:"unexplained_seconds,omitempty"`
	GeneratorShare *float64           `json:"generator_share,omitempty"`
	// ClockRatio is how far the wall clock advanced for each second of the monotonic one.
	ClockRatio float64 `json:"clock_ratio"`
	// For how long the thread that watches the load, due every 20 ms, did not run, in pieces of at least 50 ms, and the longest of them.
	StoppedSeconds     float64 `json:"stopped_seconds"`
	LongestStopSeconds float64 `json:"longest_stop_seconds"`
	// Spin is how long before a request is due the generator stops sleeping and spins, and why.
	SpinNS  int64  `json:"spin_ns"`
	SpinWhy string `json:"spin_why,omitempty"`
	// Of the trial's process within measure. WaitedForCoreSeconds is for how long its threads were ready to run and had no core, added up.
	GCCycles             uint32   `json:"gc_cycles"`
	GCPauseSeconds       float64  `json:"gc_pause_seconds"`
	MajorFaults          int64    `json:"major_faults"`
	MinorFaults          int64    `json:"minor_faults"`
	VoluntarySwitches    int64    `json:"voluntary_switches"`
	InvoluntarySwitches  int64    `json:"involuntary_switches"`
	WaitedForCoreSeconds *float64 `json:"waited_for_core_seconds,omitempty"`
	// Cores that the process may run on, and threads that the load and the model want to run at once.
	Cores   int `json:"cores"`
	Threads int `json:"threads"`
	// As the sampler saw the host within measure: what other processes used of those cores, the share of time that other guests took, and
	// how long the container's quota held the process back.
	OthersCores      *float64 `json:"others_cores,omitempty"`
	StealRatio       *float64 `json:"steal_ratio,omitempty"`
	ThrottledSeconds *float64 `json:"throttled_seconds,omitempty"`
}

// Overload is what an open load that asked for too much shows, over the last two thirds of `measure`.
type Overload struct {
	Served    float64 `json:"served"`     // requests that ended or timed out, those of warm-up included, over requests due
	InFlight  float64 `json:"in_flight"`  // on average over the last third
	PerSecond float64 `json:"per_second"` // requests that ended a second: what can be served; 0 where that cannot be told

	// StoppedAfterSeconds is set where the load was to stop on overload and did: the length of `measure`, of PlannedSeconds.
	StoppedAfterSeconds float64 `json:"stopped_after_seconds,omitempty"`
	PlannedSeconds      float64 `json:"planned_seconds,omitempty"`
}

// Affinity says which processors the model's threads and workers are kept on, and which the rest of the trial and the sampler; neither where
// nothing is divided. Why says what was chosen and for what reason.
type Affinity struct {
	Model []int  `json:"model,omitempty"`
	Rest  []int  `json:"rest,omitempty"`
	Why   string `json:"why"`
}

// Batches says how requests were put together in measure.
type Batches struct {
	Max            int     `json:"max"`
	DelayNS        int64   `json:"delay_ns"`
	Batches        float64 `json:"batches"` // those at measure's edges by the part that belongs to it
	MeanSize       float64 `json:"mean_size"`
	RequestsBySize []int   `json:"requests_by_size"` // how many requests were sent in batches of 1, 2, ...
}

// Phase is a named interval of a trial.
type Phase struct {
	Name       string  `json:"name"` // environment, session, first, warmup, measure, drain
	StartNS    int64   `json:"start_ns"`
	EndNS      int64   `json:"end_ns"`
	CPUSeconds float64 `json:"cpu_seconds"`    // of the trial's process within the phase
	PeakRSS    int64   `json:"peak_rss_bytes"` // VmHWM at the end of the phase
}

// Seconds returns the phase's length.
func (p Phase) Seconds() float64 { return float64(p.EndNS-p.StartNS) / 1e9 }

// Phase returns the phase of that name, if the trial reached it.
func (t *Trial) Phase(name string) (Phase, bool) {
	for _, p := range t.Phases {
		if p.Name == name {
			return p, true
		}
	}
	return Phase{}, false
}

// Counts are of the requests that were due in `measure`: scheduled = ok + failed + dropped + timeout.
type Counts struct {
	Scheduled int `json:"scheduled"`
	OK        int `json:"ok"`
	Failed    int `json:"failed"`
	Dropped   int `json:"dropped"`
	Timeout   int `json:"timeout"`
	Hung      int `json:"hung,omitempty"` // those of timeout whose call had not returned when the trial was given up
	Warmup    int `json:"warmup"`
}

// Process is what the trial's own process spent.
type Process struct {
	CPUSeconds          float64 `json:"cpu_seconds"`
	PeakRSS             int64   `json:"peak_rss_bytes"` // VmHWM up to the end of `measure`
	RSSBeforeSession    int64   `json:"rss_before_session_bytes"`
	GCCycles            uint32  `json:"gc_cycles"` // within `measure`
	GCPauseSeconds      float64 `json:"gc_pause_seconds"`
	MajorFaults         int64   `json:"major_faults"`
	InvoluntarySwitches int64   `json:"involuntary_switches"`
}

// Sampler is what watching cost.
type Sampler struct {
	CPUSeconds float64 `json:"cpu_seconds"`
	Seconds    float64 `json:"seconds"`
	EveryNS    int64   `json:"every_ns"`
	Samples    int     `json:"samples"`
	Missed     int     `json:"missed"`
	Reason     string  `json:"reason,omitempty"` // why it ended early, if it did
}

// SensorSummary reduces one sensor's samples within `measure`.
type SensorSummary struct {
	Sensor   string   `json:"sensor"` // gpu.0.power, gpu.0.energy, gpu.0.memory.used, host.steal, cgroup.throttled ...
	Unit     string   `json:"unit"`
	Method   string   `json:"method,omitempty"` // counter, power_integral, sampled
	Value    float64  `json:"value"`            // a delta for counters, a mean for gauges
	Max      float64  `json:"max"`
	N        int      `json:"n"`
	Warnings []string `json:"warnings,omitempty"`
}

// RequestStatus is how one request ended.
type RequestStatus uint8

// The statuses of requests, as they stand in the Parquet files' status column by String.
const (
	RequestOK RequestStatus = iota
	RequestFailed
	RequestDropped
	RequestTimeout
)

func (s RequestStatus) String() string {
	return [...]string{"ok", "failed", "dropped", "timeout"}[s]
}

// Absent marks an instant that a request never reached.
const Absent int64 = -1 << 63

// Request is one row: instants in nanoseconds from the trial's StartNS, Absent where never reached.
type Request struct {
	Seq       int64
	DueNS     int64
	IssuedNS  int64
	StartedNS int64
	DoneNS    int64
	Status    RequestStatus
	Batch     int32
	Input     int32
}

// Sample is one reading of one sensor, its instant from the trial's StartNS.
type Sample struct {
	NS     int64
	Sensor string
	Value  float64
}
