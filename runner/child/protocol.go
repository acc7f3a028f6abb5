// Package child is what runs inside the processes that a run starts: one for each trial, and short ones that look at a model before,
// measure its quality or quantize it. A crash, a kill or a hang of the runtime ends such a process and nothing else.
//
// The protocol: the parent writes one Config as a JSON line to the child's stdin and keeps it open; its end, or the parent's death,
// means stop. The child writes Events as JSON lines to descriptor 3, progress at most twice a second, and one result or error last.
package child

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"assay/backend"
	"assay/loadgen"
	"assay/results"
)

// The jobs a child does.
const (
	KindProbe    = "probe"    // open the model, make inputs, run it once for each batch size
	KindTrial    = "trial"    // one measured load
	KindQuality  = "quality"  // predictions on a labelled data set
	KindQuantize = "quantize" // make a variant
)

// Config is a child's whole assignment.
type Config struct {
	Kind          string            `json:"kind"`
	Library       string            `json:"library,omitempty"` // the runtime's shared library; empty for provider null
	LibrarySHA256 string            `json:"library_sha256,omitempty"`
	Preload       []string          `json:"preload,omitempty"`
	Variant       string            `json:"variant,omitempty"` // of the library: cpu, gpu, webgpu
	Model         string            `json:"model"`
	Provider      backend.Provider  `json:"provider"`
	Threads       int               `json:"threads"`
	SessionConfig map[string]string `json:"session_config,omitempty"`
	Batches       []int             `json:"batches"` // a trial has one
	Input         results.Input     `json:"input"`
	Seed          uint64            `json:"seed"` // of generated inputs

	Load     results.Load     `json:"load"`
	Rate     float64          `json:"rate,omitempty"` // requests per second, resolved
	Arrivals uint64           `json:"arrivals"`       // seed of the schedule
	Draw     uint64           `json:"draw,omitempty"` // seed of what a backend draws: planted times
	Warmup   time.Duration    `json:"warmup_ns"`
	Patience time.Duration    `json:"patience_ns,omitempty"` // how long the parent lets a phase last; 0: it chose by the load
	Affinity loadgen.Affinity `json:"affinity"`              // which processors the model and the rest of the trial are kept on
	Scratch  string           `json:"scratch"`               // folder for temporary files
	Requests string           `json:"requests"`              // file for request rows

	Dataset *results.Dataset `json:"dataset,omitempty"`
	Quality string           `json:"quality,omitempty"` // file for predictions

	Nodes  *results.Nodes          `json:"nodes,omitempty"` // what the probe found, for a trial's record
	Recipe *results.QuantizeRecipe `json:"recipe,omitempty"`
	Cache  string                  `json:"cache,omitempty"` // folder for quantized variants
}

// The types of Events.
const (
	EventPhase    = "phase"
	EventProgress = "progress"
	EventResult   = "result"
	EventError    = "error"
)

// Event is one line from a child.
type Event struct {
	Type     string            `json:"type"`
	Phase    string            `json:"phase,omitempty"`
	Progress *loadgen.Progress `json:"progress,omitempty"`
	Trial    *results.Trial    `json:"trial,omitempty"`
	P50      float64           `json:"p50,omitempty"` // of a trial's latency from due, seconds
	Probe    *Probe            `json:"probe,omitempty"`
	Built    *Built            `json:"built,omitempty"`
	Error    string            `json:"error,omitempty"`
	Usage    bool              `json:"usage,omitempty"` // the user can mend what Error says
}

// Probe is what a look at a model found.
type Probe struct {
	Runtime results.Runtime     `json:"runtime"`
	Inputs  []backend.ValueInfo `json:"inputs"`
	Made    map[string]string   `json:"made"`  // input -> how its values were made
	Nodes   *results.Nodes      `json:"nodes"` // which provider ran what; absent where nothing can tell
	// Findings are what the outputs of the first run show against the model: values that are infinite or no numbers.
	Findings []string `json:"findings,omitempty"`
}

// Built is a variant that was made.
type Built struct {
	Path    string         `json:"path"`
	Lineage map[string]any `json:"lineage,omitempty"`
	Cached  bool           `json:"cached"`
	// Warnings are what trying it on this machine showed against it.
	Warnings []string `json:"warnings,omitempty"`
}

// reporter writes events; it is safe for concurrent use.
type reporter struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func newReporter(w io.Writer) *reporter { return &reporter{enc: json.NewEncoder(w)} }

func (r *reporter) send(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.enc.Encode(e) // a parent that does not read any more is gone, and so will this process be
}

// usageError is a mistake that the user can mend: a model, a data set, an option.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
