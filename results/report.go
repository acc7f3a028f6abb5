package results

import "time"

// Report is report.json: everything derived from a run's samples. See docs for each key's meaning.
type Report struct {
	Schema      string        `json:"schema"`
	Run         RunSummary    `json:"run"`
	Environment Environment   `json:"environment"`
	Verdict     string        `json:"verdict"`             // valid, suspect, invalid
	Reasons     []string      `json:"reasons"`             // code: text
	Findings    []string      `json:"findings,omitempty"`  // code: text; what is worth knowing and nothing against the run
	Precision   *Reached      `json:"precision,omitempty"` // under a rule of precision
	Decision    Decision      `json:"decision"`
	Arms        []ArmReport   `json:"arms"`
	Comparisons []Comparison  `json:"comparisons"`
	Gates       []GateResult  `json:"gates"`
	Variants    []VariantInfo `json:"variants"`
	Trials      []TrialPoint  `json:"trials"`
	Quality     []QualityInfo `json:"quality,omitempty"`
	Capacity    *Capacity     `json:"capacity,omitempty"` // of a search for the highest rate
}

// Reached is how far a run came under its rule of precision.
type Reached struct {
	Metric     string       `json:"metric"`
	HalfWidth  float64      `json:"half_width"` // asked for, relative to the value
	Looks      []int        `json:"looks"`
	Confidence float64      `json:"confidence"` // of each look's intervals: alpha is spread over the looks
	Blocks     int          `json:"blocks"`     // after which it ended
	Reached    bool         `json:"reached"`
	Arms       []ReachedArm `json:"arms"`
}

// ReachedArm is one arm's interval; without one HalfWidth is nil.
type ReachedArm struct {
	Arm       string   `json:"arm"`
	Value     float64  `json:"value"`
	HalfWidth *float64 `json:"half_width"` // the larger side, relative to the value
}

// GapService is service times by the gap in front of a request: how long nothing was served before it.
type GapService struct {
	FromSeconds float64  `json:"from_seconds"`
	ToSeconds   *float64 `json:"to_seconds"` // nil for no limit
	Requests    int      `json:"requests"`
	P50         float64  `json:"service_p50_seconds"`
}

// MLPerf is a load's tail as MLPerf judges it, for independent requests: by trials.
type MLPerf struct {
	Percentile float64    `json:"percentile"`
	Bounds     []*float64 `json:"bounds_seconds"` // upper, at 99 %; nil where a trial has too few requests
	Met        int        `json:"met"`            // trials that reached the least duration and the least number of requests
	Note       string     `json:"note"`
}

// RunSummary identifies the run.
type RunSummary struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Hypothesis string     `json:"hypothesis,omitempty"`
	Started    time.Time  `json:"started"`
	Ended      *time.Time `json:"ended,omitempty"` // absent while the run lasts, and after a kill
	Seconds    float64    `json:"seconds"`         // that it was worked on: the time between sessions of a resumed run does not count
	Command    string     `json:"command"`
	Seed       uint64     `json:"seed"`
	Assay      string     `json:"assay"`
	Status     string     `json:"status"`
	Blocks     int        `json:"blocks"` // complete ones
	Planned    int        `json:"blocks_planned"`
}

// Decision is the answer to the question that Assay exists for.
type Decision struct {
	Ship       *string `json:"ship"` // a variant, or null where nothing can be said
	Why        string  `json:"why"`
	Conclusion string  `json:"conclusion"` // one paragraph
}

// ArmReport is one arm's figures.
type ArmReport struct {
	Name            string            `json:"name"`
	Variant         string            `json:"variant"`
	Provider        string            `json:"provider"`
	Batch           int               `json:"batch"`
	IntraOpThreads  int               `json:"intra_op_threads"`
	Load            string            `json:"load"`
	Scenario        string            `json:"scenario"`
	Rate            float64           `json:"rate_per_second,omitempty"`
	Profile         string            `json:"profile,omitempty"` // how the rate changes: its numbers are multiples of Rate
	Baseline        bool              `json:"baseline"`
	Against         string            `json:"against,omitempty"`
	Trials          int               `json:"trials"`
	TrialsFailed    int               `json:"trials_failed"`
	Failures        []string          `json:"failures,omitempty"` // b003: oom: killed by the kernel for memory
	Requests        int               `json:"requests"`
	Failed          int               `json:"failed"`
	Dropped         int               `json:"dropped"`
	Timeout         int               `json:"timeout"`
	NodesByProvider map[string]int    `json:"nodes_by_provider,omitempty"`
	Metrics         map[string]Metric `json:"metrics"`
	NotMeasured     map[string]string `json:"not_measured"`
	Certificate     *ArmCertificate   `json:"certificate,omitempty"`
	Steady          map[string]int    `json:"steady,omitempty"`   // trials that are flat, warming, slowing, unsteady
	IdleGap         []GapService      `json:"idle_gap,omitempty"` // server loads
	Notes           []string          `json:"notes,omitempty"`    // what its loads did that their options do not say
	MLPerf          *MLPerf           `json:"mlperf,omitempty"`
	Objectives      []ObjectiveResult `json:"objectives,omitempty"`
}

// ObjectiveResult is an objective judged on one arm.
type ObjectiveResult struct {
	Objective string   `json:"objective"` // p99<=20ms
	Verdict   string   `json:"verdict"`   // pass, fail, inconclusive
	Why       string   `json:"why"`
	Value     *float64 `json:"value"`   // the quantile, failures counted as endless, or the share that failed; null where the sample cannot support it
	Limit     float64  `json:"limit"`   // likewise
	Margin    *float64 `json:"margin"`  // 1 - value/limit: below 0 is missed
	Missed    float64  `json:"missed"`  // share of requests that missed it
	Low       float64  `json:"low"`     // one-sided 99 % bounds of that share
	High      float64  `json:"high"`    //
	Allowed   float64  `json:"allowed"` // share that may miss it
	N         int      `json:"n"`
	NEff      float64  `json:"n_eff"`  // independent requests that would say as much
	Memory    float64  `json:"memory"` // integrated autocorrelation time, in requests
	Lag1      float64  `json:"lag1"`   // autocorrelation of neighbours
	Method    string   `json:"method"`
	// EarlyStopping is MLPerf's test, which assumes that requests are independent.
	EarlyStopping *EarlyStopping `json:"early_stopping,omitempty"`
}

// EarlyStopping is what MLPerf's early stopping says of an objective.
type EarlyStopping struct {
	Verdict string   `json:"verdict"`       // pass, inconclusive
	More    int      `json:"more"`          // requests that would pass if none of them missed
	Bound   *float64 `json:"bound_seconds"` // its estimate of the quantile from above; null where there are too few requests
	Assumes string   `json:"assumes"`
}

// ArmCertificate sums up the certificates of an arm's trials: how many had which verdict, mean rates, and of each doubt the worst trial's.
type ArmCertificate struct {
	Valid   int `json:"valid"`
	Suspect int `json:"suspect"`
	Invalid int `json:"invalid"`
	// Requests per second: asked for, due by the drawn schedule, done. The first two are open loads'.
	ScheduledPerSecond float64  `json:"scheduled_per_second,omitempty"`
	DuePerSecond       float64  `json:"due_per_second,omitempty"`
	AchievedPerSecond  float64  `json:"achieved_per_second"`
	LatenessP99        *float64 `json:"lateness_p99_seconds,omitempty"`
	UnexplainedP99     *float64 `json:"unexplained_p99_seconds,omitempty"`
	GeneratorShare     *float64 `json:"generator_share,omitempty"`
	StoppedSeconds     float64  `json:"stopped_seconds"`
	OthersCores        *float64 `json:"others_cores,omitempty"`
	StealRatio         *float64 `json:"steal_ratio,omitempty"`
	ThrottledSeconds   *float64 `json:"throttled_seconds,omitempty"`
	GCCycles           uint32   `json:"gc_cycles"`
}

// Metric is an estimate with its doubts. Low and High are nil where no interval can be given; Warnings says why.
type Metric struct {
	Value      float64  `json:"value"`
	Unit       string   `json:"unit"` // s, 1/s, B, J, ratio
	Low        *float64 `json:"low,omitempty"`
	High       *float64 `json:"high,omitempty"`
	Confidence float64  `json:"confidence,omitempty"`
	Method     string   `json:"method"`
	N          int      `json:"n"`
	Trials     int      `json:"trials"`
	Kind       string   `json:"kind,omitempty"` // measured, estimated
	Warnings   []string `json:"warnings,omitempty"`
}

// The verdicts of a comparison.
const (
	Better  = "better"
	Worse   = "worse"
	Same    = "same"
	Unclear = "unclear"
)

// Comparison is one arm against its baseline in one metric.
type Comparison struct {
	Baseline   string   `json:"baseline"`
	Arm        string   `json:"arm"`
	Metric     string   `json:"metric"`
	Scale      string   `json:"scale"` // ratio, difference
	Unit       string   `json:"unit,omitempty"`
	Ratio      *float64 `json:"ratio,omitempty"`
	Difference *float64 `json:"difference,omitempty"`
	Low        *float64 `json:"low,omitempty"`
	High       *float64 `json:"high,omitempty"`
	Confidence float64  `json:"confidence,omitempty"`
	P          *float64 `json:"p,omitempty"`
	PAdjusted  *float64 `json:"p_adjusted,omitempty"`
	Method     string   `json:"method"`
	N          int      `json:"n"` // block pairs, or examples
	Verdict    string   `json:"verdict"`
	Warnings   []string `json:"warnings,omitempty"`
}

// The verdicts of a gate.
const (
	GatePass         = "pass"
	GateFail         = "fail"
	GateInconclusive = "inconclusive"
	GateNothing      = "nothing" // nothing was measured
)

// GateResult is one rule judged on one arm.
type GateResult struct {
	Rule         string   `json:"rule"`
	Arm          string   `json:"arm"`
	Metric       string   `json:"metric"`
	Verdict      string   `json:"verdict"`
	Value        *float64 `json:"value,omitempty"`
	Low          *float64 `json:"low,omitempty"`
	High         *float64 `json:"high,omitempty"`
	Bound        float64  `json:"bound"`
	Unit         string   `json:"unit,omitempty"`
	Why          string   `json:"why"`
	MoreBlocks   int      `json:"more_blocks"`
	MoreExamples int      `json:"more_examples,omitempty"`
}

// VariantInfo names a variant's file and origin.
type VariantInfo struct {
	Name          string         `json:"name"`
	SHA256        string         `json:"sha256"`
	Bytes         int64          `json:"bytes"`
	Quantize      string         `json:"quantize,omitempty"` // scheme
	From          string         `json:"from,omitempty"`
	DistilledFrom string         `json:"distilled_from,omitempty"`
	Lineage       map[string]any `json:"lineage,omitempty"`
}

// TrialPoint is one trial reduced for charts and tables: its place in time, its verdict and its latency distribution.
type TrialPoint struct {
	Block             int       `json:"block"`
	Position          int       `json:"position"`
	Arm               string    `json:"arm"`
	Status            string    `json:"status"`
	Reason            string    `json:"reason,omitempty"`
	StartSeconds      float64   `json:"start_seconds"` // from the run's first trial
	EndSeconds        float64   `json:"end_seconds"`
	Requests          int       `json:"requests"`
	RequestsPerSecond float64   `json:"requests_per_second"`
	QuantileLevels    []float64 `json:"quantile_levels"` // 0 .. 1
	LatencySeconds    []float64 `json:"latency_seconds"` // at those levels
	Verdict           string    `json:"verdict"`
	Reasons           []string  `json:"reasons,omitempty"`
	Steady            string    `json:"steady,omitempty"` // flat, warming, slowing, unsteady; absent for few requests
	// Certificate is the trial's; docs/load.md says what each figure is.
	Certificate *Certificate `json:"certificate,omitempty"`
}

// QualityInfo is one variant's task quality beyond the metrics: slices, flips and findings.
type QualityInfo struct {
	Variant  string         `json:"variant"`
	Provider string         `json:"provider"`
	Dataset  string         `json:"dataset"`
	Examples int            `json:"examples"`
	Flips    map[string]int `json:"flips,omitempty"` // both_right, only_baseline_right, only_variant_right, both_wrong
	Slices   []SliceQuality `json:"slices,omitempty"`
	Findings []string       `json:"findings,omitempty"` // e.g. NaN outputs
}

// SliceQuality is a metric within one slice of a data set.
type SliceQuality struct {
	Column   string  `json:"column"`
	Value    string  `json:"value"`
	Metric   string  `json:"metric"`
	Examples int     `json:"examples"`
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}
