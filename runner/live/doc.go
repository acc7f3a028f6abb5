// Package live shows what a run does while it lasts: a line on the terminal, and metrics for Prometheus. It measures nothing itself and
// decides nothing: it is told what happens, at most twice a second while a trial takes load, and no number of the report comes from it.
package live
