// Package stats estimates, compares and judges. It is pure: numbers in, numbers with their doubts out.
//
// The unit of inference is the trial (a fresh process), never the request: requests of one process are not independent, and treating
// them so calls identical models different most of the time. Descriptive pieces come from montanaflynn/stats (its sample forms),
// distributions from gonum; inference is written here and validated by simulation in this package's tests.
package stats
