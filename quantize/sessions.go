package quantize

import (
	"maps"

	"assay/backend"
)

// unhurried has the threads of a session sleep where there is nothing to do. By default they spin for a while after each operator, which wins
// microseconds where a model is served, and takes a processor from what else is at work here: examples, comparisons, other sessions.
var unhurried = map[string]string{"session.intra_op.allow_spinning": "0"}

// cpuOptions are a session's on the CPU provider: its level of optimisation, "" for the highest, its number of threads, 0 for one a core, and
// what else is configured. The map is the caller's to add to.
func cpuOptions(level string, threads int, config map[string]string) backend.Options {
	all := maps.Clone(unhurried)
	maps.Copy(all, config)
	return backend.Options{Provider: backend.Provider{Name: "cpu"}, Optimization: level, IntraOpThreads: threads, Config: all}
}
