package plan

// Experiment is an experiment file as it was written: defaults are not filled in and sweeps not expanded. Parse and Bench.Experiment make
// one that has no mistakes that can be seen without the machine; Resolve turns it into what is carried out.
type Experiment struct {
	Name       string  `json:"name,omitempty" jsonschema:"description=Names the run and its folder. Default: the file's name."`
	Hypothesis string  `json:"hypothesis,omitempty" jsonschema:"description=What this experiment is to show; printed in the report."`
	Seed       *uint64 `json:"seed,omitempty" jsonschema:"description=Draws the order of arms and every generated input. Default: 1."`

	Variants Map[Variant] `json:"variants" jsonschema:"description=Forms of one model by name."`
	Baseline string       `json:"baseline,omitempty" jsonschema:"description=The variant that the others are compared with. Default: the first."`
	Datasets Map[Dataset] `json:"datasets,omitempty" jsonschema:"description=Labelled examples by name."`

	Data   string            `json:"data,omitempty" jsonschema:"description=Where requests' inputs come from: a data set's name or an .npz file or a folder of .npy files or of test_data_set_* folders. Default: the quality data set; without one inputs are generated."`
	Inputs Texts             `json:"inputs,omitempty" jsonschema:"description=Model input to an .npy file or a value."`
	Arrays map[string]string `json:"arrays,omitempty" jsonschema:"description=Model input to the array of the data that holds it. Default: equal names."`
	Dims   map[string]Turns  `json:"dims,omitempty" jsonschema:"description=Symbolic dimension to its size in generated inputs; several sizes are taken in turn."`
	Shapes map[string]Shapes `json:"shapes,omitempty" jsonschema:"description=Model input to its whole shape in generated inputs; several shapes are taken in turn."`
	Config Texts             `json:"session_config,omitempty" jsonschema:"description=Session configuration entries by the runtime's keys."`
	Sample Duration          `json:"sample_every,omitempty" jsonschema:"description=How often sensors are read. Default: 100ms."`

	Sweep   Sweep    `json:"sweep,omitempty"`
	Load    []Load   `json:"load,omitempty" jsonschema:"description=Ways of sending requests. Default: single-stream for 2s."`
	Quality *Quality `json:"quality,omitempty"`
	Design  Design   `json:"design,omitempty"`
	Gates   []Gate   `json:"gates,omitempty" jsonschema:"description=Acceptance rules."`
	Budget  Budget   `json:"budget,omitempty"`

	Fast bool `json:"-"` // one short block: a look, never a verdict

	source *source
	text   []byte
}

// Text is the experiment file as it was given, "" where flags were given in its place.
func (e *Experiment) Text() string { return string(e.text) }

// Variant is one form of the model: a file, or a recipe that makes it from another variant.
type Variant struct {
	Model         string    `json:"model,omitempty" jsonschema:"description=The ONNX file; relative to this file or else to the working directory."`
	Quantize      *Quantize `json:"quantize,omitempty"`
	DistilledFrom string    `json:"distilled_from,omitempty" jsonschema:"description=The variant that taught this one."`
}

// Quantize makes a variant of lower precision from another one.
type Quantize struct {
	From        string          `json:"from" jsonschema:"description=The variant to start from."`
	Scheme      Scheme          `json:"scheme"`
	Calibration *Calibration    `json:"calibration,omitempty"`
	Options     QuantizeOptions `json:"options,omitempty" jsonschema:"description=Flags of assay quantize by their long names."`
}

// QuantizeOptions are the flags of `assay quantize` that an experiment may set. Absent ones take that command's defaults.
type QuantizeOptions struct {
	Activation    *Activation `json:"activation,omitempty"`
	WeightType    *Activation `json:"weight-type,omitempty"`
	Percentile    *Positive   `json:"percentile,omitempty"`
	PerChannel    *bool       `json:"per-channel,omitempty"`
	ReduceRange   *bool       `json:"reduce-range,omitempty"`
	Symmetric     *bool       `json:"symmetric,omitempty"`
	Block         *Count      `json:"block,omitempty"`
	AccuracyLevel *Size       `json:"accuracy-level,omitempty"`
	WeightMethod  *string     `json:"weight-method,omitempty"`
	Form          *string     `json:"form,omitempty"`
	KeepFloat     *Size       `json:"keep-float,omitempty"`
	Include       *string     `json:"include,omitempty"`
	Exclude       *string     `json:"exclude,omitempty"`
	OpTypes       []string    `json:"op-types,omitempty"`
	Overrides     *string     `json:"overrides,omitempty"`
	KeepIO        *bool       `json:"keep-io,omitempty"`
	Target        *string     `json:"target,omitempty"`
	Prepare       *Prepare    `json:"prepare,omitempty"`
	Ranges        *string     `json:"ranges,omitempty"`
}

// Calibration names the data and the method that give activation ranges.
type Calibration struct {
	Dataset  string `json:"dataset" jsonschema:"description=A name under datasets."`
	Method   Method `json:"method,omitempty"`
	Examples Count  `json:"examples,omitempty" jsonschema:"description=How many examples are used. Default: all."`
}

// Dataset is labelled examples in an .npz file.
type Dataset struct {
	Path   string            `json:"path" jsonschema:"description=An .npz file."`
	Inputs map[string]string `json:"inputs,omitempty" jsonschema:"description=Model input to array. Default: equal names."`
	Label  string            `json:"label,omitempty" jsonschema:"description=The array of labels."`
	Slices []string          `json:"slices,omitempty" jsonschema:"description=Arrays that split the examples into groups."`
}

// Sweep lists what every load is run with.
type Sweep struct {
	Provider []Provider `json:"provider,omitempty" jsonschema:"description=Execution providers. Default: cpu."`
	Batch    []Count    `json:"batch,omitempty" jsonschema:"description=Examples in a request. Default: 1."`
	Threads  []Count    `json:"intra_op_threads,omitempty" jsonschema:"description=Threads within an operator. Default: one less than the cores."`
}

// Load is one way of sending requests. Its own variants, provider, batch and threads stand in for those of the sweep.
type Load struct {
	Name        string     `json:"name,omitempty" jsonschema:"description=As it stands in arm names. Default: made from the scenario."`
	Scenario    Scenario   `json:"scenario"`
	Arrivals    Arrivals   `json:"arrivals,omitempty" jsonschema:"description=server only. Default: poisson."`
	Rate        Rate       `json:"rate,omitempty" jsonschema:"description=server only: requests a second or a share of the baseline's closed-loop rate."`
	Profile     Profile    `json:"profile,omitempty" jsonschema:"description=server only: how the rate changes within the measured window in multiples of it: ramp:FROM..TO or steps of multiples or sine:AMPLITUDE@PERIOD."`
	Normalize   bool       `json:"normalize,omitempty" jsonschema:"description=server only: stretch the schedule so that it holds exactly as many requests as its rate asks for."`
	TimeScale   Positive   `json:"time_scale,omitempty" jsonschema:"description=trace arrivals only: 2 replays at half the speed. Default: 1."`
	Concurrency Count      `json:"concurrency,omitempty" jsonschema:"maximum=1024,description=Requests outstanding; in server the most in flight. Each keeps a thread of its own."`
	Samples     Count      `json:"samples,omitempty" jsonschema:"description=multi-stream only: samples in a query. Default: 8."`
	Duration    Duration   `json:"duration,omitempty" jsonschema:"description=Length of the measured window. Default: 2s."`
	Requests    Count      `json:"requests,omitempty" jsonschema:"description=Requests measured; whichever of this and duration comes first."`
	Until       Until      `json:"until,omitempty" jsonschema:"description=mlperf: the window lasts until duration and requests are both reached."`
	Timeout     Duration   `json:"timeout,omitempty" jsonschema:"description=When a request has missed its caller; counted from when it was due."`
	Sampling    Sampling   `json:"sampling,omitempty" jsonschema:"description=Which inputs requests take. Default: in-turn."`
	Batching    *Batching  `json:"batching,omitempty" jsonschema:"description=server only: put requests together before they are sent."`
	OnOverload  OnOverload `json:"on_overload,omitempty" jsonschema:"description=server only: stop ends a window once it cannot but be overloaded; continue measures it to its end. Default: continue."`
	Spinning    Spinning   `json:"spinning,omitempty" jsonschema:"description=on or off: whether the model's threads spin while they wait for work. Default: the runtime's (on)."`
	Config      Texts      `json:"session_config,omitempty" jsonschema:"description=Session configuration entries beside the experiment's."`
	SLO         SLO        `json:"slo,omitempty" jsonschema:"description=Objectives: quantiles of latency and the share of requests that may fail (error)."`
	Variants    []string   `json:"variants,omitempty"`
	Provider    []Provider `json:"provider,omitempty"`
	Batch       []Count    `json:"batch,omitempty"`
	Threads     []Count    `json:"intra_op_threads,omitempty"`
}

// Quality asks for task metrics of every variant on a data set.
type Quality struct {
	Dataset string          `json:"dataset" jsonschema:"description=A name under datasets."`
	Metrics []QualityMetric `json:"metrics,omitempty" jsonschema:"description=Default: accuracy and agreement."`
}

// Design says how often arms are repeated.
type Design struct {
	Blocks       Count    `json:"blocks,omitempty" jsonschema:"description=Trials of each arm. Default: 5; 10 where there are gates."`
	Warmup       *Wait    `json:"warmup,omitempty" jsonschema:"description=Load before the measured window. Default: 500ms."`
	Looks        []Count  `json:"looks,omitempty" jsonschema:"description=Block counts at which gates are judged; the last equals blocks."`
	Until        Until    `json:"until,omitempty" jsonschema:"description=ci=2% stops at the first look at which every arm's interval is that narrow; mlperf makes every window last until its least duration and requests."`
	TrialTimeout Duration `json:"trial_timeout,omitempty" jsonschema:"description=How long one trial may take. Default: chosen from its load."`
}

// Gate is an acceptance rule with exactly one bound.
type Gate struct {
	Metric     string `json:"metric" jsonschema:"description=A metric such as latency.p99 or quality.accuracy."`
	Arm        string `json:"arm" jsonschema:"description=A variant or an arm's full name."`
	AtMost     Limit  `json:"at_most,omitempty" jsonschema:"description=0.8x of the baseline or an amount such as 20ms."`
	AtLeast    Limit  `json:"at_least,omitempty" jsonschema:"description=1.2x of the baseline or an amount such as 200/s."`
	LossAtMost Limit  `json:"loss_at_most,omitempty" jsonschema:"description=1pp (points of a quality metric) or 2% (of the baseline's value)."`
	Alpha      Alpha  `json:"alpha,omitempty" jsonschema:"description=Two-sided level. Default: 0.05."`
}

// Budget bounds what the run may cost.
type Budget struct {
	Time Duration `json:"time,omitempty"`
}
