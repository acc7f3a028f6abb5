package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"assay/results"
)

// defaultRuns is where runs go that were not sent elsewhere.
const defaultRuns = "assay-runs"

// findRun returns the directory that RUN names on a command line: a directory, `latest`, or a run's name under ./assay-runs.
func findRun(arg string) (string, error) { return findRunIn(defaultRuns, arg) }

// findRunIn is findRun among the runs in a folder other than ./assay-runs. Its errors are mistakes of the user's.
func findRunIn(runs, arg string) (string, error) {
	if arg == "latest" {
		return latestRun(runs)
	}
	for _, dir := range []string{arg, filepath.Join(runs, arg)} {
		_, err := os.Stat(results.Dir(dir).RunFile())
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", usageError(fmt.Errorf("open the run %s: %w", arg, err))
		}
	}
	if info, err := os.Stat(arg); err == nil && info.IsDir() {
		return "", usageError(fmt.Errorf("%s is not a run: it has no run.json", arg))
	}
	return "", usageError(fmt.Errorf("no run %q here or in %s; name a run's directory, or `latest`", arg, runs))
}

// latestRun is the run in a folder that was started last.
func latestRun(runs string) (string, error) {
	entries, err := os.ReadDir(runs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", usageError(fmt.Errorf("look for runs: %w", err))
	}
	newest, when := "", time.Time{}
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		run, err := results.Dir(dir).ReadRun()
		if err == nil && (newest == "" || run.Started.After(when)) {
			newest, when = dir, run.Started
		}
	}
	if newest == "" {
		return "", usageError(fmt.Errorf("no run in %s; measure one with `assay bench MODEL`, or name a run's directory", runs))
	}
	return newest, nil
}
