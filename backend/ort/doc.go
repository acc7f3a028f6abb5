// Package ort executes models with ONNX Runtime, whose shared library is loaded at run time.
//
// The Go binding (github.com/yalue/onnxruntime_go) gives the environment, session options, providers and sessions. What it lacks (typed
// tensors of every kind, symbolic dimensions, bound requests without allocation, error codes, the log, placement, profiling control and
// allocator statistics) is called through the runtime's function table on the binding's own sessions.
//
// The runtime sends no telemetry and writes nothing to the terminal: its log is kept, and a failure carries the cause from it. Signal
// handlers that a provider installs over Go's are undone.
//
// One process has one environment: Open works once. Sessions may be used from any goroutine; a Bound belongs to one.
package ort

//go:generate go run ./internal/apigen

// Config says which library to load.
type Config struct {
	Library string   // path of libonnxruntime.so
	SHA256  string   // of the library, if known; it is only recorded
	Preload []string // libraries that the runtime's providers need, in the order in which they are loaded
}
