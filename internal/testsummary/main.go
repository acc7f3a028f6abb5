// Command testsummary reads `go test -json` from standard input and prints what matters: packages as they end, the output of what
// failed, every skipped test with its reason, and the counts. It exits with 1 when anything failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	failed, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

// summary gathers events. Subtests count with their parents: only leaves of the tree are tests.
type summary struct {
	out     io.Writer
	output  map[string][]string // by package and test
	parents map[string]bool
	ended   map[string]string // test -> action
	failed  bool
}

func summarize(in io.Reader, out io.Writer) (failed bool, err error) {
	s := &summary{out: out, output: map[string][]string{}, parents: map[string]bool{}, ended: map[string]string{}}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 1<<16), 1<<24)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			fmt.Fprintln(out, scanner.Text())
			continue
		}
		s.take(e)
	}
	s.close()
	return s.failed, scanner.Err()
}

func (s *summary) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		s.output[key] = append(s.output[key], e.Output)
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "build-fail":
		s.failed = true
	case "pass", "fail", "skip":
		if e.Test != "" {
			s.endTest(e, key)
			return
		}
		s.endPackage(e, key)
	}
}

func (s *summary) endTest(e event, key string) {
	s.ended[key] = e.Action
	if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
		s.parents[e.Package+" "+e.Test[:i]] = true
	}
	if e.Action == "fail" {
		fmt.Fprint(s.out, strings.Join(s.output[key], ""))
	}
	if e.Action != "skip" {
		delete(s.output, key)
	}
}

func (s *summary) endPackage(e event, key string) {
	word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "none"}[e.Action]
	fmt.Fprintf(s.out, "%s  %s  %.1fs\n", word, e.Package, e.Elapsed)
	if e.Action == "fail" {
		s.failed = true
		fmt.Fprint(s.out, strings.Join(s.output[key], ""))
	}
	delete(s.output, key)
}

func (s *summary) close() {
	counts := map[string]int{}
	var skipped []string
	for key, action := range s.ended {
		if s.parents[key] {
			continue
		}
		counts[action]++
		if action == "skip" {
			skipped = append(skipped, "  "+key+": "+reason(s.output[key]))
		}
	}
	if len(skipped) > 0 {
		slices.Sort(skipped)
		fmt.Fprintf(s.out, "\nskipped on this machine:\n%s\n", strings.Join(skipped, "\n"))
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n", counts["pass"], counts["fail"], counts["skip"])
}

// reason is what a skipped test said, without the file and line before it.
func reason(output []string) string {
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		if _, said, ok := strings.Cut(line, ".go:"); ok {
			if _, text, ok := strings.Cut(said, ": "); ok {
				return text
			}
		}
		return line
	}
	return "no reason given"
}
