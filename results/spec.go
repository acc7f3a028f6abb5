package results

import "time"

// Spec is what a run carries out, after defaults are filled and sweeps expanded. It is stored as run.json's `resolved`,
// and everything that later explains a number is derived from it and from the trials.
type Spec struct {
	Name         string        `json:"name"`
	Hypothesis   string        `json:"hypothesis,omitempty"`
	Seed         uint64        `json:"seed"`
	Variants     []Variant     `json:"variants"`
	Baseline     string        `json:"baseline"` // a variant's name
	Datasets     []Dataset     `json:"datasets,omitempty"`
	Input        Input         `json:"input"`
	Loads        []Load        `json:"loads"`
	Arms         []Arm         `json:"arms"`
	Blocks       int           `json:"blocks"`
	Order        [][]string    `json:"order"`           // arm names in the order of each block, [block][position]
	Looks        []int         `json:"looks,omitempty"` // block counts at which gates are judged; the last is Blocks
	Warmup       time.Duration `json:"warmup_ns"`
	SampleEvery  time.Duration `json:"sample_every_ns"`
	TrialTimeout time.Duration `json:"trial_timeout_ns,omitempty"` // 0: chosen from the load
	Quality      *Quality      `json:"quality,omitempty"`
	Gates        []Gate        `json:"gates,omitempty"`
	Until        *Precision    `json:"until,omitempty"` // ends the run at a look
	SLOs         []SLO         `json:"slos,omitempty"`
	Fast         bool          `json:"fast,omitempty"` // one short block: a look, never a verdict
	Budget       time.Duration `json:"budget_ns,omitempty"`
	Capacity     *CapacityPlan `json:"capacity,omitempty"` // of a search for the highest rate; arms and order then grow with it
}

// Precision ends a run at the first look at which the interval of every arm's metric, at alpha over the number of looks, is at most
// HalfWidth of its value to either side.
type Precision struct {
	Metric    string  `json:"metric"`
	HalfWidth float64 `json:"half_width"`
}

// Variant is one form of the model: a file, or a recipe that makes one from another variant.
type Variant struct {
	Name          string          `json:"name"`
	Model         string          `json:"model,omitempty"` // path, absolute once resolved
	SHA256        string          `json:"sha256,omitempty"`
	Bytes         int64           `json:"bytes,omitempty"` // of the model file and its external data
	Quantize      *QuantizeRecipe `json:"quantize,omitempty"`
	DistilledFrom string          `json:"distilled_from,omitempty"`
	Lineage       map[string]any  `json:"lineage,omitempty"`
}

// QuantizeRecipe says how a variant is made from another.
type QuantizeRecipe struct {
	From        string         `json:"from"`
	Scheme      string         `json:"scheme"`
	Calibration *Calibration   `json:"calibration,omitempty"`
	Options     map[string]any `json:"options,omitempty"` // the flags of `assay quantize` by their long names
}

// Calibration names the data and the method that give activation ranges.
type Calibration struct {
	Dataset  string `json:"dataset"`
	Method   string `json:"method"`
	Examples int    `json:"examples,omitempty"` // 0: all
}

// Dataset is labelled examples in an .npz file.
type Dataset struct {
	Name   string            `json:"name"`
	Path   string            `json:"path"`
	Inputs map[string]string `json:"inputs,omitempty"` // model input -> array; empty: equal names
	Label  string            `json:"label,omitempty"`
	Slices []string          `json:"slices,omitempty"`
	SHA256 string            `json:"sha256,omitempty"`
	Count  int               `json:"count,omitempty"`
}

// Input says where requests' inputs come from.
type Input struct {
	Data      string             `json:"data,omitempty"`      // a file or a folder
	Values    map[string]string  `json:"values,omitempty"`    // input -> FILE.npy or a literal
	Arrays    map[string]string  `json:"arrays,omitempty"`    // model input -> array of Data; empty: equal names
	Shapes    map[string][]int64 `json:"shapes,omitempty"`    // input -> whole shape
	Dims      map[string]int64   `json:"dims,omitempty"`      // symbolic dimension -> size
	Turns     []InputTurn        `json:"turns,omitempty"`     // requests take these in turn, each over Shapes and Dims
	Different int                `json:"different,omitempty"` // how many different requests are generated; 0 for a few
	Described map[string]string  `json:"described,omitempty"` // input -> how its values were made, for the report
}

// InputTurn is one of several sets of shapes that requests take in turn.
type InputTurn struct {
	Shapes map[string][]int64 `json:"shapes,omitempty"`
	Dims   map[string]int64   `json:"dims,omitempty"`
}

// Load is one way of sending requests.
type Load struct {
	Name        string        `json:"name"`     // as it stands in arm names
	Scenario    string        `json:"scenario"` // single-stream, multi-stream, server, offline, concurrency
	Arrivals    string        `json:"arrivals,omitempty"`
	Rate        float64       `json:"rate_per_second,omitempty"` // requests; absolute
	RateShare   float64       `json:"rate_share,omitempty"`      // of the closed-loop rate, where asked for as a percentage
	RateOwn     bool          `json:"rate_own,omitempty"`        // the share is of each arm's own rate
	Concurrency int           `json:"concurrency,omitempty"`
	Profile     string        `json:"profile,omitempty"`    // how the rate changes within measure, as loadgen.ParseProfile reads it
	Normalize   bool          `json:"normalize,omitempty"`  // the schedule holds exactly as many requests as its rate asks for
	TimeScale   float64       `json:"time_scale,omitempty"` // of a trace: 2 is half as fast
	Inputs      int           `json:"inputs,omitempty"`     // of a trace that names them: how many there must be
	Asked       time.Duration `json:"asked_ns,omitempty"`   // of measure, where a trace ends before it
	Samples     int           `json:"samples,omitempty"`    // a query's, multi-stream
	Duration    time.Duration `json:"duration_ns"`
	Requests    int           `json:"requests,omitempty"` // at most

	// Under a stop rule measure lasts until Duration and MinRequests are both reached, and at most Longest.
	Rule        string        `json:"rule,omitempty"` // mlperf
	MinRequests int           `json:"min_requests,omitempty"`
	Longest     time.Duration `json:"longest_ns,omitempty"`

	StopOverloaded bool `json:"stop_overloaded,omitempty"` // a window that cannot but be overloaded ends early

	Timeout       time.Duration     `json:"timeout_ns,omitempty"`     // of a request, from when it was due
	Sampling      string            `json:"sampling,omitempty"`       // which inputs requests take, as loadgen.Picks reads it
	BatchMax      int               `json:"batch_max,omitempty"`      // requests that are put together before they are sent; 0: none are
	BatchDelay    time.Duration     `json:"batch_delay_ns,omitempty"` // how long the first of them waits for others
	SessionConfig map[string]string `json:"session_config,omitempty"` // beside the experiment's
}

// Window is the longest that measure may last.
func (l Load) Window() time.Duration { return max(l.Duration, l.Longest) }

// Queried is how many samples a request of this load is: one, or those of a query of multi-stream.
func (l Load) Queried() int {
	if l.Scenario == "multi-stream" {
		return max(1, l.Samples)
	}
	return 1
}

// Arm is one combination that is measured: its name is VARIANT.PROVIDER.bBATCH.tTHREADS.LOAD.
type Arm struct {
	Name            string            `json:"name"`
	Variant         string            `json:"variant"`
	Provider        string            `json:"provider"`
	ProviderOptions map[string]string `json:"provider_options,omitempty"`
	Batch           int               `json:"batch"`
	IntraOpThreads  int               `json:"intra_op_threads"`
	Load            string            `json:"load"`
	SessionConfig   map[string]string `json:"session_config,omitempty"`
	Rate            float64           `json:"rate_per_second,omitempty"` // resolved, server scenarios
	Baseline        bool              `json:"baseline"`
	Against         string            `json:"against,omitempty"` // the arm that this one is compared with
}

// Quality asks for task metrics of every variant on a data set.
type Quality struct {
	Dataset string   `json:"dataset"`
	Metrics []string `json:"metrics"`
}

// Gate is an acceptance rule. Exactly one bound is set.
type Gate struct {
	Metric     string  `json:"metric"`
	Arm        string  `json:"arm"`                    // a variant, or an arm's full name
	AtMost     string  `json:"at_most,omitempty"`      // "0.8x" of the baseline, or "20ms"
	AtLeast    string  `json:"at_least,omitempty"`     // likewise
	LossAtMost string  `json:"loss_at_most,omitempty"` // "1pp" or "2%"
	Alpha      float64 `json:"alpha,omitempty"`        // two-sided; 0.05 where 0
}

// Rule returns the gate as a sentence fragment: `latency.p99 at_most 0.8x`.
func (g Gate) Rule() string {
	switch {
	case g.AtMost != "":
		return g.Metric + " at_most " + g.AtMost
	case g.AtLeast != "":
		return g.Metric + " at_least " + g.AtLeast
	}
	return g.Metric + " loss_at_most " + g.LossAtMost
}
