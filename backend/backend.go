// Package backend is the seam to whatever executes a model. It knows types and contracts only;
// backend/ort and backend/null implement them.
package backend

import (
	"context"
	"fmt"

	"assay/tensor"
)

// Provider is an execution provider as the user asked for it: `cuda:device_id=1;enable_cuda_graph=1`.
type Provider struct {
	Name    string            `json:"name"` // lower case: cpu, cuda, webgpu, or the runtime's own name
	Options map[string]string `json:"options,omitempty"`
}

// Options is everything that can change how a session computes. The zero value is the runtime's default on the CPU.
type Options struct {
	Provider        Provider
	IntraOpThreads  int               // 0 lets the runtime choose
	InterOpThreads  int               // 0 lets the runtime choose
	Optimization    string            // "", "disable", "basic", "extended", "layout", "all"
	Config          map[string]string // session configuration entries, by the runtime's keys
	FreeDimensions  map[string]int64  // symbolic dimension name -> size, fixed at session creation
	OptimizedPath   string            // where to write the optimised model, "" for nowhere
	ProfilePrefix   string            // where to write a profile, "" for nowhere
	RecordPlacement bool              // ask the runtime which provider got which node
	Draw            uint64            // seed of what a backend draws itself, so that trials differ
}

// ValueInfo describes one input or output.
type ValueInfo struct {
	Name  string       `json:"name"`
	Kind  tensor.Kind  `json:"-"`
	DType tensor.DType `json:"-"`    // of a tensor, or of a sequence's elements
	Dims  []Dim        `json:"dims"` // nil for kinds other than tensor and where the rank is not known; a scalar has length 0
}

// Dim is one dimension: a size, or -1 with the symbol that names it ("" where the model names none).
type Dim struct {
	Size   int64  `json:"size"`
	Symbol string `json:"symbol,omitempty"`
}

// Node is a graph node after the runtime's optimisation, and the provider that it was assigned to.
type Node struct {
	Name, OpType, Domain, Provider string
}

// Session is a loaded model. Run and Bind may be called from any goroutine; a Bound may not be shared.
type Session interface {
	Inputs() []ValueInfo
	Outputs() []ValueInfo
	// Run executes once with feeds in the order of Inputs and returns all outputs as copies.
	// Its memory is the caller's; it is for correctness, not for timing.
	Run(ctx context.Context, feeds []tensor.Value) ([]tensor.Value, error)
	// Bind copies the feeds to where the provider wants them and prepares outputs, so that Bound.Run has nothing left to
	// allocate. It executes the model once where output shapes are not known beforehand.
	Bind(feeds []tensor.Value) (Bound, error)
	// Placement lists the nodes that run and their providers; an error where the backend cannot tell, or not of every node.
	Placement() ([]Node, error)
	// Terminate makes running and later requests fail until the process ends. Any goroutine may call it.
	Terminate() error
	Close() error
}

// Bound is one prepared request. Run may be called again and again by one goroutine.
type Bound interface {
	// Run executes the request; it returns when outputs are on the host. No allocation on the Go side.
	Run() error
	// Outputs copies the outputs of the last Run.
	Outputs() ([]tensor.Value, error)
	Close() error
}

// Backend opens models.
type Backend interface {
	// Open loads a model file. Errors are *Error where the runtime gave a code.
	Open(ctx context.Context, path string, o Options) (Session, error)
	Info() Info
	Close() error
}

// Info says what executes: it goes into every record of a run.
type Info struct {
	Name          string   `json:"name"` // "onnxruntime", "null"
	Version       string   `json:"version"`
	Build         string   `json:"build,omitempty"`
	Library       string   `json:"library,omitempty"`
	LibrarySHA256 string   `json:"library_sha256,omitempty"`
	Providers     []string `json:"providers"` // compiled in; not proof that one can start
	APIVersion    int      `json:"api_version,omitempty"`
}

// Code classifies a runtime's refusal, after OrtErrorCode.
type Code int

// The codes of OrtErrorCode (microsoft/onnxruntime include/onnxruntime/core/session/onnxruntime_error_code.h).
const (
	CodeOK Code = iota
	CodeFail
	CodeInvalidArgument
	CodeNoSuchFile
	CodeNoModel
	CodeEngineError
	CodeRuntimeException
	CodeInvalidProtobuf
	CodeModelLoaded
	CodeNotImplemented
	CodeInvalidGraph
	CodeEPFail
	CodeModelLoadCanceled
	CodeModelRequiresCompilation
	CodeNotFound
)

// Error is a runtime's refusal: what was attempted, its code and message, and the last lines of its log where they carry the cause.
type Error struct {
	Op      string
	Code    Code
	Message string
	Log     string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s", e.Op, e.Message)
	if e.Log != "" {
		s += " (" + e.Log + ")"
	}
	return s
}
