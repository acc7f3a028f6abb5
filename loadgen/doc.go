// Package loadgen decides when requests are sent and records what happened to them.
// It knows nothing about models, tensors or devices: a request is a function.
//
// Every request keeps four instants on the monotonic clock: due (when the schedule wanted it), issued (when a worker stood ready
// for it at or after that instant), started and done (around the call). Latency counts from due, so a stall cannot hide the wait
// that it caused.
//
// There is no dispatcher thread: the schedule is a precomputed list, and each worker takes the next entry of it, waits until it is
// due and runs it. A worker that is free early waits; when all are busy the entries wait with their clocks running. That is a
// first-come first-served queue with as many servers as workers, without a hand-over between threads.
package loadgen
