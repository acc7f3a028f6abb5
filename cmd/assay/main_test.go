package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// asProgram makes the test binary be assay, for tests that need a process of their own.
const asProgram = "ASSAY_TEST_AS_PROGRAM"

// TestMain lets the test binary stand in for assay, in scripts and as its own child processes.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || len(os.Args) > 1 && slices.Contains([]string{"trial", "sampler", "check-worker", "verify-worker"}, os.Args[1]) {
		main() // a test that calls run in this process starts this binary as its child
	}
	testscript.Main(m, map[string]func(){"assay": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"mkmodel": mkmodel, "exits": exits},
		Setup: func(env *testscript.Env) error {
			wd, err := os.Getwd()
			if err != nil {
				return err
			}
			env.Setenv("REPO", wd+"/../..")
			// Scripts run with a home of their own; the runtime library is found where the user's was.
			if cache, err := os.UserCacheDir(); err == nil {
				env.Setenv("XDG_CACHE_HOME", cache)
			}
			return nil
		},
	})
}

// exits is a command of scripts: `exits CODE PROGRAM ARGS...` runs a program and checks its exit code; its output is there for stdout and
// stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// TestUnwritable: a disk that takes no more leaves a run incomplete; it is no fault of the program's.
func TestUnwritable(t *testing.T) {
	full := fmt.Errorf("write report.json: %w", &fs.PathError{Op: "write", Path: "report.json", Err: syscall.ENOSPC})
	if err := unwritable("runs/x", full); exitCodeOf(err) != exitIncomplete || !strings.Contains(err.Error(), "make room in runs/x") {
		t.Errorf("full: %d %v", exitCodeOf(err), err)
	}
	if err := unwritable("runs/x", errors.New("other")); exitCodeOf(err) != exitInternal {
		t.Errorf("other: %v", err)
	}
	if unwritable("runs/x", nil) != nil {
		t.Error("no error became one")
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("internal"), 1},
		{usageError(errors.New("usage")), 2},
		{fmt.Errorf("wrapped: %w", withCode(exitGateFailed, errors.New("gate"))), 3},
		{silentError{exitInconclusive}, 4},
		{withCode(exitIncomplete, errors.New("nothing measured")), 5},
		{withCode(exitEnvironment, errors.New("another machine")), 6},
		{silentError{exitInterrupted}, 130},
	} {
		if got := exitCodeOf(c.err); got != c.want {
			t.Errorf("exitCodeOf(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}
