package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/results"
)

// long skips a test unless long ones were asked for (`make test-long`).
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("ASSAY_LONG") == "" {
		t.Skip("a long test: run `make test-long`")
	}
}

// verdictOf benches two models and returns the verdict on latency.p50 of the second.
func verdictOf(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"bench", "--json", "--quiet", "--duration", "200ms", "--warmup", "50ms", "--out", filepath.Join(t.TempDir(), "run")}, args...)
	if code := run(args, nil, &stdout, &stderr); code != exitPass {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	var rep results.Report
	if err := json.Unmarshal(stdout.Bytes(), &rep); err != nil {
		t.Fatal(err)
	}
	for _, c := range rep.Comparisons {
		if c.Metric == "latency.p50" {
			return c.Verdict
		}
	}
	t.Fatal("no comparison of latency.p50")
	return ""
}

// TestIdenticalModelsAreSeldomDifferent compares a model with itself 40 times: a correct 5 % test passes 6 in 0.3 % of cases.
func TestIdenticalModelsAreSeldomDifferent(t *testing.T) {
	long(t)
	model := filepath.Join(sharedData(t), "models/mnist.onnx")
	different := 0
	for seed := range 40 {
		if v := verdictOf(t, model, model, "--seed", fmt.Sprint(seed+1)); v == results.Better || v == results.Worse {
			different++
		}
	}
	t.Logf("%d of 40 comparisons of a model with itself called it different", different)
	if different > 6 {
		t.Errorf("%d of 40", different)
	}
}

// TestAPlantedSlowdownIsSeen plants 5 % through the null backend.
func TestAPlantedSlowdownIsSeen(t *testing.T) {
	long(t)
	fast, slow := nullModel(t, "service=1ms"), nullModel(t, "service=1.05ms")
	worse := 0
	for seed := range 40 {
		if verdictOf(t, "fast="+fast, "slow="+slow, "--provider", "null", "--seed", fmt.Sprint(seed+1)) == results.Worse {
			worse++
		}
	}
	t.Logf("a planted 5 %% was called worse in %d of 40", worse)
	if worse < 36 {
		t.Errorf("%d of 40", worse)
	}
}

// killed runs an experiment of tiny trials, kills it at random instants and resumes it, until it has been killed the given number of times
// and has ended well.
func killed(t *testing.T, kills int) {
	dir := t.TempDir()
	blocks := max(4, kills)
	experiment := filepath.Join(dir, "experiment.yaml")
	text := fmt.Sprintf("name: kills\nvariants:\n  a: {model: %q}\n  b: {model: %q}\nsweep: {provider: [\"null\"]}\nload:\n  - {scenario: single-stream, duration: 60ms}\ndesign: {blocks: %d, warmup: 10ms}\n",
		nullModel(t, "service=1ms"), nullModel(t, "service=1ms"), blocks)
	if err := os.WriteFile(experiment, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "run")
	rng := rand.New(rand.NewPCG(1, uint64(kills)))
	seen := map[string]int{} // trial -> process that measured it
	for k := 0; ; k++ {
		cmd := exec.Command(os.Args[0], "run", experiment, "--out", out, "--quiet")
		if _, err := os.Stat(results.Dir(out).RunFile()); err == nil {
			cmd.Args = append(cmd.Args, "--resume")
		}
		cmd.Env = append(os.Environ(), asProgram+"=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if k < kills {
			timer := time.AfterFunc(time.Duration(150+rng.IntN(600))*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
			_ = cmd.Wait()
			timer.Stop()
		} else if err := cmd.Wait(); err != nil {
			t.Fatalf("after %d kills: %v: %s", k, err, said.String())
		}
		finished(t, out, seen)
		if k >= kills {
			break
		}
	}
	if len(seen) != 2*blocks {
		t.Errorf("%d trials, want %d", len(seen), 2*blocks)
	}
}

// finished checks that every trial that was there before is there still, unchanged, with its samples.
func finished(t *testing.T, out string, seen map[string]int) {
	t.Helper()
	trials, err := results.Dir(out).ReadTrials()
	if err != nil {
		t.Fatal(err)
	}
	now := map[string]bool{}
	for _, trial := range trials {
		name := results.TrialName(trial.Block, trial.Arm)
		if now[name] {
			t.Errorf("%s is there twice", name)
		}
		now[name] = true
		if pid, before := seen[name]; before && pid != trial.PID {
			t.Errorf("%s was measured again", name)
		}
		seen[name] = trial.PID
		rows, err := results.ReadRequests(results.Dir(out).RequestsFile(trial.Block, trial.Arm))
		if err != nil || len(rows) != trial.Counts.Scheduled || trial.Status != results.TrialOK {
			t.Errorf("%s: %s, %d rows of %d, %v", name, trial.Status, len(rows), trial.Counts.Scheduled, err)
		}
	}
	for name := range seen {
		if !now[name] {
			t.Errorf("%s is lost", name)
		}
	}
}

func TestThreeKillsLoseNothing(t *testing.T) { killed(t, 3) }

func TestFiftyKillsLoseNothing(t *testing.T) {
	long(t)
	killed(t, 50)
}

// TestInterruptSavesAPartialReport sends Ctrl-C in the middle of a run.
func TestInterruptSavesAPartialReport(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command(os.Args[0], "bench", nullModel(t, "service=1ms"), "--provider", "null", "--duration", "300ms", "--warmup", "50ms", "--blocks", "40", "--out", out)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buf := make([]byte, 256)
	sent := false
	for {
		n, err := stderr.Read(buf)
		said.Write(buf[:n])
		if !sent && strings.Count(said.String(), "requests in") >= 2 { // two trials have ended
			_ = cmd.Process.Signal(syscall.SIGINT)
			sent = true
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Fatalf("exit %d, %v: %s", code, err, said.String())
	}
	run, err := results.Dir(out).ReadRun()
	if err != nil || run.Status != "interrupted" {
		t.Errorf("%+v, %v", run, err)
	}
	for _, file := range []string{"report.json", "report.html"} {
		if _, err := os.Stat(filepath.Join(out, file)); err != nil {
			t.Errorf("no partial report: %v", err)
		}
	}
	if !strings.Contains(stdout.String(), "SUSPECT") {
		t.Errorf("the partial report does not say so:\n%s", stdout.String())
	}
}
