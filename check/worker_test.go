package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"assay/backend"
	"assay/backend/ort"
)

const workerVariable = "CHECK_TEST_WORKER" // how the test binary is to behave as a worker, and the runtime's library

// TestMain lets the test binary stand in for the worker process.
func TestMain(m *testing.M) {
	mode, library, _ := strings.Cut(os.Getenv(workerVariable), " ")
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := work(mode, library); err != nil {
		fmt.Fprintln(os.Stderr, "some words\nassay:", err)
		os.Exit(2)
	}
}

func work(mode, library string) error {
	run := misbehave
	switch mode {
	case "unable":
		return errors.New("the library is missing")
	case "ort":
		b, err := ort.Open(ort.Config{Library: library})
		if err != nil {
			return err
		}
		run = func(c Case) Result {
			return Run(context.Background(), b, backend.Options{IntraOpThreads: 1}, c, DefaultTolerance)
		}
	}
	return Serve(os.Stdin, os.NewFile(3, "answers"), run)
}

// workerCommand makes the command of a worker that behaves as mode says.
func workerCommand(t *testing.T, mode, library string) func(context.Context) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), workerVariable+"="+mode+" "+library)
		return cmd
	}
}

func workers(t *testing.T, mode string) Workers {
	return Workers{Timeout: 20 * time.Second, Command: workerCommand(t, mode, "")}
}

// misbehave does what the case's name says.
func misbehave(c Case) Result {
	switch c.Name {
	case "crash":
		fmt.Fprintln(os.Stderr, "kernel: something odd")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "panic":
		panic("out of ideas")
	case "hang":
		select {}
	case "talk":
		fmt.Println("words on standard output")
		fmt.Fprintln(os.Stderr, strings.Repeat("noise ", 10000))
	}
	return Result{Name: c.Name, Status: Passed, Detail: fmt.Sprint(os.Getpid())}
}

func named(names ...string) (cases []Case) {
	for _, n := range names {
		cases = append(cases, Case{Name: n})
	}
	return cases
}

func TestRunAll(t *testing.T) {
	var seen []string
	s, err := workers(t, "misbehaving").RunAll(t.Context(), named("a", "talk", "crash", "b", "panic", "crash", "c"), func(r Result) { seen = append(seen, r.Name) })
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "talk", "crash", "b", "panic", "crash", "c"}, seen); d != "" {
		t.Errorf("observed (-want +got):\n%s", d)
	}
	if s.Passed != 4 || s.Errors != 3 {
		t.Errorf("%d passed and %d ended in errors, want 4 and 3", s.Passed, s.Errors)
	}
	pids := map[string]bool{}
	for _, r := range s.Cases {
		if r.Status == Passed {
			pids[r.Detail] = true
		}
	}
	if s.Cases[0].Detail != s.Cases[1].Detail || len(pids) != 3 {
		t.Errorf("the workers were %v, want one for many cases and a new one after each crash", s.Cases)
	}
	if got, want := s.Cases[2].Detail, "the worker process ended: signal: killed: kernel: something odd"; got != want {
		t.Errorf("crash: %q, want %q", got, want)
	}
	if got, want := s.Cases[4].Detail, "the worker process ended: exit status 2: panic: out of ideas"; got != want {
		t.Errorf("panic: %q, want %q", got, want)
	}
}

func TestRunAllKillsWhatHangs(t *testing.T) {
	w := workers(t, "misbehaving")
	w.Timeout = 300 * time.Millisecond
	s, err := w.RunAll(t.Context(), named("hang"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Cases[0].Detail, "no answer in time: the worker was killed after 300ms"; got != want {
		t.Errorf("hang: %q, want %q", got, want)
	}
}

func TestRunAllStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := workers(t, "misbehaving").RunAll(ctx, named("a", "hang", "b"), func(Result) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	if len(s.Cases) != 1 || s.Cases[0].Name != "a" {
		t.Errorf("cases %v, want what was done before", s.Cases)
	}
}

func TestRunAllWithoutWorker(t *testing.T) {
	_, err := workers(t, "unable").RunAll(t.Context(), named("a", "b"), nil)
	if err == nil || !strings.Contains(err.Error(), "exit status 2: the library is missing") {
		t.Errorf("error is %v, want the worker's own words", err)
	}
	w := Workers{Command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "/nonexistent/worker") }}
	if _, err := w.RunAll(t.Context(), named("a"), nil); err == nil {
		t.Error("a program that is not there ran")
	}
}

func TestServeRefusesNonsense(t *testing.T) {
	var out strings.Builder
	if err := Serve(strings.NewReader("{nonsense"), &out, misbehave); err == nil {
		t.Error("nonsense was served")
	}
	if err := Serve(strings.NewReader(""), &out, misbehave); err != nil {
		t.Errorf("the end of input is %v, want the end of the worker", err)
	}
}

func TestServeLeavesWithItsParent(t *testing.T) {
	in, parent := io.Pipe()
	ended := make(chan error)
	go func() { ended <- Serve(in, io.Discard, misbehave) }()
	if _, err := parent.Write([]byte(`{"name":"hang"}`)); err != nil {
		t.Fatal(err)
	}
	parent.Close()
	if err := <-ended; !errors.Is(err, errAbandoned) {
		t.Errorf("error is %v, want that nobody waits", err)
	}
}
