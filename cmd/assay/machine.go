package main

import (
	"io"
	"os"
	"runtime"
	"sync"

	"assay/backend/null"
	"assay/dataset"
	"assay/environment"
	"assay/onnx"
	"assay/results"
	"assay/results/analysis"
)

// usableCores is how many processors this process may use.
func usableCores() int { return environment.Cores(environment.System) }

// describeMachine gives a run's environment: identity, state and provenance.
func describeMachine(r results.Runtime, nvml string) (results.Environment, error) {
	var gpus environment.GPUs
	if c := probeSensors(nvml); c != nil {
		gpus.Driver = c.Driver
		for _, g := range c.GPUs {
			gpus.Devices = append(gpus.Devices, environment.GPU(g))
		}
	}
	e, err := environment.Collect(environment.System, gpus, r)
	e.Provenance = map[string]any{"assay": version(), "go": runtime.Version(), "gomaxprocs": runtime.GOMAXPROCS(0)}
	return e, err
}

// machineState is how the machine is found when a run ends.
func machineState() map[string]any { return environment.State(environment.System) }

// identifier is identifyModel for a run's variants; where provider null stands in for all of them, any file will do.
func identifier(spec *results.Spec) func(string) (string, int64, error) {
	for _, arm := range spec.Arms {
		if arm.Provider != "null" {
			return identifyModel
		}
	}
	return func(path string) (string, int64, error) {
		sha, err := hashFile(path)
		return sha, 0, err
	}
}

// identifyModel gives a model's hash and size, its external data included; a file that plants options for provider null need not be a model.
func identifyModel(path string) (string, int64, error) {
	if isNull(path) {
		sha, err := hashFile(path)
		return sha, 0, err
	}
	m, err := onnx.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer m.Close()
	return m.Identity()
}

// isNull reports whether a file plants options for provider null.
func isNull(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(null.Magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == null.Magic
}

// inputHints tells what a model's graph shows of its inputs' values. It opens the model once, when first asked.
func inputHints(model string) dataset.Hint {
	all := sync.OnceValue(func() map[string]onnx.Hint {
		hints := map[string]onnx.Hint{}
		m, err := onnx.Open(model)
		if err != nil {
			return hints
		}
		defer m.Close()
		for _, v := range m.Inputs() {
			hints[v.Name] = m.InputHint(v.Name)
		}
		return hints
	})
	return func(input string) onnx.Hint { return all()[input] }
}

// gatesSettled reports whether every gate has passed or failed on what was measured so far.
func gatesSettled(dir string, _ int) (bool, error) {
	rep, err := analysis.Analyze(dir)
	if err != nil {
		return false, err
	}
	return settled(rep), nil
}

// settled reports whether every gate is decided and the precision that was asked for reached.
func settled(rep *results.Report) bool {
	for _, g := range rep.Gates {
		if g.Verdict != results.GatePass && g.Verdict != results.GateFail {
			return false
		}
	}
	if rep.Precision != nil {
		return rep.Precision.Reached
	}
	return len(rep.Gates) > 0
}
