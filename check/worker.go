package check

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// The protocol: the parent writes one Case a line to the worker's standard input; the worker writes an empty Result once
// it is ready and then one Result for each Case to file descriptor 3. Standard output and error are the runtime's to write to.

// errAbandoned ends a worker whose parent is gone while a case still runs.
var errAbandoned = errors.New("nobody waits for the answer")

// Serve is the worker's side: it answers each case read from in with the result of run, until in ends. If in ends while a
// case runs, whoever asked is gone: Serve returns without waiting, and the process should end.
func Serve(in io.Reader, out io.Writer, run func(Case) Result) error {
	answers := json.NewEncoder(out)
	if err := answers.Encode(Result{}); err != nil {
		return fmt.Errorf("report ready: %w", err)
	}
	cases, ended := readCases(in)
	for {
		select {
		case err := <-ended:
			return err
		case c := <-cases:
			done := make(chan Result, 1)
			go func() { done <- run(c) }()
			select {
			case <-ended:
				return errAbandoned
			case r := <-done:
				if err := answers.Encode(r); err != nil {
					return fmt.Errorf("answer %s: %w", c.Name, err)
				}
			}
		}
	}
}

// readCases decodes cases until in ends, and then says how it ended: nil is the usual end. It stops with the process.
func readCases(in io.Reader) (<-chan Case, <-chan error) {
	cases, ended := make(chan Case), make(chan error, 1)
	go func() {
		for decoder := json.NewDecoder(in); ; {
			var c Case
			err := decoder.Decode(&c)
			if errors.Is(err, io.EOF) {
				err = nil
			} else if err == nil {
				cases <- c
				continue
			} else {
				err = fmt.Errorf("read a case: %w", err)
			}
			ended <- err
			return
		}
	}()
	return cases, ended
}

// Workers says how cases are run in processes of their own.
type Workers struct {
	// Command makes the command of a new worker, which calls Serve with its standard input and file descriptor 3. The
	// command's Stdin, Stderr and ExtraFiles are set by RunAll.
	Command func(context.Context) *exec.Cmd
	Timeout time.Duration // for one case; 0 is DefaultTimeout
}

// RunAll runs the cases in one worker after another: one runs many, and a new one is started when it crashed, hung or was
// killed. The case that was in flight then is an Error with the reason. observe, when not nil, is told each result as it comes.
// The summary holds every case, in order, unless ctx ends first or a worker cannot start, which are the errors. No process
// is left when RunAll returns.
func (w Workers) RunAll(ctx context.Context, cases []Case, observe func(Result)) (*Summary, error) {
	if w.Timeout == 0 {
		w.Timeout = DefaultTimeout
	}
	s := &Summary{}
	var p *worker
	defer func() {
		if p != nil {
			p.end()
		}
	}()
	for _, c := range cases {
		if p == nil {
			started, err := w.start(ctx)
			if err != nil {
				return s, err
			}
			p = started
		}
		r, err := p.ask(ctx, c, w.Timeout)
		if err != nil {
			reason := p.crash(err)
			p = nil
			if ctx.Err() != nil {
				return s, ctx.Err()
			}
			r = Result{Name: c.Name, Status: Error, Detail: reason}
		}
		s.Add(r)
		if observe != nil {
			observe(r)
		}
	}
	return s, nil
}

// worker is one process.
type worker struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers *os.File
	decoder *json.Decoder
	log     *tail
}

// start starts a worker and waits until it is ready.
func (w Workers) start(ctx context.Context) (*worker, error) {
	r, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	p := &worker{cmd: w.Command(ctx), answers: r, decoder: json.NewDecoder(bufio.NewReader(r)), log: &tail{}}
	p.cmd.Stderr = p.log
	p.cmd.ExtraFiles = []*os.File{out}
	p.cmd.WaitDelay = 5 * time.Second
	p.stdin, err = p.cmd.StdinPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	out.Close() // the worker's copy alone keeps the pipe open: its end is the worker's end
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	if _, err := p.answer(ctx, w.Timeout); err != nil {
		reason := p.crash(err)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("start a worker: %s", reason)
	}
	return p, nil
}

// ask has the worker run one case.
func (p *worker) ask(ctx context.Context, c Case, timeout time.Duration) (Result, error) {
	p.log.reset()
	line, err := json.Marshal(c)
	if err != nil {
		return Result{}, err
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return Result{}, err
	}
	return p.answer(ctx, timeout)
}

var errTimeout = errors.New("no answer in time")

// answer reads one result. A worker that is late, or no longer wanted, is killed; the deadline ends the reading even if
// something that it started still holds the pipe.
func (p *worker) answer(ctx context.Context, timeout time.Duration) (Result, error) {
	limit, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w: the worker was killed after %s", errTimeout, timeout))
	defer cancel()
	stop := context.AfterFunc(limit, func() {
		_ = p.cmd.Process.Kill() // it may have ended by itself
		_ = p.answers.SetReadDeadline(time.Unix(1, 0))
	})
	var r Result
	err := p.decoder.Decode(&r)
	if !stop() && err != nil {
		err = context.Cause(limit)
	}
	return r, err
}

// crash waits for a worker that ended, or makes it end, and says why it did.
func (p *worker) crash(cause error) string {
	p.stdin.Close()
	p.answers.Close()
	if !errors.Is(cause, io.EOF) && !errors.Is(cause, io.ErrUnexpectedEOF) {
		_ = p.cmd.Process.Kill() // it may have ended by itself
	}
	err := p.cmd.Wait()
	if errors.Is(cause, errTimeout) {
		return oneLine(cause.Error())
	}
	how := "it ended without an answer"
	if err != nil {
		how = err.Error()
	}
	if words := p.log.cause(); words != "" {
		how += ": " + words
	}
	return oneLine("the worker process ended: " + how)
}

// end lets the worker finish: its input ends.
func (p *worker) end() {
	p.stdin.Close()
	p.answers.Close()
	_ = p.cmd.Wait() // every answer was read already
}

// tail keeps the end of what a process writes to its standard error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 32 << 10 // a Go program's last words with the stacks of its goroutines

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append([]byte{}, t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = nil
}

// lastWords begin the lines that a Go or C++ program dies with, and those of this program's own errors.
var lastWords = []string{"SIG", "panic:", "fatal error:", "terminate called", "free():", "malloc():", "double free", "assay: "}

const causeLength = 400 // of a result's detail; lines of a runtime can be very long

// cause picks the line that says why: the one that a program dies with, else the last.
func (t *tail) cause() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	why := ""
	for line := range strings.Lines(string(t.b)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		why = line
		if slices.ContainsFunc(lastWords, func(w string) bool { return strings.HasPrefix(line, w) }) {
			break
		}
	}
	why = strings.TrimPrefix(why, "assay: ")
	return why[:min(len(why), causeLength)]
}
