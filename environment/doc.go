// Package environment describes the machine that a run was measured on: its identity, which is hashed and must be equal for two runs to be
// compared as of one machine, and its state, which is recorded and may differ.
//
// What cannot be read is absent, never zero. Every source takes its root as an argument, so tests read fixtures.
package environment
