package main

import "github.com/spf13/cobra"

// commands lists every command of the program; `completion` and `help` are cobra's own.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newRuntimeCmd(a),
		newCheckCmd(a),
		newCheckWorkerCmd(a),
		newBenchCmd(a),
		newCapacityCmd(a),
		newRunCmd(a),
		newPlanCmd(a),
		newInitCmd(a),
		newReportCmd(a),
		newExportCmd(a),
		newGateCmd(a),
		newInspectCmd(a),
		newQuantizeCmd(a),
		newVerifyWorkerCmd(a),
		newTrialCmd(a),
		newSamplerCmd(a),
		newSelftestCmd(a),
		newVersionCmd(a),
	}
}
