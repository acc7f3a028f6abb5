package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"assay/results"
	"assay/runner/child"
)

// Command is how a child process is started: this program again, with the words that make it a child.
type Command struct {
	Path string
	Args []string
	Env  []string // added to the parent's
}

// process is a running child.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	events chan child.Event // closed at the end of the child's reports
	done   chan struct{}    // closed when the child has been waited for
	err    error            // of Wait, once done is closed
	stderr *tail
	oom    uint64 // kills by the kernel before it began
}

// start runs a child in a process group of its own that dies with this process. The thread that forks is kept until the child has
// ended: the death signal is bound to it.
func start(c Command, assignment child.Config) (*process, error) {
	p := &process{events: make(chan child.Event, 64), done: make(chan struct{}), stderr: &tail{}, oom: oomKills()}
	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stderr, p.stderr
	p.cmd.WaitDelay = 2 * time.Second // a grandchild that holds stderr open must not hold us
	setDeath(p.cmd)
	reports, childEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.ExtraFiles = []*os.File{childEnd}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		childEnd.Close()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		reports.Close()
		return nil, fmt.Errorf("start a trial's process: %w", err)
	}
	go p.read(reports)
	line, err := json.Marshal(assignment)
	if err == nil {
		_, err = p.stdin.Write(append(line, '\n'))
	}
	if err != nil && !errors.Is(err, syscall.EPIPE) { // a child that is gone already says why through its exit
		p.kill()
		<-p.done
		return nil, fmt.Errorf("give a trial's process its assignment: %w", err)
	}
	return p, nil
}

// read passes the child's events on until it ends.
func (p *process) read(reports *os.File) {
	defer close(p.events)
	defer reports.Close()
	in := bufio.NewReader(reports)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var e child.Event
		if json.Unmarshal(line, &e) == nil {
			p.events <- e
		}
	}
}

// stop asks the child to end its window and drain.
func (p *process) stop() { p.stdin.Close() }

// kill ends the child and everything that it started.
func (p *process) kill() { killGroup(p.cmd.Process.Pid) }

// hearing is how long a child that is late is listened to before it counts as hung.
const hearing = time.Second

// wait returns when the child has ended: its last result, or how it ended without one.
func (p *process) wait(ctx context.Context, limit func(phase string) time.Duration, observe func(child.Event)) (result *child.Event, end ending) {
	timer := time.NewTimer(limit(""))
	defer timer.Stop()
	stopped := ctx.Done()
	phase, late := "", false
	for {
		select {
		case e, ok := <-p.events:
			late = false
			if !ok {
				<-p.done
				return result, p.ending(end, phase)
			}
			switch e.Type {
			case child.EventResult, child.EventError:
				result = &e
				p.stdin.Close()
			case child.EventPhase:
				phase = e.Phase
				timer.Reset(limit(phase))
			}
			if observe != nil {
				observe(e)
			}
		case <-stopped:
			stopped = nil
			p.stop()
		case <-timer.C:
			if !late { // this process may itself have been stopped: what the child has said meanwhile comes first
				late = true
				timer.Reset(hearing)
				continue
			}
			end = ending{status: results.TrialTimeout, reason: fmt.Sprintf("no end of phase %q within %v; killed", phase, limit(phase))}
			p.kill()
		}
	}
}

// ending is how a child without a result ended.
type ending struct{ status, reason string }

func (p *process) ending(known ending, phase string) ending {
	if known.status != "" {
		return known
	}
	where := ""
	if phase != "" {
		where = " in phase " + phase
	}
	said, crash := p.stderr.last()
	if said != "" {
		said = ": " + said
	}
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return ending{results.TrialFailed, "ended without a result" + where + said}
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled() && status.Signal() == syscall.SIGKILL && oomKills() > p.oom:
		return ending{results.TrialOOM, "the kernel killed it for memory" + where}
	case ok && status.Signaled():
		return ending{results.TrialKilled, fmt.Sprintf("killed by signal %v%s%s", status.Signal(), where, said)}
	}
	if crash {
		return ending{results.TrialKilled, "crashed" + where + said}
	}
	return ending{results.TrialFailed, fmt.Sprintf("exited with code %d%s%s", exit.ExitCode(), where, said)}
}

// tail keeps the first and the last bytes of a child's output: a crash names itself first, a refusal last.
type tail struct {
	mu         sync.Mutex
	head, rest []byte
}

const tailSize = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(b), tailSize-len(t.head))
	t.head = append(t.head, b[:n]...)
	t.rest = append(t.rest, b[n:]...)
	if over := len(t.rest) - tailSize; over > 0 {
		t.rest = append(t.rest[:0], t.rest[over:]...)
	}
	return len(b), nil
}

// crashMarks begin the line in which a runtime says why it died.
var crashMarks = []string{"SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "fatal error:", "panic:", "unexpected fault", "terminate called"}

// last returns the line that says most: the one that names a crash, else the last one.
func (t *tail) last() (line string, crash bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(append(bytes.Clone(t.head), t.rest...)), []byte("\n"))
	for _, line := range lines {
		for _, mark := range crashMarks {
			if bytes.Contains(line, []byte(mark)) {
				return strings.TrimSpace(string(line)), true
			}
		}
	}
	return strings.TrimSpace(string(lines[len(lines)-1])), false
}
