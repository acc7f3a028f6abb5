// Package results holds what was measured as plain data: the records of a run, their files, and the report's shape.
// It imports nothing of ours, so a saved run can be read, compared and reported on any machine.
//
// Base units only: seconds (or nanoseconds where a name ends in NS), bytes, joules, watts, 1/s, ratios.
package results
