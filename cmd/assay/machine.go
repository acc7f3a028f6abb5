package main

import (
	"runtime"

	"assay/dataset"
	"assay/results"
)

func usableCores() int { return runtime.NumCPU() }

func describeMachine(r results.Runtime, nvml string) (results.Environment, error) {
	return results.Environment{Identity: map[string]any{}, State: map[string]any{}, Runtime: r}, nil
}

func machineState() map[string]any { return nil }

func identifyModel(path string) (string, int64, error) {
	sha, err := hashFile(path)
	return sha, 0, err
}

func vocabularyHint(model string) dataset.Hint { return func(string) (int64, bool) { return 0, false } }

func gatesSettled(dir string, blocks int) (bool, error) { return false, nil }
